//! A new classifier on a pretrained network, for classes that it has never seen.
//!
//! A classifier that is one linear map keeps its name, its keys and its form, so that the result is still the published
//! architecture with another number of classes: `fc` of a ResNet, `head` of a ViT, the 1x1 convolution of MobileNetV1. Every other
//! network gets a linear layer called `head` (keys `head.weight` and `head.bias`) on its penultimate vector: SqueezeNet, whose
//! classifier ends in a ReLU and a mean, and networks without a classifier.

use heirloom_engine::{Graph, Node, NodeId, Op, Shape, Weights};

use crate::backbone::{Backbone, weights_digest};
use crate::error::ZooError;
use crate::initialize::classifier;
use crate::initialize::draw::Draw;
use crate::parameters::{self, Part};
use crate::rewire::{downstream, keeping, restrict};

/// Name of a classifier that the architecture itself does not have.
const NAME: &str = "head";

/// How a new classifier's weights begin; its bias begins at zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum HeadStart {
    /// All logits are equal at first, and the first step does not disturb the features.
    #[default]
    Zero,
    /// Normal of this standard deviation.
    Normal(f64),
    /// PyTorch's linear layer: uniform in plus and minus `1 / sqrt(inputs)`.
    Uniform,
}

/// The wanted classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewHead {
    /// Number of logits, at least 1.
    pub classes: usize,
    /// How its weights begin.
    pub start: HeadStart,
    /// Fixes the values of a random start.
    pub seed: u64,
}

/// `backbone` with a new classifier of as many logits as asked for, all else unchanged; nodes that only the old one needed are gone.
///
/// ```
/// use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, Recipe, replace_head};
///
/// let backbone = Backbone::from_scratch(&Recipe::usual("mine", "cifar_resnet20")?, &Initialization::usual(0))?;
/// let adapted = replace_head(&backbone, &NewHead { classes: 7, start: HeadStart::Zero, seed: 0 })?;
/// assert_eq!(adapted.weights.tensors["linear.weight"].shape, [7, 64]);
/// assert_eq!(adapted.classifier_parameters(), ["linear.weight", "linear.bias"]);
/// # Ok::<(), heirloom_zoo::ZooError>(())
/// ```
///
/// # Errors
/// No classes, a standard deviation that is no number, or features that are neither a vector nor a map.
pub fn replace_head(backbone: &Backbone, head: &NewHead) -> Result<Backbone, ZooError> {
    let wrong = |reason: String| ZooError::Network { name: backbone.name.clone(), reason };
    if head.classes == 0 {
        return Err(wrong("a classifier needs at least one class".into()));
    }
    if let HeadStart::Normal(deviation) = head.start
        && !(deviation.is_finite() && deviation >= 0.0)
    {
        return Err(wrong(format!("the classifier's standard deviation is {deviation}, must be a number from 0 on")));
    }
    let graph = match plain_classifier(&backbone.graph) {
        Some(node) => resized(&backbone.graph, node, head.classes),
        None => appended(backbone, head.classes).map_err(wrong)?,
    };
    let weights = with_start(&graph, &backbone.weights, head);
    Ok(Backbone {
        weights_digest: weights_digest(&weights),
        classes: Vec::new(),
        logits: Some("logits".to_owned()),
        taps: backbone.taps.iter().filter(|tap| graph.find(tap).is_some()).cloned().collect(),
        graph,
        weights,
        ..backbone.clone()
    })
}

impl Backbone {
    /// Keys of the classifier's weight and bias; empty where there is no classifier.
    #[must_use]
    pub fn classifier_parameters(&self) -> Vec<String> {
        let node = classifier(&self.graph).map(|id| &self.graph.nodes[id]);
        node.map(|node| parameters::of(&node.op)).into_iter().flatten().map(|(key, _)| key.to_owned()).collect()
    }
}

