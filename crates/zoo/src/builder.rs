//! Builds a [`Graph`] module by module, under the checkpoint's own names. Owns the rule that every node name is used once.

use heirloom_engine::{Activation, Graph, Node, NodeId, Op, Padding};

use crate::keys::{Keys, Role};
use crate::recipe::{Norm, Options};

/// The output of a node, with its channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    pub node: NodeId,
    pub channels: usize,
}

/// The spatial part of a convolution or pooling, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: Padding,
}

impl Window {
    /// A square window padded so that stride 1 keeps the size.
    pub const fn centred(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, padding: Padding::all(kernel / 2) }
    }

    /// A square window without padding.
    pub const fn valid(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, padding: Padding::NONE }
    }

    /// TensorFlow's SAME.
    pub const fn same(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, padding: Padding::Same }
    }

    /// One pixel.
    pub const POINT: Self = Self::valid(1, 1);
}

/// What a family's build function may ask about the checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub norm: Norm,
    /// 0 builds no classifier.
    pub classes: usize,
    /// `[height, width]` in pixels.
    pub input_size: [usize; 2],
    pub options: Options,
}

/// A graph under construction.
pub(crate) struct Builder {
    pub keys: Keys,
    pub variant: Variant,
    graph: Graph,
    taps: Vec<String>,
    classifier: Option<String>,
}

/// A finished graph with the names that matter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Network {
    /// The graph; `pre_logits` and, with a classifier, `logits` are found in it.
    pub graph: Graph,
    /// Default taps in depth order.
    pub taps: Vec<String>,
    /// Key of the weight whose first axis is the number of logits.
    pub classifier: Option<String>,
}

impl Builder {
    /// Starts with the input and the normalisation node.
    pub fn new(keys: Keys, variant: Variant, mean: [f32; 3], std: [f32; 3]) -> (Self, Wire) {
        let mut builder = Self { keys, variant, graph: Graph::default(), taps: Vec::new(), classifier: None };
        let input = builder.node("input", Op::Input { channels: 3 }, &[], 3);
        let normalised =
            builder.node("input.normalize", Op::Normalize { mean: mean.to_vec(), std: std.to_vec() }, &[input], 3);
        (builder, normalised)
    }

    /// Ends the graph: its output is `logits`, or the penultimate vector where there is no classifier.
    pub fn finish(mut self) -> Network {
        let output = self.graph.find("logits").or_else(|| self.graph.find("pre_logits"));
        self.graph.outputs = output.into_iter().collect();
        Network { graph: self.graph, taps: self.taps, classifier: self.classifier }
    }

