//! Which values are kept rounded to bf16. Decided by the graph and the precision alone, so that the taps asked for change no bit.
//!
//! A value is rounded where a kernel of bf16 or a pool leaves it, if nobody reads it but such kernels, pools, and the sums fused
//! behind products; values that a normalisation or an unfused operator reads stay `f32`.

use super::fuse;
use crate::{Graph, Node, NodeId, Op, Precision, Shape};

/// For each node whether its value is kept rounded.
pub(crate) fn rounded(graph: &Graph, shapes: &[Shape], precision: Precision) -> Vec<bool> {
    let mut rounded = vec![false; graph.nodes.len()];
    if precision == Precision::F32 {
        return rounded;
    }
    let groups = fuse::groups(graph);
    // Nodes that run inside a group of a product, the anchor left out.
    let mut fused = vec![false; graph.nodes.len()];
    for group in groups.iter().filter(|group| product(graph, group.anchor)) {
        group.chain.iter().for_each(|&node| fused[node] = true);
    }
    for group in &groups {
        let last = group.nodes().next_back().unwrap_or(group.anchor);
        let reads = |reader: NodeId| {
            product(graph, reader)
                || pools(&graph.nodes[reader])
                || gate(graph, shapes, reader) && graph.nodes[reader].inputs.first() == Some(&last)
                || (fused[reader] && matches!(graph.nodes[reader].op, Op::Add))
        };
        let mut readers =
            (0..graph.nodes.len()).filter(|&reader| graph.nodes[reader].inputs.contains(&last)).peekable();
        let leaves = match &graph.nodes[group.anchor].op {
            Op::LayerNorm { .. } => true,
            Op::MaxPool { .. } => graph.nodes[group.anchor].inputs.iter().all(|&input| rounded[input]),
            _ if gate(graph, shapes, group.anchor) => {
                graph.nodes[group.anchor].inputs.first().is_some_and(|&input| rounded[input])
            }
            _ => product(graph, group.anchor),
        };
        rounded[last] = leaves && readers.peek().is_some() && readers.all(reads);
    }
    rounded
}

/// Whether a node is a product whose kernels read and write rounded values; depthwise convolutions are, though their sums are of
/// weights in `f32`.
fn product(graph: &Graph, node: NodeId) -> bool {
    matches!(graph.nodes[node].op, Op::Convolution { .. } | Op::Linear { .. } | Op::Attention { .. })
}

/// Whether a node multiplies each channel of an image by one factor.
fn gate(graph: &Graph, shapes: &[Shape], node: NodeId) -> bool {
    let Node { op, inputs, .. } = &graph.nodes[node];
    matches!((op, &inputs[..]), (Op::Multiply, [first, second]) if shapes[*first] != shapes[*second] && first != second)
}

fn pools(node: &Node) -> bool {
    matches!(node.op, Op::MaxPool { .. } | Op::GlobalAveragePool | Op::MeanTokens { .. })
}