/// The classifier, where the logits are its output and nothing else is done to them.
fn plain_classifier(graph: &Graph) -> Option<NodeId> {
    let mut node = graph.find("logits")?;
    while matches!(graph.nodes.get(node)?.op, Op::Flatten) {
        node = *graph.nodes.get(node)?.inputs.first()?;
    }
    parameters::is_weight_layer(&graph.nodes.get(node)?.op).then_some(node)
}

/// The same layer with another number of outputs.
fn resized(graph: &Graph, classifier: NodeId, classes: usize) -> Graph {
    let mut graph = graph.clone();
    let node = &mut graph.nodes[classifier];
    if let Op::Linear { channels, .. } | Op::Convolution { channels, .. } = &mut node.op {
        *channels = classes;
    }
    for (key, _) in parameters::of(&graph.nodes[classifier].op) {
        if let Some(outputs) = graph.parameters.get_mut(key).and_then(|shape| shape.first_mut()) {
            *outputs = classes;
        }
    }
    graph
}

/// The graph up to its features with a linear layer on them.
fn appended(backbone: &Backbone, classes: usize) -> Result<Graph, String> {
    let old = classifier(&backbone.graph);
    let keep: Vec<bool> = match old {
        Some(old) => downstream(&backbone.graph, old).iter().map(|reached| !reached).collect(),
        None => vec![true; backbone.graph.nodes.len()],
    };
    let mut graph = keeping(&backbone.graph, &keep);
    let features = &backbone.features;
    let mut node = graph.find(features).ok_or_else(|| format!("its features '{features}' depend on its classifier"))?;
    let shapes = graph.shapes(backbone.preprocess.input_size).map_err(|error| error.to_string())?;
    let shape = shapes[node];
    let name = free_name(&graph);
    match shape {
        Shape::Vector { .. } => {}
        Shape::Map { .. } => {
            node = push(&mut graph, &format!("{name}.pool"), Op::GlobalAveragePool, node);
            node = push(&mut graph, &format!("{name}.flatten"), Op::Flatten, node);
        }
        Shape::Tokens { .. } => {
            return Err(format!("its features '{features}' are tokens, expected a vector or a map"));
        }
    }
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
    graph.parameters.insert(weight.clone(), vec![classes, shape.channels()]);
    graph.parameters.insert(bias.clone(), vec![classes]);
    let logits = push(&mut graph, &name, Op::Linear { weight, bias: Some(bias), channels: classes }, node);
    graph.modules.insert("logits".into(), logits);
    graph.outputs = vec![logits];
    Ok(graph)
}

fn push(graph: &mut Graph, name: &str, op: Op, input: NodeId) -> NodeId {
    graph.nodes.push(Node { name: name.to_owned(), op, inputs: vec![input] });
    graph.nodes.len() - 1
}

/// `head`, with underscores behind it where the network has nodes of that name.
fn free_name(graph: &Graph) -> String {
    let mut name = NAME.to_owned();
    while graph.nodes.iter().map(|node| &node.name).chain(graph.parameters.keys()).any(|known| known.starts_with(&name))
    {
        name.push('_');
    }
    name
}

/// The backbone's values, and fresh ones for the classifier.
fn with_start(graph: &Graph, weights: &Weights, head: &NewHead) -> Weights {
    let mut weights = restrict(weights, graph);
    let new = classifier(graph).map(|id| parameters::of(&graph.nodes[id].op)).unwrap_or_default();
    for (key, part) in new {
        let Some(shape) = graph.parameters.get(key) else { continue };
        let inputs = shape.iter().skip(1).product::<usize>().max(1);
        let draw = match head.start {
            _ if part == Part::Bias => Draw::Constant(0.0),
            HeadStart::Zero => Draw::Constant(0.0),
            HeadStart::Normal(deviation) => Draw::Normal(deviation),
            HeadStart::Uniform => Draw::Uniform(1.0 / (inputs as f64).sqrt()),
        };
        weights.tensors.insert(key.to_owned(), draw.tensor(head.seed, key, shape));
    }
    weights
}
