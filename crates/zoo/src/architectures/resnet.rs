//! ResNet for 224-pixel images (He et al. 2016, arXiv 1512.03385, section 4.1), stride on the 3x3 convolution of a bottleneck.
//! torchvision and timm spell it alike.

use heirloom_engine::Activation::Relu;

use super::TORCH_EPSILON;
use crate::builder::{Builder, Window, Wire};

/// Blocks per stage, and which block.
pub(crate) struct Depth {
    blocks: [usize; 4],
    bottleneck: bool,
}

pub(crate) const RESNET18: Depth = Depth { blocks: [2, 2, 2, 2], bottleneck: false };
pub(crate) const RESNET34: Depth = Depth { blocks: [3, 4, 6, 3], bottleneck: false };
pub(crate) const RESNET50: Depth = Depth { blocks: [3, 4, 6, 3], bottleneck: true };
pub(crate) const RESNET101: Depth = Depth { blocks: [3, 4, 23, 3], bottleneck: true };

pub(crate) fn build(b: &mut Builder, input: Wire, depth: &Depth) -> Result<(), String> {
    let stages = b.variant.options.last_stage.unwrap_or(depth.blocks.len());
    if !(1..=depth.blocks.len()).contains(&stages) {
        return Err(format!("options.last_stage is {stages}, must be 1 to {}", depth.blocks.len()));
    }
    let mut x = stem(b, input);
    for (stage, &blocks) in depth.blocks.iter().take(stages).enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(b, &format!("layer{}.{block}", stage + 1), x, 64 << stage, stride, depth.bottleneck);
        }
        b.module(&format!("layer{}", stage + 1), x);
    }
    let vector = b.pooled_features("global_pool", x);
    b.linear_classifier("fc", vector);
    Ok(())
}

fn stem(b: &mut Builder, input: Wire) -> Wire {
    let x = b.convolution_norm(["conv1", "bn1"], input, 64, Window::centred(7, 2), 1, TORCH_EPSILON);
    let x = b.activate("act1", x, Relu);
    let x = b.max_pool("maxpool", x, Window::centred(3, 2), false);
    b.tap("maxpool");
    x
}

/// `relu(shortcut(x) + f(x))`, f being 3x3, 3x3 or 1x1, 3x3, 1x1 convolutions with batch norms.
fn residual_block(b: &mut Builder, module: &str, from: Wire, width: usize, stride: usize, bottleneck: bool) -> Wire {
    let windows: &[Window] = if bottleneck {
        &[Window::POINT, Window::centred(3, stride), Window::POINT]
    } else {
        &[Window::centred(3, stride), Window::centred(3, 1)]
    };
    let out = if bottleneck { 4 * width } else { width };
    let mut x = from;
    for (index, &window) in windows.iter().enumerate() {
        let number = index + 1;
        let last = number == windows.len();
        let names = [format!("{module}.conv{number}"), format!("{module}.bn{number}")];
        let channels = if last { out } else { width };
        x = b.convolution_norm([&names[0], &names[1]], x, channels, window, 1, TORCH_EPSILON);
        if !last {
            let name = format!("{module}.act{number}");
            x = b.activate(&name, x, Relu);
            b.tap(&name);
        }
    }
    let shortcut = shortcut(b, module, from, out, stride);
    let x = b.add(&format!("{module}.add"), x, shortcut);
    let x = b.activate(&format!("{module}.act{}", windows.len()), x, Relu);
    b.module(module, x);
    b.tap(module);
    x
}

/// The identity, or a 1x1 convolution where the shape changes.
fn shortcut(b: &mut Builder, module: &str, from: Wire, channels: usize, stride: usize) -> Wire {
    if stride == 1 && from.channels == channels {
        return from;
    }
    let names = [format!("{module}.downsample.0"), format!("{module}.downsample.1")];
    let x = b.convolution_norm([&names[0], &names[1]], from, channels, Window::valid(1, stride), 1, TORCH_EPSILON);
    b.module(&format!("{module}.downsample"), x);
    x
}
