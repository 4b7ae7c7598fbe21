//! Wide residual networks for 32-pixel images (Zagoruyko and Komodakis 2016, arXiv 1605.07146, table 1): pre-activation blocks of
//! two 3x3 convolutions, no dropout, a 1x1 shortcut where the number of channels changes, in the names of the usual PyTorch port.
//!
//! The shortcut of a block that changes shape reads the activated map, as the residual branch does. A norm before a block cannot be
//! folded into a convolution: where batch norms are folded, these stay.

use heirloom_engine::Activation::Relu;

use super::TORCH_EPSILON;
use crate::builder::{Builder, Window, Wire};

/// Channels of the stem, and of the three stages at width 1.
const STEM: usize = 16;
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Depth `6 * blocks + 4`; `width` multiplies the channels of the stages.
pub(crate) fn build(b: &mut Builder, input: Wire, blocks: usize, width: usize) -> Result<(), String> {
    let mut x = b.convolution("conv1", input, STEM, Window::centred(3, 1), 1, false);
    for (stage, channels) in WIDTHS.into_iter().enumerate() {
        let module = format!("block{}", stage + 1);
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual_block(b, &format!("{module}.layer.{block}"), x, channels * width, stride);
        }
        b.module(&module, x);
    }
    let x = b.batch_norm("bn1", x, TORCH_EPSILON);
    let x = b.activate("relu", x, Relu);
    let vector = b.pooled_features("global_pool", x);
    b.linear_classifier("fc", vector);
    Ok(())
}

/// `x + conv2(relu(bn2(conv1(relu(bn1(x))))))`.
fn residual_block(b: &mut Builder, module: &str, from: Wire, channels: usize, stride: usize) -> Wire {
    let name = |role: &str| format!("{module}.{role}");
    let x = b.batch_norm(&name("bn1"), from, TORCH_EPSILON);
    let active = b.activate(&name("relu1"), x, Relu);
    b.tap(&name("relu1"));
    let window = Window::centred(3, stride);
    let x = b.convolution_norm([&name("conv1"), &name("bn2")], active, channels, window, 1, TORCH_EPSILON);
    let x = b.activate(&name("relu2"), x, Relu);
    b.tap(&name("relu2"));
    let x = b.convolution(&name("conv2"), x, channels, Window::centred(3, 1), 1, false);
    let shortcut = if from.channels == channels {
        from
    } else {
        b.convolution(&name("convShortcut"), active, channels, Window::valid(1, stride), 1, false)
    };
    let x = b.add(&name("add"), x, shortcut);
    b.module(module, x);
    b.tap(module);
    x
}
