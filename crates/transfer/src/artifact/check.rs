//! Whether what an artifact describes can be run: a graph read from a file is input, not a fact.

use std::collections::BTreeSet;

use heirloom_engine::{Graph, Op};

/// Refuses a graph whose nodes do not refer to one another as they must. `Err` says what is wrong.
pub(super) fn graph(graph: &Graph) -> Result<(), String> {
    let count = graph.nodes.len();
    match graph.nodes.first().map(|node| &node.op) {
        Some(Op::Input { .. }) => {}
        _ => return Err("the graph does not begin with its input".into()),
    }
    let mut names = BTreeSet::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Some(input) = node.inputs.iter().find(|input| **input >= id) {
            return Err(format!("node {id} '{}' reads node {input}, which does not come before it", node.name));
        }
        if !names.insert(&node.name) {
            return Err(format!("two nodes are called '{}'", node.name));
        }
    }
    let mut targets = graph.modules.values().chain(&graph.outputs);
    match targets.find(|node| **node >= count) {
        Some(node) => Err(format!("node {node} is named as an output, the graph has {count} nodes")),
        None => Ok(()),
    }
}
