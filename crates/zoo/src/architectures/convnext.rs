//! ConvNeXt (Liu et al. 2022, arXiv 2201.03545) in timm's and torchvision's names: layer norms over channels with epsilon 1e-6,
//! exact GELU, layer scale; the penultimate vector is the layer norm of the pooled map.

use heirloom_engine::Activation::Gelu;
use heirloom_engine::Op;

use crate::builder::{Builder, Window, Wire};
use crate::keys::Layout;

const EPSILON: f64 = 1e-6;

/// Blocks and channels per stage.
pub(crate) struct Size {
    blocks: [usize; 4],
    channels: [usize; 4],
}

pub(crate) const TINY: Size = Size { blocks: [3, 3, 9, 3], channels: [96, 192, 384, 768] };

pub(crate) fn build(b: &mut Builder, input: Wire, size: &Size) -> Result<(), String> {
    let timm = b.keys.layout == Layout::Timm;
    let mut x = stem(b, input, size.channels[0], timm);
    for (stage, (&blocks, &channels)) in size.blocks.iter().zip(&size.channels).enumerate() {
        if stage > 0 {
            x = downsample(b, x, channels, stage, timm);
        }
        for block in 0..blocks {
            x = if timm { timm_block(b, x, stage, block) } else { torchvision_block(b, x, stage, block) };
        }
        b.module(&if timm { format!("stages.{stage}") } else { format!("features.{}", 2 * stage + 1) }, x);
    }
    head(b, x, timm);
    Ok(())
}

fn stem(b: &mut Builder, input: Wire, channels: usize, timm: bool) -> Wire {
    let (convolution, norm, module) =
        if timm { ("stem.0", "stem.1", "stem") } else { ("features.0.0", "features.0.1", "features.0") };
    let x = b.convolution(convolution, input, channels, Window::valid(4, 4), 1, true);
    let x = b.layer_norm(norm, x, EPSILON);
    b.module(module, x);
    b.tap(module);
    x
}

/// A layer norm and a 2x2 convolution of stride 2 between stages.
fn downsample(b: &mut Builder, from: Wire, channels: usize, stage: usize, timm: bool) -> Wire {
    let module = if timm { format!("stages.{stage}.downsample") } else { format!("features.{}", 2 * stage) };
    let x = b.layer_norm(&format!("{module}.0"), from, EPSILON);
    let x = b.convolution(&format!("{module}.1"), x, channels, Window::valid(2, 2), 1, true);
    b.module(&module, x);
    x
}

/// Names of the parts of a block and the key and shape of its layer scale.
struct Block<'a> {
    module: &'a str,
    depthwise: String,
    norm: String,
    expand: String,
    act: String,
    project: String,
    scale: (String, Vec<usize>),
}

fn timm_block(b: &mut Builder, from: Wire, stage: usize, block: usize) -> Wire {
    let module = &format!("stages.{stage}.blocks.{block}");
    let name = |part: &str| format!("{module}.{part}");
    let parts = Block {
        module,
        depthwise: name("conv_dw"),
        norm: name("norm"),
        expand: name("mlp.fc1"),
        act: name("mlp.act"),
        project: name("mlp.fc2"),
        scale: (name("gamma"), vec![from.channels]),
    };
    residual_block(b, from, &parts)
}

fn torchvision_block(b: &mut Builder, from: Wire, stage: usize, block: usize) -> Wire {
    let module = &format!("features.{}.{block}", 2 * stage + 1);
    let name = |part: &str| format!("{module}.{part}");
    let parts = Block {
        module,
        depthwise: name("block.0"),
        norm: name("block.2"),
        expand: name("block.3"),
        act: name("block.4"),
        project: name("block.5"),
        scale: (name("layer_scale"), vec![from.channels, 1, 1]),
    };
    residual_block(b, from, &parts)
}

/// `x + scale * project(gelu(expand(norm(depthwise(x)))))`.
fn residual_block(b: &mut Builder, from: Wire, parts: &Block<'_>) -> Wire {
    let channels = from.channels;
    let x = b.convolution(&parts.depthwise, from, channels, Window::centred(7, 1), channels, true);
    let x = b.layer_norm(&parts.norm, x, EPSILON);
    let x = b.linear(&parts.expand, x, 4 * channels);
    let x = b.activate(&parts.act, x, Gelu);
    b.tap(&parts.act);
    let x = b.linear(&parts.project, x, channels);
    let (key, shape) = &parts.scale;
    let weight = b.plain_parameter(key, shape);
    let x = b.node(&format!("{}.scale", parts.module), Op::Scale { weight }, &[x], channels);
    let x = b.add(&format!("{}.add", parts.module), from, x);
    b.module(parts.module, x);
    b.tap(parts.module);
    x
}

fn head(b: &mut Builder, from: Wire, timm: bool) {
    b.pre_pooling(from);
    let (pool, norm, flatten, classifier) = if timm {
        ("head.global_pool", "head.norm", "head.flatten", "head.fc")
    } else {
        ("avgpool", "classifier.0", "classifier.1", "classifier.2")
    };
    let x = b.node(pool, Op::GlobalAveragePool, &[from], from.channels);
    let x = b.layer_norm(norm, x, EPSILON);
    let x = b.node(flatten, Op::Flatten, &[x], from.channels);
    b.pre_logits(x);
    b.linear_classifier(classifier, x);
}
