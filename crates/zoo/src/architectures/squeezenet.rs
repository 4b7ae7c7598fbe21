//! SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv 1602.07360) in torchvision's names. The classifier is a 1x1 convolution, a
//! ReLU and the mean over space; the penultimate vector is the mean of the map it reads.

use heirloom_engine::Activation::Relu;
use heirloom_engine::Op;

use crate::builder::{Builder, Window, Wire};
use crate::keys::Role;

/// An entry of `features`.
enum Layer {
    Pool,
    /// Squeeze channels; each of the two expansions.
    Fire(usize, usize),
}
use Layer::{Fire, Pool};

/// Stem kernel and channels, then the layers from `features.2` on.
pub(crate) struct Table {
    stem: [usize; 2],
    layers: &'static [Layer],
}

pub(crate) const V1_0: Table = Table {
    stem: [7, 96],
    layers: &[
        Pool,
        Fire(16, 64),
        Fire(16, 64),
        Fire(32, 128),
        Pool,
        Fire(32, 128),
        Fire(48, 192),
        Fire(48, 192),
        Fire(64, 256),
        Pool,
        Fire(64, 256),
    ],
};

pub(crate) const V1_1: Table = Table {
    stem: [3, 64],
    layers: &[
        Pool,
        Fire(16, 64),
        Fire(16, 64),
        Pool,
        Fire(32, 128),
        Fire(32, 128),
        Pool,
        Fire(48, 192),
        Fire(48, 192),
        Fire(64, 256),
        Fire(64, 256),
    ],
};

pub(crate) fn build(b: &mut Builder, input: Wire, table: &Table) -> Result<(), String> {
    let ceil = b.variant.options.ceil_pooling.unwrap_or(true);
    let [kernel, channels] = table.stem;
    let mut x = unit(b, "features.0", "features.1", input, channels, Window::valid(kernel, 2));
    b.tap("features.1");
    for (index, layer) in table.layers.iter().enumerate() {
        let module = format!("features.{}", index + 2);
        x = match *layer {
            Pool => b.max_pool(&module, x, Window::valid(3, 2), ceil),
            Fire(squeeze, expand) => fire(b, &module, x, squeeze, expand),
        };
    }
    b.module("features", x);
    b.pooled_features("features.pool", x);
    classifier(b, x);
    Ok(())
}

fn unit(b: &mut Builder, name: &str, act: &str, from: Wire, channels: usize, window: Window) -> Wire {
    let x = b.convolution(name, from, channels, window, 1, true);
    b.activate(act, x, Relu)
}

/// A 1x1 squeeze, then 1x1 and 3x3 expansions side by side.
fn fire(b: &mut Builder, module: &str, from: Wire, squeeze: usize, expand: usize) -> Wire {
    let name = |part: &str| format!("{module}.{part}");
    let act = name("squeeze_activation");
    let x = unit(b, &name("squeeze"), &act, from, squeeze, Window::POINT);
    b.tap(&act);
    let small = unit(b, &name("expand1x1"), &name("expand1x1_activation"), x, expand, Window::POINT);
    let large = unit(b, &name("expand3x3"), &name("expand3x3_activation"), x, expand, Window::centred(3, 1));
    let x = b.node(&name("concat"), Op::Concat, &[small, large], 2 * expand);
    b.module(module, x);
    b.tap(module);
    x
}

fn classifier(b: &mut Builder, from: Wire) {
    if b.variant.classes > 0 {
        let x = unit(b, "classifier.1", "classifier.2", from, b.variant.classes, Window::POINT);
        let logits = b.pooled("classifier.3", x);
        b.logits("classifier.1", Role::Weight, logits);
        b.tap("logits");
    }
}
