//! MobileNetV3 large and small at width 1 (Howard et al. 2019, arXiv 1905.02244, tables 1 and 2) in timm's and torchvision's
//! names. The two libraries agree on the network, not on the batch norms' epsilon.

use heirloom_engine::Activation::{HardSigmoid, HardSwish, Relu};
use heirloom_engine::Op;

use super::TORCH_EPSILON;
use super::inverted_residual::{self, Block, Names, Squeeze};
use crate::builder::{Builder, Window, Wire};
use crate::keys::Layout;

/// Epsilon of the batch norms in torchvision's version.
const TORCHVISION_EPSILON: f64 = 1e-3;
const STEM: usize = 16;

/// A row of the paper's table.
struct Row {
    kernel: usize,
    /// Equal to the input channels for a block without expansion.
    expanded: usize,
    channels: usize,
    squeezes: bool,
    hard_swish: bool,
    stride: usize,
}

const fn row(kernel: usize, expanded: usize, channels: usize, squeezes: bool, hard_swish: bool, stride: usize) -> Row {
    Row { kernel, expanded, channels, squeezes, hard_swish, stride }
}

/// A network: its rows by timm stage, and the width of its penultimate vector. The last convolution has as many channels as the
/// last expansion.
pub(crate) struct Table {
    stages: &'static [&'static [Row]],
    features: usize,
}

pub(crate) const LARGE: Table = Table {
    stages: &[
        &[row(3, 16, 16, false, false, 1)],
        &[row(3, 64, 24, false, false, 2), row(3, 72, 24, false, false, 1)],
        &[row(5, 72, 40, true, false, 2), row(5, 120, 40, true, false, 1), row(5, 120, 40, true, false, 1)],
        &[
            row(3, 240, 80, false, true, 2),
            row(3, 200, 80, false, true, 1),
            row(3, 184, 80, false, true, 1),
            row(3, 184, 80, false, true, 1),
        ],
        &[row(3, 480, 112, true, true, 1), row(3, 672, 112, true, true, 1)],
        &[row(5, 672, 160, true, true, 2), row(5, 960, 160, true, true, 1), row(5, 960, 160, true, true, 1)],
    ],
    features: 1280,
};

pub(crate) const SMALL: Table = Table {
    stages: &[
        &[row(3, 16, 16, true, false, 2)],
        &[row(3, 72, 24, false, false, 2), row(3, 88, 24, false, false, 1)],
        &[row(5, 96, 40, true, true, 2), row(5, 240, 40, true, true, 1), row(5, 240, 40, true, true, 1)],
        &[row(5, 120, 48, true, true, 1), row(5, 144, 48, true, true, 1)],
        &[row(5, 288, 96, true, true, 2), row(5, 576, 96, true, true, 1), row(5, 576, 96, true, true, 1)],
    ],
    features: 1024,
};

pub(crate) fn build(b: &mut Builder, input: Wire, table: &Table) -> Result<(), String> {
    let timm = b.keys.layout == Layout::Timm;
    let epsilon = if timm { TORCH_EPSILON } else { TORCHVISION_EPSILON };
    let stem =
        if timm { ["conv_stem", "bn1", "act1"].map(str::to_owned) } else { inverted_residual::unit("features.0") };
    let mut x = unit(b, &stem, input, STEM, Window::centred(3, 2), epsilon);
    let mut expanded = STEM;
    let mut index = 0;
    for (stage, rows) in table.stages.iter().enumerate() {
        for (place, row) in rows.iter().enumerate() {
            index += 1;
            let module = if timm { format!("blocks.{stage}.{place}") } else { format!("features.{index}") };
            x = block(b, &module, x, row, epsilon);
            expanded = row.expanded;
        }
    }
    let last = if timm {
        let module = format!("blocks.{}.0", table.stages.len());
        [format!("{module}.conv"), format!("{module}.bn1"), format!("{module}.act")]
    } else {
        inverted_residual::unit(&format!("features.{}", index + 1))
    };
    let x = unit(b, &last, x, expanded, Window::POINT, epsilon);
    b.pre_pooling(x);
    if timm {
        timm_head(b, x, table.features)
    } else {
        torchvision_head(b, x, table.features)
    }
    Ok(())
}

fn block(b: &mut Builder, module: &str, from: Wire, row: &Row, epsilon: f64) -> Wire {
    let expands = row.expanded != from.channels;
    let names = match b.keys.layout {
        Layout::Timm => Names::timm(module, expands),
        _ => Names::torchvision_block(module, expands, row.squeezes),
    };
    let squeeze = Squeeze { channels: divisible_by_8(row.expanded / 4), inner: Relu, gate: HardSigmoid };
    let block = Block {
        expanded: expands.then_some(row.expanded),
        channels: row.channels,
        kernel: row.kernel,
        stride: row.stride,
        activation: if row.hard_swish { HardSwish } else { Relu },
        squeeze: row.squeezes.then_some(squeeze),
        epsilon,
    };
    inverted_residual::build(b, module, &names, from, &block)
}

fn unit(b: &mut Builder, names: &[String; 3], from: Wire, channels: usize, window: Window, epsilon: f64) -> Wire {
    let [convolution, norm, act] = names;
    let x = b.convolution_norm([convolution, norm], from, channels, window, 1, epsilon);
    let x = b.activate(act, x, HardSwish);
    b.tap(act);
    x
}

/// Pooling, a 1x1 convolution, hard swish, the classifier.
fn timm_head(b: &mut Builder, from: Wire, features: usize) {
    let x = b.node("global_pool", Op::GlobalAveragePool, &[from], from.channels);
    let x = b.convolution("conv_head", x, features, Window::POINT, 1, true);
    let x = b.activate("act2", x, HardSwish);
    let x = b.node("flatten", Op::Flatten, &[x], features);
    b.pre_logits(x);
    b.linear_classifier("classifier", x);
}

/// Pooling, a linear layer, hard swish, the classifier.
fn torchvision_head(b: &mut Builder, from: Wire, features: usize) {
    let x = b.pooled("avgpool", from);
    let x = b.linear("classifier.0", x, features);
    let x = b.activate("classifier.act", x, HardSwish);
    b.pre_logits(x);
    b.linear_classifier("classifier.3", x);
}

/// The nearest multiple of 8, at least 8, never more than a tenth below the value.
fn divisible_by_8(value: usize) -> usize {
    let nearest = ((value + 4) / 8 * 8).max(8);
    if nearest * 10 < value * 9 { nearest + 8 } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::divisible_by_8;

    #[test]
    fn squeeze_widths_follow_the_published_rounding() {
        let cases = [(4, 8), (18, 24), (30, 32), (60, 64), (120, 120), (168, 168), (36, 40), (72, 72)];
        for (value, expected) in cases {
            assert_eq!(divisible_by_8(value), expected, "{value}");
        }
    }
}
