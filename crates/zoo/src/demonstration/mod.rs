//! A backbone that needs no download: fixed filters, nothing pretrained. It stands in for a real one where there is none, in the
//! demonstration and in tests; it is weaker than any trained network and says so in its name.
//!
//! First a bank of Gabor filters and colour blobs (what the first layer of trained networks looks like), then two layers of
//! random filters of He variance (He et al. 2015, arXiv 1502.01852), each with ReLU and max pooling; the penultimate vector is
//! the spatial mean of all three maps side by side.

mod filters;

use heirloom_data::{Interpolation, Preprocess, Resize};
use heirloom_engine::{Activation, Graph, Node, NodeId, Op, Padding, Tensor, Weights};

use crate::backbone::{Backbone, weights_digest};

/// Side of the input, in pixels.
const SIDE: usize = 64;
/// Channels of the two random layers.
const RANDOM_CHANNELS: [usize; 2] = [128, 256];

/// The backbone of fixed filters; `seed` draws the random ones.
///
/// ```
/// let backbone = heirloom_zoo::demonstration(0);
/// assert_eq!(backbone.features, "pre_logits");
/// assert_eq!(backbone.weights_digest, heirloom_zoo::demonstration(0).weights_digest);
/// assert_ne!(backbone.weights_digest, heirloom_zoo::demonstration(1).weights_digest);
/// ```
#[must_use]
pub fn demonstration(seed: u64) -> Backbone {
    let mut weights = Weights::default();
    let mut network = Network::default();
    let input = network.node("input", Op::Input { channels: 3 }, &[]);
    let normalise = Op::Normalize { mean: vec![0.5; 3], std: vec![0.5; 3] };
    let mut map = network.node("input.normalize", normalise, &[input]);
    let bank = filters::bank();
    let mut inputs = 3;
    let layers =
        [("edges", 7, 2, bank.len()), ("mixtures", 3, 1, RANDOM_CHANNELS[0]), ("shapes", 3, 1, RANDOM_CHANNELS[1])];
    let mut means = Vec::new();
    for (layer, (name, kernel, stride, channels)) in layers.into_iter().enumerate() {
        let values = match layer {
            0 => bank.concat(),
            _ => filters::he(seed, layer as u64, channels, inputs * kernel * kernel),
        };
        let shape = vec![channels, inputs, kernel, kernel];
        weights.tensors.insert(format!("{name}.weight"), Tensor { shape, values });
        let active = network.convolution(name, map, [inputs, channels], kernel, stride);
        means.push(network.node(&format!("{name}.mean"), Op::GlobalAveragePool, &[active]));
        map = active;
        if layer + 1 < layers.len() {
            map = network.pool(&format!("{name}.pool"), active);
        }
        inputs = channels;
    }
    let joined = network.node("joined", Op::Concat, &means);
    let features = network.node("pre_logits", Op::Flatten, &[joined]);
    network.graph.outputs = vec![features];
    backbone(network.graph, weights)
}

fn backbone(graph: Graph, weights: Weights) -> Backbone {
    Backbone {
        name: "fixed-filters".to_string(),
        architecture: "fixed-filters".to_string(),
        weights_digest: weights_digest(&weights),
        graph,
        weights,
        preprocess: Preprocess {
            input_size: [SIDE; 2],
            resize: Resize::Squeeze,
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.5; 3],
        },
        licence: None,
        source: Some("computed by heirloom: Gabor and random filters, not pretrained".to_string()),
        classes: Vec::new(),
        features: "pre_logits".to_string(),
        logits: None,
        taps: ["edges.act", "mixtures.act", "shapes.act", "pre_logits"].map(String::from).to_vec(),
        notes: Vec::new(),
    }
}

/// A graph under construction.
#[derive(Debug, Default)]
struct Network {
    graph: Graph,
}

impl Network {
    fn node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        self.graph.nodes.push(Node { name: name.to_string(), op, inputs: inputs.to_vec() });
        self.graph.nodes.len() - 1
    }

    /// A convolution without bias and its ReLU; `channels` is `[in, out]`.
    fn convolution(&mut self, name: &str, from: NodeId, channels: [usize; 2], kernel: usize, stride: usize) -> NodeId {
        let [inputs, outputs] = channels;
        let weight = format!("{name}.weight");
        self.graph.parameters.insert(weight.clone(), vec![outputs, inputs, kernel, kernel]);
        let op = Op::Convolution {
            weight,
            bias: None,
            channels: outputs,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: Padding::all(kernel / 2),
            dilation: [1, 1],
            groups: 1,
        };
        let map = self.node(name, op, &[from]);
        self.node(&format!("{name}.act"), Op::Activate { function: Activation::Relu }, &[map])
    }

    fn pool(&mut self, name: &str, from: NodeId) -> NodeId {
        let op = Op::MaxPool { kernel: [2, 2], stride: [2, 2], padding: Padding::NONE, ceil: false };
        self.node(name, op, &[from])
    }
}
