//! Taking nodes out of a graph. Owns the rule that ids, modules, outputs and declared parameters stay consistent.

use std::collections::BTreeSet;

use heirloom_engine::{Graph, NodeId, Weights};

use crate::parameters;

/// `graph` without the nodes for which `keep` is false; none of the kept ones may read them. Modules that end in a removed node
/// and parameters that no node uses any more go with them.
pub(crate) fn keeping(graph: &Graph, keep: &[bool]) -> Graph {
    let mut ids: Vec<Option<NodeId>> = Vec::with_capacity(graph.nodes.len());
    let mut kept = Graph::default();
    for (node, keep) in graph.nodes.iter().zip(keep) {
        ids.push(keep.then_some(kept.nodes.len()));
        if *keep {
            let mut node = node.clone();
            node.inputs = node.inputs.iter().filter_map(|&input| ids.get(input).copied().flatten()).collect();
            kept.nodes.push(node);
        }
    }
    let new = |id: &NodeId| ids.get(*id).copied().flatten();
    kept.modules = graph.modules.iter().filter_map(|(name, id)| Some((name.clone(), new(id)?))).collect();
    kept.outputs = graph.outputs.iter().filter_map(new).collect();
    kept.parameters = graph.parameters.clone();
    drop_unused_parameters(&mut kept);
    kept
}

/// Takes the declarations of parameters away that no node uses.
pub(crate) fn drop_unused_parameters(graph: &mut Graph) {
    let used: BTreeSet<&str> =
        graph.nodes.iter().flat_map(|node| parameters::of(&node.op)).map(|(key, _)| key).collect();
    let unused: Vec<String> = graph.parameters.keys().filter(|key| !used.contains(key.as_str())).cloned().collect();
    for key in unused {
        graph.parameters.remove(&key);
    }
}

/// The values of the parameters that `graph` declares.
pub(crate) fn restrict(weights: &Weights, graph: &Graph) -> Weights {
    let held = weights.tensors.iter().filter(|(key, _)| graph.parameters.contains_key(*key));
    Weights { tensors: held.map(|(key, tensor)| (key.clone(), tensor.clone())).collect() }
}

/// For each node whether it is `from` or depends on it.
pub(crate) fn downstream(graph: &Graph, from: NodeId) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        reached[id] = id == from || node.inputs.iter().any(|&input| reached[input]);
    }
    reached
}
