//! Fusion: which operators run together. Decided by the graph alone, so that the taps asked for change no bit.
//!
//! A convolution or fully connected layer takes up the chain of element-wise operators behind it, as long as each value
//! of the chain is read by the next operator only, and any second operand is finished before the group starts.

use crate::{Graph, NodeId, Op};

/// Operators that run as one step: an anchor and the element-wise operators applied to its result, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub anchor: NodeId,
    pub chain: Vec<NodeId>,
}

impl Group {
    /// All nodes, in order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        std::iter::once(self.anchor).chain(self.chain.iter().copied())
    }
}

/// Every node in exactly one group, groups in the order in which they can run.
pub(crate) fn groups(graph: &Graph) -> Vec<Group> {
    let readers = readers(graph);
    let mut finished = vec![false; graph.nodes.len()];
    let mut groups = Vec::new();
    for anchor in 0..graph.nodes.len() {
        if finished[anchor] {
            continue;
        }
        let chain = match graph.nodes[anchor].op {
            Op::Convolution { .. } | Op::Linear { .. } => chain(graph, anchor, &readers, &finished),
            _ => Vec::new(),
        };
        let group = Group { anchor, chain };
        group.nodes().for_each(|node| finished[node] = true);
        groups.push(group);
    }
    groups
}

fn readers(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&input| readers[input].push(id));
    }
    readers
}

fn chain(graph: &Graph, anchor: NodeId, readers: &[Vec<NodeId>], finished: &[bool]) -> Vec<NodeId> {
    let mut chain = Vec::new();
    let mut last = anchor;
    while let [next] = readers[last][..] {
        let node = &graph.nodes[next];
        let joins = match node.op {
            Op::BatchNorm { .. } | Op::Activate { .. } | Op::Scale { .. } | Op::Shift { .. } => true,
            Op::Add => node.inputs.iter().any(|&other| other != last && finished[other]),
            _ => false,
        };
        if !joins || finished[next] {
            break;
        }
        chain.push(next);
        last = next;
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Node, Padding};

    fn node(name: &str, op: Op, inputs: &[NodeId]) -> Node {
        Node { name: name.into(), op, inputs: inputs.to_vec() }
    }

    fn convolution() -> Op {
        Op::Convolution {
            weight: "w".into(),
            bias: None,
            channels: 4,
            kernel: [1; 2],
            stride: [1; 2],
            padding: Padding::NONE,
            dilation: [1; 2],
            groups: 1,
        }
    }

    fn relu() -> Op {
        Op::Activate { function: Activation::Relu }
    }

    #[test]
    fn the_later_branch_takes_up_the_sum() {
        let nodes = vec![
            node("input", Op::Input { channels: 4 }, &[]),
            node("main", convolution(), &[0]),
            node("main.act", relu(), &[1]),
            node("shortcut", convolution(), &[0]),
            node("sum", Op::Add, &[2, 3]),
            node("sum.act", relu(), &[4]),
        ];
        let graph = Graph { nodes, ..Graph::default() };
        let expected = [(0, vec![]), (1, vec![2]), (3, vec![4, 5])];
        let found: Vec<_> = groups(&graph).into_iter().map(|group| (group.anchor, group.chain)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_value_read_twice_ends_its_group() {
        let nodes = vec![
            node("input", Op::Input { channels: 4 }, &[]),
            node("first", convolution(), &[0]),
            node("first.act", relu(), &[1]),
            node("again", convolution(), &[2]),
            node("sum", Op::Add, &[3, 2]),
            node("twice", Op::Add, &[4, 4]),
        ];
        let graph = Graph { nodes, ..Graph::default() };
        let found: Vec<_> = groups(&graph).into_iter().map(|group| (group.anchor, group.chain)).collect();
        assert_eq!(found, [(0, vec![]), (1, vec![2]), (3, vec![4]), (5, vec![])]);
    }
}
