//! The schedule: which groups run for a set of taps, what each reads and leaves behind, and in which buffers.

use super::fuse::{self, Group};
use super::memory::{self, Lifetime, Memory};
use crate::{Graph, Node, NodeId, Op, Shape, taps};

/// One group at work: the nodes that run and the buffers they touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slotted {
    /// The anchor and the part of its chain that some tap needs.
    pub group: Group,
    /// Buffers of the anchor's inputs.
    pub inputs: Vec<usize>,
    /// For each node of the chain the buffer of its second operand.
    pub operands: Vec<Option<usize>>,
    /// Buffer of the last node's value.
    pub output: usize,
    /// Values inside the group that a tap reads: the node's position in the group (0 is the anchor) and its buffer.
    pub writes: Vec<(usize, usize)>,
    /// Taps that are complete after this step, with their buffers.
    pub taps: Vec<(usize, usize)>,
}

/// All steps and the memory plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Schedule {
    pub steps: Vec<Slotted>,
    pub memory: Memory,
}

/// Schedules what `wanted` needs. Several taps may name the same node.
///
/// `halves` says for each node whether two of its values take the room of one.
pub(crate) fn schedule(graph: &Graph, shapes: &[Shape], wanted: &[NodeId], halves: &[bool]) -> Schedule {
    let needed = taps::needed(graph, wanted);
    let groups: Vec<Group> = fuse::groups(graph)
        .into_iter()
        .filter(|group| needed[group.anchor] && !passed_over(graph, wanted, group.anchor))
        .map(|mut group| {
            group.chain.retain(|&node| needed[node]);
            group
        })
        .collect();
    let values = Values::of(graph, shapes, wanted, &groups, halves);
    let memory = memory::assign(&values.lifetimes);
    let slot = |node: NodeId| values.index[node].map(|value| memory.slot_of[value]);
    let steps = groups
        .into_iter()
        .map(|group| {
            let nodes: Vec<NodeId> = group.nodes().collect();
            let (last, inside) = nodes.split_last().map_or((group.anchor, &[][..]), |(&last, inside)| (last, inside));
            let ready = |&(_, &node): &(usize, &NodeId)| nodes.contains(&node);
            Slotted {
                inputs: graph.nodes[group.anchor].inputs.iter().filter_map(|&input| slot(input)).collect(),
                operands: operands(graph, &group).into_iter().map(|other| other.and_then(slot)).collect(),
                output: slot(last).unwrap_or_default(),
                writes: inside.iter().enumerate().filter_map(|(at, &node)| Some((at, slot(node)?))).collect(),
                taps: wanted
                    .iter()
                    .enumerate()
                    .filter(ready)
                    .filter_map(|(tap, &node)| Some((tap, slot(node)?)))
                    .collect(),
                group,
            }
        })
        .collect();
    Schedule { steps, memory }
}

/// The raw input is no value of its own when only the pixel normalisation reads it, straight from the batch.
fn passed_over(graph: &Graph, wanted: &[NodeId], id: NodeId) -> bool {
    let normalizes = |node: &Node| matches!(node.op, Op::Normalize { .. });
    let others = graph.nodes.iter().any(|node| node.inputs.contains(&id) && !normalizes(node));
    matches!(graph.nodes[id].op, Op::Input { .. }) && !others && !wanted.contains(&id)
}

/// For each node of a chain the node of its second operand.
fn operands(graph: &Graph, group: &Group) -> Vec<Option<NodeId>> {
    let nodes: Vec<NodeId> = group.nodes().collect();
    let second = |pair: &[NodeId]| graph.nodes[pair[1]].inputs.iter().copied().find(|&input| input != pair[0]);
    nodes.windows(2).map(|pair| if matches!(graph.nodes[pair[1]].op, Op::Add) { second(pair) } else { None }).collect()
}

/// Values that are kept in memory, in order of birth.
struct Values {
    /// Index into `lifetimes` of every node that has one.
    index: Vec<Option<usize>>,
    lifetimes: Vec<Lifetime>,
}

