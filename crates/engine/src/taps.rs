//! From the names of taps to nodes, and which nodes a set of taps needs.

use crate::{EngineError, Graph, NodeId, Shape};

impl Graph {
    /// Shape for one image of each of `taps`, at an input of `[height, width]` pixels.
    ///
    /// # Errors
    /// An unknown tap, or operators whose shapes do not fit.
    pub fn tap_shapes(&self, input_size: [usize; 2], taps: &[String]) -> Result<Vec<Shape>, EngineError> {
        let shapes = self.shapes(input_size)?;
        Ok(resolve(self, taps)?.into_iter().map(|node| shapes[node]).collect())
    }
}

/// The nodes called `names`, in that order.
pub(crate) fn resolve(graph: &Graph, names: &[String]) -> Result<Vec<NodeId>, EngineError> {
    names.iter().map(|name| graph.find(name).ok_or_else(|| unknown(graph, name))).collect()
}

fn unknown(graph: &Graph, name: &str) -> EngineError {
    let names = graph.nodes.iter().map(|node| node.name.as_str()).chain(graph.modules.keys().map(String::as_str));
    let nearest = names.min_by_key(|candidate| distance(candidate, name));
    let suggestion = nearest.filter(|candidate| distance(candidate, name) <= name.len() / 2).map(str::to_owned);
    EngineError::UnknownTap { name: name.to_owned(), suggestion }
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// For each node whether some of `wanted` depends on it (dead-node removal).
pub(crate) fn needed(graph: &Graph, wanted: &[NodeId]) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    for &node in wanted {
        needed[node] = true;
    }
    for id in (0..graph.nodes.len()).rev() {
        if needed[id] {
            for &input in &graph.nodes[id].inputs {
                needed[input] = true;
            }
        }
    }
    needed
}
