//! First weights of a network that is trained from scratch. Owns the rule that a value depends on the seed, the parameter's key and
//! the index alone: neither the other parameters, nor an order, nor the machine enter it.

pub(crate) mod draw;
mod scheme;

use std::collections::BTreeMap;

use heirloom_engine::{Graph, NodeId, Op, Weights};

use crate::architectures;
use crate::error::ZooError;
use crate::parameters::{self, Part};
use draw::Draw;
use scheme::Parameter;
pub(crate) use scheme::Scheme;

/// How first weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Initialization {
    /// Fixes every value.
    pub seed: u64,
    /// Begins the last norm of every residual branch at factor 0, so that every block begins as the identity (Goyal et al. 2017,
    /// arXiv 1706.02677, section 5.1).
    pub zero_last_norm: bool,
    /// Whether the classifier begins at zero; `None` for what is usual for the architecture.
    pub zero_classifier: Option<bool>,
}

impl Initialization {
    /// The architecture's usual first weights.
    #[must_use]
    pub fn usual(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// First weights of `graph`, a network of the architecture called `architecture`, drawn as its paper or reference code does: He
/// normal for residual networks, a standard deviation of 0.02 for transformers, the scaled and zero weights of Fixup.
///
/// ```
/// use heirloom_zoo::{Initialization, Layout, Recipe, architectures, initialize};
///
/// let network = architectures::build(&Recipe::usual("mine", "cifar_resnet20")?, Layout::Torchvision)?;
/// let weights = initialize("cifar_resnet20", &network.graph, &Initialization::usual(0))?;
/// assert_eq!(weights, initialize("cifar_resnet20", &network.graph, &Initialization::usual(0))?);
/// assert_eq!(weights.tensors["bn1.weight"].values, [1.0; 16]);
/// # Ok::<(), heirloom_zoo::ZooError>(())
/// ```
///
/// # Errors
/// An unknown architecture, `zero_last_norm` for a network whose residual branches do not end in a norm, or a parameter that the
/// graph uses without giving its shape.
pub fn initialize(architecture: &str, graph: &Graph, how: &Initialization) -> Result<Weights, ZooError> {
    let known = architectures::find(architecture)?;
    let classifier = classifier(graph);
    let last_norms = if how.zero_last_norm { last_norms(graph) } else { Vec::new() };
    if how.zero_last_norm && last_norms.is_empty() {
        let reason = "its residual branches do not end in a batch norm that could begin at 0".into();
        return Err(ZooError::Network { name: known.name.to_owned(), reason });
    }
    let scheme = known.scheme.with_classifier(how.zero_classifier);
    let mut tensors = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        for (key, part) in parameters::of(&node.op) {
            let shape = shape(graph, key)?;
            let weight = match &node.op {
                Op::Convolution { weight, .. } | Op::Linear { weight, .. } => self::shape(graph, weight)?,
                _ => shape,
            };
            let is_classifier = classifier == Some(id);
            let parameter = Parameter { graph, node, part, weight, classifier: is_classifier };
            let zero =
                is_classifier && how.zero_classifier == Some(true) || last_norms.contains(&id) && part == Part::Factor;
            let draw = if zero { Draw::Constant(0.0) } else { scheme.draw(&parameter) };
            tensors.insert(key.to_owned(), draw.tensor(how.seed, key, shape));
        }
    }
    Ok(Weights { tensors })
}

fn shape<'a>(graph: &'a Graph, key: &str) -> Result<&'a [usize], ZooError> {
    graph.parameters.get(key).map(Vec::as_slice).ok_or_else(|| ZooError::Network {
        name: "graph".into(),
        reason: format!("parameter '{key}' is used but its shape is not declared"),
    })
}

/// The last layer with weights on the way to the logits.
pub(crate) fn classifier(graph: &Graph) -> Option<NodeId> {
    let mut node = graph.find("logits")?;
    while !parameters::is_weight_layer(&graph.nodes.get(node)?.op) {
        node = *graph.nodes.get(node)?.inputs.first()?;
    }
    Some(node)
}

/// Batch norms whose output is added to a shortcut.
fn last_norms(graph: &Graph) -> Vec<NodeId> {
    let added = graph.nodes.iter().filter(|node| node.op == Op::Add).flat_map(|node| &node.inputs).copied();
    let is_branch = |id: &NodeId| {
        let node = &graph.nodes[*id];
        matches!(node.op, Op::BatchNorm { .. }) && !node.name.contains(".downsample.")
    };
    added.filter(is_branch).collect()
}
