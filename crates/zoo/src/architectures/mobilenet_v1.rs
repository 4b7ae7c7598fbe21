//! MobileNetV1 (Howard et al. 2017, arXiv 1704.04861, table 1) in TensorFlow-Slim's names and with its SAME padding; the names of
//! nodes leave out the scope `MobilenetV1/` and put dots for slashes. Slim's logits begin with a background class.

use heirloom_engine::Activation::Relu6;
use heirloom_engine::Op;

use crate::builder::{Builder, Window, Wire};
use crate::keys::Role;

/// Channels and stride of the 13 depthwise-separable units at width 1.
const UNITS: [[usize; 2]; 13] = [
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [1024, 2],
    [1024, 1],
];
const STEM: usize = 32;
/// Fewest channels of a layer, whatever the width.
const LEAST: usize = 8;
/// Epsilon of Slim's batch norm.
const EPSILON: f64 = 1e-3;

pub(crate) fn build(b: &mut Builder, input: Wire, width: f64) -> Result<(), String> {
    let width = b.variant.options.width.unwrap_or(width);
    if !(0.01..=4.0).contains(&width) {
        return Err(format!("options.width is {width}, must be 0.01 to 4"));
    }
    let scaled = |channels: usize| ((channels as f64 * width) as usize).max(LEAST);
    let mut x = unit(b, "Conv2d_0", input, scaled(STEM), Window::same(3, 2), 1);
    for (index, [channels, stride]) in UNITS.into_iter().enumerate() {
        let name = |part: &str| format!("Conv2d_{}_{part}", index + 1);
        x = unit(b, &name("depthwise"), x, x.channels, Window::same(3, stride), x.channels);
        x = unit(b, &name("pointwise"), x, scaled(channels), Window::POINT, 1);
    }
    b.pre_pooling(x);
    let pooled = b.node("AvgPool_1a", Op::GlobalAveragePool, &[x], x.channels);
    let vector = b.node("AvgPool_1a.flatten", Op::Flatten, &[pooled], x.channels);
    b.pre_logits(vector);
    if b.variant.classes > 0 {
        let classifier = "Logits.Conv2d_1c_1x1";
        let map = b.convolution(classifier, pooled, b.variant.classes, Window::POINT, 1, true);
        let logits = b.node("Logits.SpatialSqueeze", Op::Flatten, &[map], map.channels);
        b.logits(classifier, Role::Weight, logits);
        b.tap("logits");
    }
    Ok(())
}

fn unit(b: &mut Builder, name: &str, from: Wire, channels: usize, window: Window, groups: usize) -> Wire {
    let norm = format!("{name}.BatchNorm");
    let x = b.convolution_norm([name, &norm], from, channels, window, groups, EPSILON);
    let act = format!("{name}.act");
    let x = b.activate(&act, x, Relu6);
    b.tap(&act);
    x
}
