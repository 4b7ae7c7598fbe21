//! The graph: a model as data. Nodes name operators and their inputs; parameters are named by the checkpoint's own keys.
//! It holds no shapes of activations and no values: those belong to the [plan](crate::plan) and to [`Weights`](crate::Weights).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Index of a node in [`Graph::nodes`]. Inputs of a node always have smaller indices than the node itself.
pub type NodeId = usize;

/// Key of a parameter tensor, the same as in the checkpoint.
pub type ParameterName = String;

/// An element-wise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x * relu6(x + 3) / 6`
    HardSwish,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x * sigmoid(x)`
    Silu,
    /// `x * Phi(x)` with the exact Gaussian distribution function (erf)
    Gelu,
    /// `x * Phi(x)` by the tanh approximation
    GeluTanh,
}

/// Zero padding of a spatial window, in pixels. Pooling windows ignore padded pixels unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// The same explicit padding at every input size: `[top, bottom, left, right]`.
    Explicit([usize; 4]),
    /// TensorFlow's SAME: output side `ceil(input / stride)`, the odd pixel of padding goes after the image.
    Same,
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self::Explicit([0; 4]);

    /// The same number of pixels on every side.
    #[must_use]
    pub const fn all(pixels: usize) -> Self {
        Self::Explicit([pixels; 4])
    }
}

/// An operator. Spatial pairs are `[height, width]`; parameter layouts are PyTorch's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Op {
    /// The image batch: `u8` pixels, or `f32` pixels that are already normalised (then [`Op::Normalize`] passes them through).
    Input {
        /// Channels of a pixel.
        channels: usize,
    },
    /// `(pixel / 255 - mean) / std`, per channel. Always the node after [`Op::Input`].
    Normalize {
        /// Mean per channel, in units of 1 = white.
        mean: Vec<f32>,
        /// Standard deviation per channel, in the same unit.
        std: Vec<f32>,
    },
    /// Convolution; weight `[out, in / groups, height, width]`, bias `[out]`. A vector input is a map of 1x1 pixel.
    Convolution {
        /// Weight tensor.
        weight: ParameterName,
        /// Bias tensor.
        bias: Option<ParameterName>,
        /// Output channels.
        channels: usize,
        /// Window.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Zero padding.
        padding: Padding,
        /// Distance of the window's taps.
        dilation: [usize; 2],
        /// Channel groups; equal to the input channels for a depthwise convolution.
        groups: usize,
    },
    /// Batch normalisation in inference form: `(x - running_mean) / sqrt(running_variance + epsilon) * weight + bias`.
    BatchNorm {
        /// Scale `[channels]`.
        weight: ParameterName,
        /// Shift `[channels]`.
        bias: ParameterName,
        /// Running mean `[channels]`.
        running_mean: ParameterName,
        /// Running variance `[channels]`.
        running_variance: ParameterName,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Layer normalisation over the last (channel) axis.
    LayerNorm {
        /// Scale `[channels]`.
        weight: ParameterName,
        /// Shift `[channels]`.
        bias: ParameterName,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Fully connected layer over the last axis; weight `[out, in]`, bias `[out]`.
    Linear {
        /// Weight tensor.
        weight: ParameterName,
        /// Bias tensor.
        bias: Option<ParameterName>,
        /// Output channels.
        channels: usize,
    },
    /// Element-wise function.
    Activate {
        /// Which one.
        function: Activation,
    },
    /// Sum of two equal shapes.
    Add,
    /// Product of two equal shapes, or of a map with a 1x1 map of the same channels (second input).
    Multiply,
    /// Multiplication by a vector over the last axis (layer scale), or by one value (Fixup's multipliers).
    Scale {
        /// Factor per channel, or a single one.
        weight: ParameterName,
    },
    /// Addition of a vector over the last axis, or of one value (Fixup's biases).
    Shift {
        /// Summand per channel, or a single one.
        bias: ParameterName,
    },
    /// Concatenation of maps over channels.
    Concat,
    /// Every `stride`-th pixel, from the first.
    Subsample {
        /// Step.
        stride: [usize; 2],
    },
    /// Zero channels before and after (option-A shortcuts).
    PadChannels {
        /// Zero channels put before.
        before: usize,
        /// Zero channels put after.
        after: usize,
    },
    /// Largest value of a window; padded pixels never win.
    MaxPool {
        /// Window.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Padding.
        padding: Padding,
        /// Round the output side up instead of down.
        ceil: bool,
    },
    /// Mean of a window.
    AveragePool {
        /// Window.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Padding.
        padding: Padding,
        /// Round the output side up instead of down.
        ceil: bool,
        /// Count padded pixels in the divisor.
        count_padding: bool,
    },
    /// Mean over space: a map of 1x1 pixel.
    GlobalAveragePool,
    /// A 1x1 map as a vector.
    Flatten,
    /// A map as a token sequence in row-major order, after an optional class token, plus optional position embeddings.
    Tokens {
        /// Class token `[1, 1, channels]`, put first.
        class_token: Option<ParameterName>,
        /// Position embeddings `[1, tokens, channels]`, added after the class token is put first.
        position: Option<ParameterName>,
    },
    /// One token as a vector.
    SelectToken {
        /// Which one.
        index: usize,
    },
    /// Mean over tokens, leaving out the first `skip`, as a vector.
    MeanTokens {
        /// Leading tokens left out.
        skip: usize,
    },
    /// Multi-head softmax attention. Input: `[tokens, 3 * channels]`, queries, keys and values one after the other, heads inside each.
    Attention {
        /// Number of heads; the scale is `1 / sqrt(channels / heads)`.
        heads: usize,
    },
    /// Softmax over the last axis.
    Softmax,
    /// The directional derivative of an operator that is not linear in its input: of a value (first input) and its tangent (second),
    /// the tangent of the operator's output. It cannot be trained through.
    Tangent {
        /// The operator: an element-wise function, a maximum, a layer norm, a softmax or attention.
        of: Box<Op>,
    },
}

/// One operator at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name: the checkpoint's module name, or `<module>.<role>` for operators without parameters.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub op: Op,
    /// Which nodes it reads.
    pub inputs: Vec<NodeId>,
}

/// A model as data.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Graph {
    /// Operators in an order in which they can be run; node 0 is the input.
    pub nodes: Vec<Node>,
    /// Shape of every parameter, by checkpoint key.
    pub parameters: BTreeMap<ParameterName, Vec<usize>>,
    /// Module names that are no node of their own, with the node that gives the module's output (`layer3.2` is `layer3.2.act3`).
    pub modules: BTreeMap<String, NodeId>,
    /// The nodes whose values are the model's answer.
    pub outputs: Vec<NodeId>,
}

impl Graph {
    /// The node called `name`, or the node that gives the output of the module called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name).or_else(|| self.modules.get(name).copied())
    }
}
