//! The inverted residual block of MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, section 3.3), with the squeeze-and-excite
//! of MobileNetV3 and EfficientNet. Owns the module names that timm, torchvision and Gluon give to its parts.

use heirloom_engine::{Activation, Op};

use crate::builder::{Builder, Window, Wire};

/// Squeeze-and-excite: mean over space, two 1x1 convolutions, a gate on each channel.
#[derive(Clone, Copy)]
pub(crate) struct Squeeze {
    /// Channels between the two convolutions.
    pub channels: usize,
    pub inner: Activation,
    pub gate: Activation,
}

/// One block.
pub(crate) struct Block {
    /// Channels after the 1x1 expansion; `None` for a block without one.
    pub expanded: Option<usize>,
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub activation: Activation,
    pub squeeze: Option<Squeeze>,
    pub epsilon: f64,
}

/// Module names of a block's parts.
pub(crate) struct Names {
    /// Convolution, norm and activation of the expansion, if any.
    expand: Option<[String; 3]>,
    depthwise: [String; 3],
    /// Module, first and second convolution of the squeeze-and-excite.
    squeeze: [String; 3],
    project: [String; 2],
}

impl Names {
    /// timm: `conv_pw`, `conv_dw`, `conv_pwl`, numbered norms.
    pub fn timm(module: &str, expands: bool) -> Self {
        let unit = |conv: &str, number: usize| {
            [format!("{module}.{conv}"), format!("{module}.bn{number}"), format!("{module}.act{number}")]
        };
        let first = usize::from(expands);
        let [project, norm, _] = unit(if expands { "conv_pwl" } else { "conv_pw" }, first + 2);
        Self {
            expand: expands.then(|| unit("conv_pw", 1)),
            depthwise: unit("conv_dw", first + 1),
            squeeze: [format!("{module}.se"), format!("{module}.se.conv_reduce"), format!("{module}.se.conv_expand")],
            project: [project, norm],
        }
    }

    /// torchvision's MobileNetV2: `conv` holds the units and then the projection without a container of its own.
    pub fn torchvision_v2(module: &str, expands: bool) -> Self {
        let first = usize::from(expands);
        Self {
            expand: expands.then(|| unit(&format!("{module}.conv.0"))),
            depthwise: unit(&format!("{module}.conv.{first}")),
            squeeze: Default::default(),
            project: [format!("{module}.conv.{}", first + 1), format!("{module}.conv.{}", first + 2)],
        }
    }

    /// torchvision's MobileNetV3 and EfficientNet: `block` holds the units in order.
    pub fn torchvision_block(module: &str, expands: bool, squeezes: bool) -> Self {
        let first = usize::from(expands);
        let squeeze = format!("{module}.block.{}", first + 1);
        let [project, norm, _] = unit(&format!("{module}.block.{}", first + 1 + usize::from(squeezes)));
        Self {
            expand: expands.then(|| unit(&format!("{module}.block.0"))),
            depthwise: unit(&format!("{module}.block.{first}")),
            squeeze: [squeeze.clone(), format!("{squeeze}.fc1"), format!("{squeeze}.fc2")],
            project: [project, norm],
        }
    }

    /// Gluon: convolutions and norms numbered inside the bottleneck; every bottleneck expands.
    pub fn gluon(module: &str) -> Self {
        let unit =
            |n: usize| [format!("{module}.conv{n}"), format!("{module}.batchnorm{n}"), format!("{module}.act{n}")];
        let [project, norm, _] = unit(2);
        Self { expand: Some(unit(0)), depthwise: unit(1), squeeze: Default::default(), project: [project, norm] }
    }
}

/// Convolution, norm and activation of a torchvision unit.
pub(crate) fn unit(module: &str) -> [String; 3] {
    [format!("{module}.0"), format!("{module}.1"), format!("{module}.act")]
}

/// Expansion, depthwise convolution, squeeze-and-excite, projection, and the shortcut where the shape stays.
pub(crate) fn build(b: &mut Builder, module: &str, names: &Names, from: Wire, block: &Block) -> Wire {
    let mut x = from;
    if let (Some(channels), Some(names)) = (block.expanded, &names.expand) {
        x = convolution_unit(b, names, x, channels, Window::POINT, 1, block);
    }
    let window = Window::centred(block.kernel, block.stride);
    x = convolution_unit(b, &names.depthwise, x, x.channels, window, x.channels, block);
    if let Some(squeeze) = block.squeeze {
        x = squeeze_excite(b, &names.squeeze, x, squeeze);
    }
    let [convolution, norm] = &names.project;
    x = b.convolution_norm([convolution, norm], x, block.channels, Window::POINT, 1, block.epsilon);
    if block.stride == 1 && from.channels == block.channels {
        x = b.add(&format!("{module}.add"), from, x);
    }
    b.module(module, x);
    b.tap(module);
    x
}

fn convolution_unit(
    b: &mut Builder,
    [convolution, norm, act]: &[String; 3],
    from: Wire,
    channels: usize,
    window: Window,
    groups: usize,
    block: &Block,
) -> Wire {
    let x = b.convolution_norm([convolution, norm], from, channels, window, groups, block.epsilon);
    let x = b.activate(act, x, block.activation);
    b.tap(act);
    x
}

fn squeeze_excite(b: &mut Builder, [module, reduce, expand]: &[String; 3], from: Wire, squeeze: Squeeze) -> Wire {
    let x = b.node(&format!("{module}.pool"), Op::GlobalAveragePool, &[from], from.channels);
    let x = b.convolution(reduce, x, squeeze.channels, Window::POINT, 1, true);
    let x = b.activate(&format!("{module}.act"), x, squeeze.inner);
    let x = b.convolution(expand, x, from.channels, Window::POINT, 1, true);
    let x = b.activate(&format!("{module}.gate"), x, squeeze.gate);
    let x = b.node(&format!("{module}.multiply"), Op::Multiply, &[from, x], from.channels);
    b.module(module, x);
    x
}
