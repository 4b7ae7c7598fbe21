//! A unit: the operators that one pass over memory runs, and what it reads, keeps and leaves.

use crate::kernels::{Normalization, Window};
use crate::{Activation, NodeId, ParameterName};

/// Operators that run together.
#[derive(Debug)]
pub(super) struct Unit {
    /// The node whose value the unit leaves.
    pub node: NodeId,
    /// The nodes whose values it reads.
    pub inputs: Vec<NodeId>,
    pub work: Work,
    /// Values of nodes that its backward pass reads.
    pub keeps: Vec<NodeId>,
}

impl Unit {
    /// Whether the value is the batch's pixels, normalised or not.
    pub fn is_pixels(&self) -> bool {
        matches!(self.work, Work::Input | Work::Normalize(_))
    }

    /// Whether it is a convolution of each channel by itself.
    pub fn is_depthwise(&self) -> bool {
        matches!(&self.work, Work::Convolution { channels: [input, output], groups, .. }
            if *groups > 1 && groups == input && groups == output)
    }

    /// Keys of the parameters that can have a gradient.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&str> = match &self.work {
            Work::Convolution { weight, bias, .. } | Work::Linear { weight, bias, .. } => {
                std::iter::once(weight).chain(bias).map(String::as_str).collect()
            }
            Work::BatchNorm { norm, .. } => vec![&norm.weight, &norm.bias],
            Work::LayerNorm { weight, bias, .. } => vec![weight, bias],
            Work::Scale { weight: name } | Work::Shift { bias: name } => vec![name],
            Work::Tokens { class_token, position } => class_token.iter().chain(position).map(String::as_str).collect(),
            _ => Vec::new(),
        };
        names.into_iter()
    }
}

/// The parameters of a batch norm.
#[derive(Debug, Clone)]
pub(super) struct BatchNorm {
    pub node: NodeId,
    pub weight: ParameterName,
    pub bias: ParameterName,
    pub running_mean: ParameterName,
    pub running_variance: ParameterName,
    pub epsilon: f64,
    /// Normalise with the statistics of the batch.
    pub batch: bool,
}

#[derive(Debug)]
pub(super) enum Work {
    Input,
    Normalize(Normalization),
    /// `relu` is applied to the sums before they are written.
    Convolution {
        weight: ParameterName,
        bias: Option<ParameterName>,
        window: Window,
        channels: [usize; 2],
        groups: usize,
        relu: Option<Activation>,
    },
    Linear {
        weight: ParameterName,
        bias: Option<ParameterName>,
        channels: [usize; 2],
        relu: Option<Activation>,
    },
    /// Batch norm, then the sum with the second input, then the activation; the activation behind a sum is [`is_clip`].
    BatchNorm {
        norm: BatchNorm,
        activation: Option<Activation>,
    },
    /// The sum of the inputs, then a clip.
    Add {
        activation: Option<Activation>,
    },
    Activate(Activation),
    LayerNorm {
        weight: ParameterName,
        bias: ParameterName,
        epsilon: f64,
    },
    Attention {
        heads: usize,
    },
    Softmax,
    Multiply,
    Gate,
    Scale {
        weight: ParameterName,
    },
    Shift {
        bias: ParameterName,
    },
    Concat,
    Subsample {
        stride: [usize; 2],
    },
    PadChannels {
        before: usize,
    },
    MaxPool(Window),
    AveragePool {
        window: Window,
        count_padding: bool,
    },
    Mean {
        skip: usize,
    },
    Flatten,
    Tokens {
        class_token: Option<ParameterName>,
        position: Option<ParameterName>,
    },
    SelectToken {
        index: usize,
    },
}

/// Whether the slope follows from the output alone, so that the input need not be kept.
pub(super) fn is_clip(function: Activation) -> bool {
    matches!(function, Activation::Relu | Activation::Relu6)
}
