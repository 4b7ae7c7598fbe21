//! ResNet for 32-pixel images (He et al. 2016, arXiv 1512.03385, section 4.2) with option-A shortcuts: every second pixel,
//! zero channels on both sides, no parameters.

use heirloom_engine::Activation::Relu;
use heirloom_engine::Op;

use super::TORCH_EPSILON;
use crate::builder::{Builder, Window, Wire};

/// Channels of the three stages.
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Depth `6 * blocks + 2`.
pub(crate) fn build(b: &mut Builder, input: Wire, blocks: usize) -> Result<(), String> {
    let x = b.convolution_norm(["conv1", "bn1"], input, WIDTHS[0], Window::centred(3, 1), 1, TORCH_EPSILON);
    let mut x = b.activate("act1", x, Relu);
    b.tap("act1");
    for (stage, &width) in WIDTHS.iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic_block(b, &format!("layer{}.{block}", stage + 1), x, width, stride);
        }
        b.module(&format!("layer{}", stage + 1), x);
    }
    let vector = b.pooled_features("global_pool", x);
    b.linear_classifier("linear", vector);
    Ok(())
}

fn basic_block(b: &mut Builder, module: &str, from: Wire, width: usize, stride: usize) -> Wire {
    let name = |role: &str| format!("{module}.{role}");
    let first = [name("conv1"), name("bn1")];
    let x = b.convolution_norm([&first[0], &first[1]], from, width, Window::centred(3, stride), 1, TORCH_EPSILON);
    let x = b.activate(&name("act1"), x, Relu);
    b.tap(&name("act1"));
    let second = [name("conv2"), name("bn2")];
    let x = b.convolution_norm([&second[0], &second[1]], x, width, Window::centred(3, 1), 1, TORCH_EPSILON);
    let shortcut = shortcut(b, module, from, width, stride);
    let x = b.add(&name("add"), x, shortcut);
    let x = b.activate(&name("act2"), x, Relu);
    b.module(module, x);
    b.tap(module);
    x
}

fn shortcut(b: &mut Builder, module: &str, from: Wire, width: usize, stride: usize) -> Wire {
    if stride == 1 && from.channels == width {
        return from;
    }
    let kept = Op::Subsample { stride: [stride; 2] };
    let x = b.node(&format!("{module}.shortcut.subsample"), kept, &[from], from.channels);
    let side = (width - from.channels) / 2;
    let padded = Op::PadChannels { before: side, after: side };
    let x = b.node(&format!("{module}.shortcut.pad"), padded, &[x], width);
    b.module(&format!("{module}.shortcut"), x);
    x
}
