//! EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946, table 1) in timm's and torchvision's names: symmetric padding, SiLU,
//! squeeze-and-excite of a quarter of the block's input channels.

use heirloom_engine::Activation::{Sigmoid, Silu};

use super::TORCH_EPSILON;
use super::inverted_residual::{self, Block, Names, Squeeze};
use crate::builder::{Builder, Window, Wire};
use crate::keys::Layout;

/// Kernel, expansion factor, channels, repeats, stride of the first.
const STAGES: [[usize; 5]; 7] = [
    [3, 1, 16, 1, 1],
    [3, 6, 24, 2, 2],
    [5, 6, 40, 2, 2],
    [3, 6, 80, 3, 2],
    [5, 6, 112, 3, 1],
    [5, 6, 192, 4, 2],
    [3, 6, 320, 1, 1],
];
const STEM: usize = 32;
const HEAD: usize = 1280;

pub(crate) fn build(b: &mut Builder, input: Wire) -> Result<(), String> {
    let timm = b.keys.layout == Layout::Timm;
    let [stem, head] = if timm {
        [["conv_stem", "bn1", "act1"], ["conv_head", "bn2", "act2"]].map(|unit| unit.map(str::to_owned))
    } else {
        ["features.0", "features.8"].map(inverted_residual::unit)
    };
    let mut x = unit(b, &stem, input, STEM, Window::centred(3, 2));
    for (stage, [kernel, factor, channels, repeats, stride]) in STAGES.into_iter().enumerate() {
        for repeat in 0..repeats {
            let module =
                if timm { format!("blocks.{stage}.{repeat}") } else { format!("features.{}.{repeat}", stage + 1) };
            let stride = if repeat == 0 { stride } else { 1 };
            x = block(b, &module, x, [kernel, factor, channels, stride]);
        }
        b.module(&if timm { format!("blocks.{stage}") } else { format!("features.{}", stage + 1) }, x);
    }
    let x = unit(b, &head, x, HEAD, Window::POINT);
    let vector = b.pooled_features(if timm { "global_pool" } else { "avgpool" }, x);
    b.linear_classifier(if timm { "classifier" } else { "classifier.1" }, vector);
    Ok(())
}

fn unit(b: &mut Builder, [convolution, norm, act]: &[String; 3], from: Wire, channels: usize, window: Window) -> Wire {
    let x = b.convolution_norm([convolution, norm], from, channels, window, 1, TORCH_EPSILON);
    let x = b.activate(act, x, Silu);
    b.tap(act);
    x
}

fn block(b: &mut Builder, module: &str, from: Wire, [kernel, factor, channels, stride]: [usize; 4]) -> Wire {
    let expands = factor > 1;
    let names = match b.keys.layout {
        Layout::Timm => Names::timm(module, expands),
        _ => Names::torchvision_block(module, expands, true),
    };
    let block = Block {
        expanded: expands.then_some(factor * from.channels),
        channels,
        kernel,
        stride,
        activation: Silu,
        squeeze: Some(Squeeze { channels: from.channels / 4, inner: Silu, gate: Sigmoid }),
        epsilon: TORCH_EPSILON,
    };
    inverted_residual::build(b, module, &names, from, &block)
}