impl Values {
    fn of(graph: &Graph, shapes: &[Shape], wanted: &[NodeId], groups: &[Group], halves: &[bool]) -> Self {
        let mut values = Self { index: vec![None; graph.nodes.len()], lifetimes: Vec::new() };
        for (step, group) in groups.iter().enumerate() {
            let reads =
                graph.nodes[group.anchor].inputs.iter().copied().chain(operands(graph, group).into_iter().flatten());
            reads.for_each(|node| values.read(node, step));
            let last = group.nodes().next_back().unwrap_or(group.anchor);
            for node in group.nodes().filter(|node| *node == last || wanted.contains(node)) {
                let replaces = values.replaced(graph, group, node, halves);
                values.index[node] = Some(values.lifetimes.len());
                let length = if halves[node] { shapes[node].len().div_ceil(2) } else { shapes[node].len() };
                values.lifetimes.push(Lifetime { length, birth: step, death: step, replaces });
            }
        }
        values
    }

    fn read(&mut self, node: NodeId, step: usize) {
        if let Some(value) = self.index[node] {
            self.lifetimes[value].death = step;
        }
    }

    /// The value that an element-wise operator on its own may overwrite: one that is kept in the same way.
    fn replaced(&self, graph: &Graph, group: &Group, node: NodeId, halves: &[bool]) -> Option<usize> {
        let lone = group.chain.is_empty() && in_place(&graph.nodes[node].op);
        let input = graph.nodes[node].inputs.first().copied().filter(|&input| lone && halves[input] == halves[node]);
        input.and_then(|input| self.index[input])
    }
}

/// Operators that may write over their first input.
pub(crate) fn in_place(op: &Op) -> bool {
    matches!(
        op,
        Op::Activate { .. }
            | Op::BatchNorm { .. }
            | Op::Scale { .. }
            | Op::Shift { .. }
            | Op::Add
            | Op::Multiply
            | Op::Softmax
            | Op::Flatten
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;

    fn graph() -> Graph {
        let node = |name: &str, op: Op, inputs: &[NodeId]| Node { name: name.into(), op, inputs: inputs.to_vec() };
        let linear = || Op::Linear { weight: "w".into(), bias: None, channels: 4 };
        let relu = || Op::Activate { function: Activation::Relu };
        let nodes = vec![
            node("input", Op::Input { channels: 4 }, &[]),
            node("normalize", Op::Normalize { mean: vec![0.0; 4], std: vec![1.0; 4] }, &[0]),
            node("first", linear(), &[1]),
            node("first.act", relu(), &[2]),
            node("second", linear(), &[3]),
            node("sum", Op::Add, &[3, 4]),
            node("sum.act", relu(), &[5]),
            node("third", linear(), &[6]),
        ];
        Graph { nodes, parameters: [("w".to_owned(), vec![4, 4])].into(), ..Graph::default() }
    }

    fn anchors(wanted: &[NodeId]) -> Vec<NodeId> {
        let graph = graph();
        let shapes = graph.shapes([2, 2]).unwrap();
        schedule(&graph, &shapes, wanted, &vec![false; graph.nodes.len()])
            .steps
            .iter()
            .map(|step| step.group.anchor)
            .collect()
    }

    #[test]
    fn nothing_after_the_last_tap_runs() {
        assert_eq!(anchors(&[7]), [1, 2, 4, 7]);
        assert_eq!(anchors(&[5]), [1, 2, 4]);
        assert_eq!(anchors(&[2]), [1, 2]);
        assert_eq!(anchors(&[0]), [0]);
    }

    #[test]
    fn a_tap_inside_a_group_is_written_apart() {
        let graph = graph();
        let shapes = graph.shapes([2, 2]).unwrap();
        let plan = schedule(&graph, &shapes, &[6, 4], &vec![false; graph.nodes.len()]);
        let step = &plan.steps[2];
        assert_eq!((step.group.anchor, &step.group.chain[..]), (4, &[5, 6][..]));
        assert_eq!(step.operands, [Some(plan.steps[1].output), None]);
        assert_eq!(step.writes.len(), 1);
        assert_eq!(step.taps, [(0, step.output), (1, step.writes[0].1)]);
        assert_ne!(step.output, step.writes[0].1);
    }
}
