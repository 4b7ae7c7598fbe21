//! Batch norms for convolutions into which theirs were folded, so that such a network can be trained as the others are.
//!
//! A folded convolution computes `y = W * x + b`. Given the mean `m` and variance `v` of `y` over some images, each per channel,
//!
//! ```text
//! y = gamma (W * x - mu) / sqrt(v + epsilon) + beta   with   gamma = sqrt(v + epsilon), mu = m - b, beta = m
//! ```
//!
//! so the function does not change, and `mu` and `v` are the statistics of the new norm's own input.

use std::collections::BTreeMap;

use heirloom_engine::{Graph, Node, NodeId, Op, Tensor, Weights};

use crate::architectures;
use crate::backbone::{Backbone, weights_digest};
use crate::error::ZooError;
use crate::recipe::{Norm, Recipe};
use crate::rewire::{drop_unused_parameters, restrict};
use crate::suggest::nearest;

/// Epsilon of a norm that no architecture prescribes.
const EPSILON: f64 = 1e-5;

/// Mean and variance of a convolution's output per channel, its bias included, over images and positions.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStatistics {
    /// Mean per channel.
    pub mean: Vec<f32>,
    /// Variance per channel, from 0 on.
    pub variance: Vec<f32>,
}

/// What a new norm is called, and its epsilon.
#[derive(Debug, Clone)]
struct NewNorm {
    name: String,
    /// Keys of weight, bias, running mean and running variance.
    keys: [String; 4],
    epsilon: f64,
}

impl NewNorm {
    /// `<convolution>.norm`.
    fn behind(convolution: &str) -> Self {
        let name = format!("{convolution}.norm");
        let keys = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part}"));
        Self { name, keys, epsilon: EPSILON }
    }
}

/// Names of the convolutions that may hold a folded batch norm: those with a bias, on a map that is no mean over space, with no norm
/// behind them; none where the network has layer norms. A network that never had norms, such as SqueezeNet, looks the same:
/// [`Backbone::folded_convolutions`] knows the published architecture.
#[must_use]
pub fn folded_convolutions(graph: &Graph) -> Vec<String> {
    let pooled = pooled(graph);
    let read_by = |id: NodeId| graph.nodes.iter().filter(move |node| node.inputs.contains(&id)).map(|node| &node.op);
    if graph.nodes.iter().any(|node| matches!(node.op, Op::LayerNorm { .. })) {
        return Vec::new();
    }
    let is_norm = |op: &Op| matches!(op, Op::BatchNorm { .. });
    let nodes = graph.nodes.iter().enumerate();
    let folded = nodes.filter(|(id, node)| {
        matches!(node.op, Op::Convolution { bias: Some(_), .. }) && !pooled[*id] && !read_by(*id).any(is_norm)
    });
    folded.map(|(_, node)| node.name.clone()).collect()
}

/// Which nodes see a mean over space alone.
fn pooled(graph: &Graph) -> Vec<bool> {
    let mut pooled = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        let inputs = !node.inputs.is_empty() && node.inputs.iter().all(|&input| pooled[input]);
        pooled[id] = inputs || node.op == Op::GlobalAveragePool;
    }
    pooled
}

/// `graph` and its weights with a batch norm behind each convolution that `statistics` names; the convolution loses its bias. The
/// network computes what it did, up to rounding. The norm of `a.b` is called `a.b.norm` (keys `a.b.norm.weight`, `.bias`,
/// `.running_mean`, `.running_var`); modules that ended in the convolution end in its norm.
///
/// # Errors
/// A name that is no convolution with a bias, statistics that are not one finite value per channel or a negative variance.
pub fn unfold_batch_norms(
    graph: &Graph,
    weights: &Weights,
    statistics: &BTreeMap<String, ChannelStatistics>,
) -> Result<(Graph, Weights), ZooError> {
    unfold(graph, weights, statistics, &|convolution| NewNorm::behind(convolution))
}

impl Backbone {
    /// Names of the convolutions into which the batch norms of the published architecture were folded.
    #[must_use]
    pub fn folded_convolutions(&self) -> Vec<String> {
        let norms = published_norms(&self.architecture);
        let with_bias = |name: &String| {
            let node = self.graph.find(name).map(|id| &self.graph.nodes[id].op);
            matches!(node, Some(Op::Convolution { bias: Some(_), .. }))
        };
        let names = self.graph.nodes.iter().map(|node| &node.name);
        names.filter(|name| norms.contains_key(*name) && with_bias(name)).cloned().collect()
    }

    /// The network with its batch norms back, under the names that the architecture gives them; see [`unfold_batch_norms`].
    ///
    /// # Errors
    /// As [`unfold_batch_norms`].
    pub fn unfold_batch_norms(&self, statistics: &BTreeMap<String, ChannelStatistics>) -> Result<Self, ZooError> {
        let norms = published_norms(&self.architecture);
        let name = |convolution: &str| norms.get(convolution).cloned().unwrap_or_else(|| NewNorm::behind(convolution));
        let (graph, weights) = unfold(&self.graph, &self.weights, statistics, &name)?;
        Ok(Self { weights_digest: weights_digest(&weights), graph, weights, ..self.clone() })
    }
}