    /// Any operator.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[Wire], channels: usize) -> Wire {
        debug_assert!(self.graph.find(name).is_none(), "two nodes are called {name}");
        let inputs = inputs.iter().map(|wire| wire.node).collect();
        self.graph.nodes.push(Node { name: name.to_owned(), op, inputs });
        Wire { node: self.graph.nodes.len() - 1, channels }
    }

    /// Names the output of a module.
    pub fn module(&mut self, name: &str, wire: Wire) {
        if self.graph.find(name).is_none() {
            self.graph.modules.insert(name.to_owned(), wire.node);
        }
    }

    /// Appends to the default taps; called in depth order.
    pub fn tap(&mut self, name: &str) {
        debug_assert!(self.graph.find(name).is_some(), "no node is called {name}");
        self.taps.push(name.to_owned());
    }

    /// Declares a module's parameter and returns its key.
    pub fn parameter(&mut self, module: &str, role: Role, shape: &[usize]) -> String {
        let key = self.keys.parameter(module, role);
        self.graph.parameters.insert(key.clone(), shape.to_vec());
        key
    }

    /// Declares a parameter that belongs to no module and returns its key.
    pub fn plain_parameter(&mut self, key: &str, shape: &[usize]) -> String {
        let key = self.keys.plain(key);
        self.graph.parameters.insert(key.clone(), shape.to_vec());
        key
    }

    /// Convolution with or without bias; `groups` equal to the channels makes it depthwise.
    pub fn convolution(
        &mut self,
        name: &str,
        from: Wire,
        channels: usize,
        window: Window,
        groups: usize,
        bias: bool,
    ) -> Wire {
        let depthwise = groups > 1 && groups == from.channels;
        let role = if depthwise { Role::DepthwiseWeight } else { Role::Weight };
        let shape = [channels, from.channels / groups, window.kernel, window.kernel];
        let weight = self.parameter(name, role, &shape);
        let bias = bias.then(|| self.parameter(name, Role::Bias, &[channels]));
        let op = Op::Convolution {
            weight,
            bias,
            channels,
            kernel: [window.kernel; 2],
            stride: [window.stride; 2],
            padding: window.padding,
            dilation: [1, 1],
            groups,
        };
        self.node(name, op, &[from], channels)
    }

    /// Convolution and batch norm; one convolution with a bias where the norm is folded.
    pub fn convolution_norm(
        &mut self,
        [convolution, norm]: [&str; 2],
        from: Wire,
        channels: usize,
        window: Window,
        groups: usize,
        epsilon: f64,
    ) -> Wire {
        let folded = self.variant.norm == Norm::Folded;
        let wire = self.convolution(convolution, from, channels, window, groups, folded);
        if folded { wire } else { self.batch_norm(norm, wire, epsilon) }
    }

    /// A batch norm of its own.
    pub fn batch_norm(&mut self, name: &str, from: Wire, epsilon: f64) -> Wire {
        let shape = [from.channels];
        let op = Op::BatchNorm {
            weight: self.parameter(name, Role::NormWeight, &shape),
            bias: self.parameter(name, Role::NormBias, &shape),
            running_mean: self.parameter(name, Role::RunningMean, &shape),
            running_variance: self.parameter(name, Role::RunningVariance, &shape),
            epsilon,
        };
        self.node(name, op, &[from], from.channels)
    }

    /// Layer norm over channels.
    pub fn layer_norm(&mut self, name: &str, from: Wire, epsilon: f64) -> Wire {
        let shape = [from.channels];
        let op = Op::LayerNorm {
            weight: self.parameter(name, Role::NormWeight, &shape),
            bias: self.parameter(name, Role::NormBias, &shape),
            epsilon,
        };
        self.node(name, op, &[from], from.channels)
    }

    /// Fully connected layer with bias.
    pub fn linear(&mut self, name: &str, from: Wire, channels: usize) -> Wire {
        let weight = self.parameter(name, Role::Weight, &[channels, from.channels]);
        let bias = Some(self.parameter(name, Role::Bias, &[channels]));
        self.node(name, Op::Linear { weight, bias, channels }, &[from], channels)
    }

    /// Element-wise function.
    pub fn activate(&mut self, name: &str, from: Wire, function: Activation) -> Wire {
        self.node(name, Op::Activate { function }, &[from], from.channels)
    }

    /// Sum.
    pub fn add(&mut self, name: &str, left: Wire, right: Wire) -> Wire {
        self.node(name, Op::Add, &[left, right], left.channels)
    }

    /// Largest value of a window.
    pub fn max_pool(&mut self, name: &str, from: Wire, window: Window, ceil: bool) -> Wire {
        let op = Op::MaxPool { kernel: [window.kernel; 2], stride: [window.stride; 2], padding: window.padding, ceil };
        self.node(name, op, &[from], from.channels)
    }

    /// Mean over space as a vector: nodes `name` and `name.flatten`.
    pub fn pooled(&mut self, name: &str, from: Wire) -> Wire {
        let pooled = self.node(name, Op::GlobalAveragePool, &[from], from.channels);
        self.node(&format!("{name}.flatten"), Op::Flatten, &[pooled], from.channels)
    }

    /// Names and taps the map before pooling and the pooled vector, the penultimate one of most convolution networks.
    pub fn pooled_features(&mut self, name: &str, from: Wire) -> Wire {
        self.pre_pooling(from);
        let vector = self.pooled(name, from);
        self.pre_logits(vector);
        vector
    }

    /// Names and taps the map before pooling.
    pub fn pre_pooling(&mut self, wire: Wire) {
        self.module("pre_pooling", wire);
        self.tap("pre_pooling");
    }

    /// Names and taps the penultimate vector.
    pub fn pre_logits(&mut self, wire: Wire) {
        self.module("pre_logits", wire);
        self.tap("pre_logits");
    }

    /// The classifier of a convolution network, named and tapped as `logits`; nothing where there are no classes.
    pub fn linear_classifier(&mut self, name: &str, from: Wire) {
        if self.variant.classes > 0 {
            let logits = self.linear(name, from, self.variant.classes);
            self.logits(name, Role::Weight, logits);
            self.tap("logits");
        }
    }

    /// Names the logits and remembers which weight tells their number.
    pub fn logits(&mut self, classifier: &str, role: Role, wire: Wire) {
        self.classifier = Some(self.keys.parameter(classifier, role));
        self.module("logits", wire);
    }
}
