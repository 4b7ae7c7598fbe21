//! MobileNetV2 at width 1 (Sandler et al. 2018, arXiv 1801.04381, table 2) in torchvision's, timm's and Gluon's names.
//! Gluon's first bottleneck has an expansion convolution of factor 1; its strides come with the checkpoint.

use heirloom_engine::Activation::Relu6;

use super::TORCH_EPSILON;
use super::inverted_residual::{self, Block, Names};
use crate::builder::{Builder, Window, Wire};
use crate::keys::Layout;

/// Expansion factor, channels, repeats, stride of the first.
const STAGES: [[usize; 4]; 7] =
    [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];
/// Bottlenecks in all.
const BOTTLENECKS: usize = 17;
const STEM: usize = 32;
const HEAD: usize = 1280;

pub(crate) fn build(b: &mut Builder, input: Wire) -> Result<(), String> {
    let layout = b.keys.layout;
    let strides = strides(b)?;
    let mut x = unit(b, stem_names(layout), input, STEM, Window::centred(3, 2));
    let mut index = 0;
    for (stage, [factor, channels, repeats, _]) in STAGES.into_iter().enumerate() {
        for repeat in 0..repeats {
            let expands = factor > 1 || layout == Layout::Gluon;
            let (module, names) = block_names(layout, stage, repeat, index, expands);
            let block = Block {
                expanded: expands.then_some(factor * x.channels),
                channels,
                kernel: 3,
                stride: strides[index],
                activation: Relu6,
                squeeze: None,
                epsilon: TORCH_EPSILON,
            };
            x = inverted_residual::build(b, &module, &names, x, &block);
            index += 1;
        }
    }
    let x = unit(b, head_names(layout), x, HEAD, Window::POINT);
    let vector = b.pooled_features("global_pool", x);
    match layout {
        Layout::Timm => b.linear_classifier("classifier", vector),
        Layout::Gluon if b.variant.classes > 0 => {
            return Err("classes must be 0: the Gluon variant is read without its classifier".into());
        }
        Layout::Gluon => {}
        _ => b.linear_classifier("classifier.1", vector),
    }
    Ok(())
}

/// Stride of each bottleneck: the published table, or the checkpoint's own.
fn strides(b: &Builder) -> Result<Vec<usize>, String> {
    let published = || {
        STAGES.iter().flat_map(|&[_, _, repeats, stride]| (0..repeats).map(move |n| if n == 0 { stride } else { 1 }))
    };
    let strides = b.variant.options.strides.clone().unwrap_or_else(|| published().collect());
    if strides.len() != BOTTLENECKS || strides.iter().any(|stride| !(1..=2).contains(stride)) {
        return Err(format!("options.strides is {strides:?}, must be {BOTTLENECKS} values of 1 or 2"));
    }
    Ok(strides)
}

fn unit(b: &mut Builder, [convolution, norm, act]: [&str; 3], from: Wire, channels: usize, window: Window) -> Wire {
    let x = b.convolution_norm([convolution, norm], from, channels, window, 1, TORCH_EPSILON);
    let x = b.activate(act, x, Relu6);
    b.tap(act);
    x
}

fn stem_names(layout: Layout) -> [&'static str; 3] {
    match layout {
        Layout::Timm => ["conv_stem", "bn1", "act1"],
        Layout::Gluon => ["conv0", "batchnorm0", "act0"],
        _ => ["features.0.0", "features.0.1", "features.0.act"],
    }
}

fn head_names(layout: Layout) -> [&'static str; 3] {
    match layout {
        Layout::Timm => ["conv_head", "bn2", "act2"],
        Layout::Gluon => ["conv1", "batchnorm1", "act1"],
        _ => ["features.18.0", "features.18.1", "features.18.act"],
    }
}

fn block_names(layout: Layout, stage: usize, repeat: usize, index: usize, expands: bool) -> (String, Names) {
    let module = match layout {
        Layout::Timm => format!("blocks.{stage}.{repeat}"),
        Layout::Gluon => format!("linearbottleneck{index}"),
        _ => format!("features.{}", index + 1),
    };
    let names = match layout {
        Layout::Timm => Names::timm(&module, expands),
        Layout::Gluon => Names::gluon(&module),
        _ => Names::torchvision_v2(&module, expands),
    };
    (module, names)
}