/// The norm behind each convolution of an architecture, under any of its key names.
fn published_norms(architecture: &str) -> BTreeMap<String, NewNorm> {
    let mut found = BTreeMap::new();
    let layouts = architectures::layouts(architecture).unwrap_or_default();
    for &layout in layouts {
        let Ok(mut recipe) = Recipe::usual("", architecture) else { continue };
        (recipe.norm, recipe.classes) = (Some(Norm::Separate), Some(0));
        let Ok(network) = architectures::build(&recipe, layout) else { continue };
        let nodes = &network.graph.nodes;
        for node in nodes {
            if let Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon } = &node.op
                && let Some(Op::Convolution { .. }) = node.inputs.first().map(|&input| &nodes[input].op)
            {
                let keys = [weight, bias, running_mean, running_variance].map(Clone::clone);
                let norm = NewNorm { name: node.name.clone(), keys, epsilon: *epsilon };
                found.insert(nodes[node.inputs[0]].name.clone(), norm);
            }
        }
    }
    found
}

fn unfold(
    graph: &Graph,
    weights: &Weights,
    statistics: &BTreeMap<String, ChannelStatistics>,
    norm_of: &dyn Fn(&str) -> NewNorm,
) -> Result<(Graph, Weights), ZooError> {
    let mut found = Graph { parameters: graph.parameters.clone(), ..Graph::default() };
    let mut fresh = Weights::default();
    // Where the value of each old node is in the new graph.
    let mut ids: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut unfolded = 0;
    for node in &graph.nodes {
        let mut node = Node { inputs: node.inputs.iter().map(|&input| ids[input]).collect(), ..node.clone() };
        if let Some(statistics) = statistics.get(&node.name) {
            let (bias, channels) = take_bias(&mut node)?;
            let norm = norm_of(&node.name);
            let bias = weights.tensors.get(&bias).map(|tensor| tensor.values.as_slice()).unwrap_or_default();
            let values = values(&node.name, bias, channels, statistics, norm.epsilon)?;
            found.nodes.push(node);
            let convolution = found.nodes.len() - 1;
            for (key, values) in norm.keys.iter().zip(values) {
                if found.parameters.insert(key.clone(), vec![channels]).is_some() {
                    return Err(refused(&norm.name, format!("the network has a parameter '{key}' already")));
                }
                fresh.tensors.insert(key.clone(), Tensor { shape: vec![channels], values });
            }
            node = batch_norm(norm, convolution);
            unfolded += 1;
        }
        found.nodes.push(node);
        ids.push(found.nodes.len() - 1);
    }
    if unfolded != statistics.len() {
        let unknown = statistics.keys().find(|name| graph.nodes.iter().all(|node| node.name != **name));
        let pattern = unknown.cloned().unwrap_or_default();
        let suggestion = nearest(graph.nodes.iter().map(|node| node.name.as_str()), &pattern);
        return Err(ZooError::UnknownLayer { pattern, suggestion });
    }
    found.modules = graph.modules.iter().map(|(name, &id)| (name.clone(), ids[id])).collect();
    found.outputs = graph.outputs.iter().map(|&id| ids[id]).collect();
    drop_unused_parameters(&mut found);
    let mut values = restrict(weights, &found);
    values.tensors.append(&mut fresh.tensors);
    Ok((found, values))
}

fn refused(name: &str, reason: String) -> ZooError {
    ZooError::Network { name: name.to_owned(), reason }
}

/// Takes the bias away from a convolution; returns its key and the number of channels.
fn take_bias(node: &mut Node) -> Result<(String, usize), ZooError> {
    if let Op::Convolution { bias, channels, .. } = &mut node.op
        && let Some(bias) = bias.take()
    {
        return Ok((bias, *channels));
    }
    Err(refused(&node.name, "it is no convolution with a bias, so no batch norm is folded into it".into()))
}

fn batch_norm(norm: NewNorm, input: NodeId) -> Node {
    let [weight, bias, running_mean, running_variance] = norm.keys;
    let op = Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon: norm.epsilon };
    Node { name: norm.name, op, inputs: vec![input] }
}

/// Weight, bias, running mean and running variance of the new norm.
fn values(
    name: &str,
    bias: &[f32],
    channels: usize,
    statistics: &ChannelStatistics,
    epsilon: f64,
) -> Result<[Vec<f32>; 4], ZooError> {
    let ChannelStatistics { mean, variance } = statistics;
    if [bias.len(), mean.len(), variance.len()] != [channels; 3] {
        let found = [bias.len(), mean.len(), variance.len()];
        return Err(refused(name, format!("bias, mean and variance have {found:?} values, expected {channels} each")));
    }
    if let Some(channel) =
        (0..channels).find(|&c| !mean[c].is_finite() || !variance[c].is_finite() || variance[c] < 0.0)
    {
        let (mean, variance) = (mean[channel], variance[channel]);
        return Err(refused(name, format!("channel {channel} has mean {mean} and variance {variance}")));
    }
    let weight = variance.iter().map(|&v| (f64::from(v) + epsilon).sqrt() as f32).collect();
    let running_mean = mean.iter().zip(bias).map(|(m, b)| m - b).collect();
    Ok([weight, mean.clone(), running_mean, variance.clone()])
}
