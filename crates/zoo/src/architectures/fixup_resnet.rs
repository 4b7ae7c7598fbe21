//! Residual networks without normalisation layers (Fixup; Zhang, Dauphin and Ma 2019, arXiv 1901.09321, section 3): one bias for all
//! channels before and after every convolution, one factor at the end of every residual branch; the rest is in the
//! first weights. The 32-pixel networks have parameter-free shortcuts: every second pixel, zero channels behind.

use heirloom_engine::Activation::Relu;
use heirloom_engine::Op;

use crate::builder::{Builder, Window, Wire};

/// Stem, stages and blocks.
pub(crate) struct Form {
    /// Blocks of each stage.
    blocks: &'static [usize],
    bottleneck: bool,
    /// Whether the network is for 32-pixel images.
    small: bool,
}

pub(crate) const RESNET18: Form = Form { blocks: &[2, 2, 2, 2], bottleneck: false, small: false };
pub(crate) const RESNET34: Form = Form { blocks: &[3, 4, 6, 3], bottleneck: false, small: false };
pub(crate) const RESNET50: Form = Form { blocks: &[3, 4, 6, 3], bottleneck: true, small: false };

/// Depth `6 * blocks + 2`, for 32-pixel images.
pub(crate) const fn cifar(blocks: &'static [usize; 3]) -> Form {
    Form { blocks, bottleneck: false, small: true }
}

pub(crate) fn build(b: &mut Builder, input: Wire, form: &Form) -> Result<(), String> {
    let first = if form.small { 16 } else { 64 };
    let mut x = stem(b, input, first, form.small);
    for (stage, &blocks) in form.blocks.iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(b, &format!("layer{}.{block}", stage + 1), x, first << stage, stride, form);
        }
        b.module(&format!("layer{}", stage + 1), x);
    }
    b.pre_pooling(x);
    let x = b.pooled("avgpool", x);
    let x = shift(b, "bias2", x);
    b.pre_logits(x);
    b.linear_classifier("fc", x);
    Ok(())
}

fn stem(b: &mut Builder, input: Wire, channels: usize, small: bool) -> Wire {
    let window = if small { Window::centred(3, 1) } else { Window::centred(7, 2) };
    let x = b.convolution("conv1", input, channels, window, 1, false);
    let x = shift(b, "bias1", x);
    let x = b.activate("act1", x, Relu);
    if small {
        b.tap("act1");
        return x;
    }
    let x = b.max_pool("maxpool", x, Window::centred(3, 2), false);
    b.tap("maxpool");
    x
}

/// `relu(shortcut(x) + scale * f(x) + bias)`, with a bias around every convolution of `f`.
fn residual_block(b: &mut Builder, module: &str, from: Wire, width: usize, stride: usize, form: &Form) -> Wire {
    let name = |role: &str| format!("{module}.{role}");
    let windows: &[Window] = if form.bottleneck {
        &[Window::POINT, Window::centred(3, stride), Window::POINT]
    } else {
        &[Window::centred(3, stride), Window::centred(3, 1)]
    };
    let out = if form.bottleneck { 4 * width } else { width };
    let shifted = shift(b, &name("bias1a"), from);
    let mut x = shifted;
    for (index, &window) in windows.iter().enumerate() {
        let number = index + 1;
        if index > 0 {
            x = shift(b, &name(&format!("bias{number}a")), x);
        }
        let last = number == windows.len();
        x = b.convolution(&name(&format!("conv{number}")), x, if last { out } else { width }, window, 1, false);
        if last {
            let weight = b.plain_parameter(&name("scale"), &[1]);
            x = b.node(&name("scale"), Op::Scale { weight }, &[x], out);
        }
        x = shift(b, &name(&format!("bias{number}b")), x);
        if !last {
            let act = name(&format!("act{number}"));
            x = b.activate(&act, x, Relu);
            b.tap(&act);
        }
    }
    let shortcut = shortcut(b, module, [from, shifted], out, stride, form.small);
    let x = b.add(&name("add"), x, shortcut);
    let x = b.activate(&name(&format!("act{}", windows.len())), x, Relu);
    b.module(module, x);
    b.tap(module);
    x
}

/// The block's input as it is, or, where the shape changes, made to fit after the branch's first bias.
fn shortcut(
    b: &mut Builder,
    module: &str,
    [from, shifted]: [Wire; 2],
    channels: usize,
    stride: usize,
    small: bool,
) -> Wire {
    let name = format!("{module}.downsample");
    if stride == 1 && from.channels == channels {
        return from;
    }
    if !small {
        return b.convolution(&name, shifted, channels, Window::valid(1, stride), 1, false);
    }
    let kept = Op::Subsample { stride: [stride; 2] };
    let x = b.node(&name, kept, &[shifted], from.channels);
    let padded = Op::PadChannels { before: 0, after: channels - from.channels };
    b.node(&format!("{name}.pad"), padded, &[x], channels)
}

/// Adds one value to all channels.
fn shift(b: &mut Builder, name: &str, from: Wire) -> Wire {
    let bias = b.plain_parameter(name, &[1]);
    b.node(name, Op::Shift { bias }, &[from], from.channels)
}
