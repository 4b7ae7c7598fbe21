//! How each family of networks draws its first weights, as its paper or its reference code does.

use heirloom_engine::{Graph, Node, Op};

use super::draw::Draw;
use crate::parameters::Part;

/// First factor of ConvNeXt's layer scale.
const LAYER_SCALE: f32 = 1e-6;
/// Standard deviation of a transformer's weights, class token and position embeddings. PyTorch's truncated normal cuts at plus and
/// minus 2, a hundred deviations, so that nothing is cut.
const TRANSFORMER: f64 = 0.02;
/// Standard deviation of the last layer of MobileNets and SqueezeNets.
const LAST: f64 = 0.01;
/// TensorFlow-Slim's MobileNetV1.
const SLIM: f64 = 0.09;

/// The rules of one family. Factors of norms begin at 1 and their summands at 0, running statistics at 0 and 1 everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// He normal by outputs, PyTorch's linear layer (torchvision's ResNet; He et al. 2016, arXiv 1512.03385).
    Residual,
    /// The same with a classifier bias of 0 (the released code of the 32-pixel and the wide residual networks).
    SmallResidual,
    /// Zhang, Dauphin and Ma 2019, arXiv 1901.09321, section 3: with L blocks of m convolutions, He normal by outputs times
    /// `L^(-1/(2m-2))` in a residual branch, zero in the branch's last convolution.
    Fixup {
        /// Whether the classifier begins at zero, as the paper says.
        zero_classifier: bool,
    },
    /// He normal by outputs, classifier 0.01 (torchvision's MobileNetV2 and V3).
    Mobile,
    /// Truncated normal of 0.09 (TensorFlow-Slim's MobileNetV1).
    Slim,
    /// He normal by outputs, classifier uniform by outputs (torchvision's EfficientNet).
    Efficient,
    /// He uniform by inputs, last convolution 0.01 (torchvision's SqueezeNet).
    Squeeze,
    /// Normal of 0.02, layer scale 1e-6 (Liu et al. 2022, arXiv 2201.03545, appendix A).
    ConvNext,
    /// Normal of 0.02, patch embedding by PyTorch's convolution (timm; Touvron et al. 2021, arXiv 2012.12877).
    Transformer,
}

/// A parameter to be drawn.
pub(super) struct Parameter<'a> {
    pub graph: &'a Graph,
    pub node: &'a Node,
    pub part: Part,
    /// Shape of the operator's weight `[out, in, ...]`; of the parameter itself where the operator has none.
    pub weight: &'a [usize],
    /// Whether its operator computes the logits.
    pub classifier: bool,
}

impl Parameter<'_> {
    /// Inputs of one output: `in / groups * height * width`.
    fn fan_in(&self) -> f64 {
        self.weight.iter().skip(1).product::<usize>().max(1) as f64
    }

    /// `out * height * width`, without regard to groups, as PyTorch counts.
    fn fan_out(&self) -> f64 {
        (self.outputs() * self.weight.iter().skip(2).product::<usize>()) as f64
    }

    fn outputs(&self) -> usize {
        self.weight.first().copied().unwrap_or(1)
    }

    fn he_by_outputs(&self) -> Draw {
        Draw::Normal((2.0 / self.fan_out()).sqrt())
    }

    fn he_uniform_by_inputs(&self) -> Draw {
        Draw::Uniform((6.0 / self.fan_in()).sqrt())
    }

    /// PyTorch's convolutions and linear layers: weight and bias in plus and minus `1 / sqrt(fan_in)`.
    fn torch(&self) -> Draw {
        Draw::Uniform(1.0 / self.fan_in().sqrt())
    }

    fn is_linear(&self) -> bool {
        matches!(self.node.op, Op::Linear { .. })
    }
}

impl Scheme {
    /// The scheme with a classifier that begins at zero, or does not, where the scheme leaves that open.
    pub(super) fn with_classifier(self, zero: Option<bool>) -> Self {
        match (self, zero) {
            (Self::Fixup { .. }, Some(zero_classifier)) => Self::Fixup { zero_classifier },
            _ => self,
        }
    }

    /// The distribution of a parameter.
    pub(super) fn draw(self, parameter: &Parameter<'_>) -> Draw {
        match parameter.part {
            Part::Factor if self == Self::ConvNext && matches!(parameter.node.op, Op::Scale { .. }) => {
                Draw::Constant(LAYER_SCALE)
            }
            Part::Factor | Part::RunningVariance => Draw::Constant(1.0),
            Part::Summand | Part::RunningMean => Draw::Constant(0.0),
            Part::Token => Draw::Normal(TRANSFORMER),
            Part::Bias => self.bias(parameter),
            Part::Weight if parameter.is_linear() => self.linear(parameter),
            Part::Weight => self.convolution(parameter),
        }
    }

    fn bias(self, parameter: &Parameter<'_>) -> Draw {
        match self {
            Self::Residual | Self::Fixup { zero_classifier: false } if parameter.is_linear() => parameter.torch(),
            Self::Transformer if !parameter.is_linear() => parameter.torch(),
            _ => Draw::Constant(0.0),
        }
    }

    fn linear(self, parameter: &Parameter<'_>) -> Draw {
        match self {
            Self::Fixup { zero_classifier: true } => Draw::Constant(0.0),
            Self::Residual | Self::SmallResidual | Self::Fixup { .. } | Self::Squeeze => parameter.torch(),
            Self::Mobile => Draw::Normal(LAST),
            Self::Slim => Draw::Truncated(SLIM),
            Self::Efficient => Draw::Uniform(1.0 / (parameter.outputs() as f64).sqrt()),
            Self::ConvNext | Self::Transformer => Draw::Normal(TRANSFORMER),
        }
    }

    fn convolution(self, parameter: &Parameter<'_>) -> Draw {
        match self {
            Self::Residual | Self::SmallResidual | Self::Mobile | Self::Efficient => parameter.he_by_outputs(),
            Self::Fixup { .. } => fixup(parameter),
            Self::Slim => Draw::Truncated(SLIM),
            Self::Squeeze if parameter.classifier => Draw::Normal(LAST),
            Self::Squeeze => parameter.he_uniform_by_inputs(),
            Self::ConvNext => Draw::Normal(TRANSFORMER),
            Self::Transformer => parameter.torch(),
        }
    }
}

/// The stem is PyTorch's own, shortcuts are He normal, and a branch of m convolutions is scaled by the number of blocks.
fn fixup(parameter: &Parameter<'_>) -> Draw {
    let name = parameter.node.name.as_str();
    let Some((block, layer)) = name.rsplit_once('.') else { return parameter.torch() };
    if layer == "downsample" {
        return parameter.he_by_outputs();
    }
    let ends = |node: &&Node| node.name.ends_with(".scale");
    let blocks = parameter.graph.nodes.iter().filter(ends).count() as f64;
    let convolutions =
        (2..4).filter(|number| parameter.graph.find(&format!("{block}.conv{number}")).is_some()).count() + 1;
    if layer == format!("conv{convolutions}") {
        return Draw::Constant(0.0);
    }
    let power = -1.0 / (2 * convolutions - 2) as f64;
    Draw::Normal((2.0 / parameter.fan_out()).sqrt() * libm::pow(blocks, power))
}
