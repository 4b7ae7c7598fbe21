//! Groups of parameters by depth, for learning rates that fall from the classifier to the stem.
//!
//! A group is a block where the network has blocks (a residual block, a transformer block, a fire module), and elsewhere a layer
//! with weights together with the norms and shifts on it. Norms and shifts behind the last block belong to the layer that reads
//! them, a class token and position embeddings to the layer that they are added to.

use std::collections::BTreeMap;

use heirloom_engine::{Graph, Node, NodeId, Op};

use crate::parameters;
use crate::select::prefixes;

/// Parameters at the same depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterGroup {
    /// Name of the block or layer.
    pub name: String,
    /// Keys of its parameters, running statistics included.
    pub parameters: Vec<String>,
}

/// The parameters of `graph` in groups, from the input to the output: the position in the list is the depth. Every parameter that
/// the outputs depend on is in exactly one group.
///
/// ```
/// use heirloom_zoo::{Layout, Recipe, architectures, parameter_groups};
///
/// let graph = architectures::build(&Recipe::usual("mine", "vit_tiny_patch16_224")?, Layout::Timm)?.graph;
/// let groups = parameter_groups(&graph);
/// // The embedding, twelve blocks, the last norm with the head.
/// assert_eq!(groups.len(), 14);
/// assert_eq!(groups[13].parameters, ["norm.weight", "norm.bias", "head.weight", "head.bias"]);
/// # Ok::<(), heirloom_zoo::ZooError>(())
/// ```
#[must_use]
pub fn parameter_groups(graph: &Graph) -> Vec<ParameterGroup> {
    let live = live(graph);
    let blocks = blocks(graph, &live);
    let mut names: Vec<Option<&str>> = graph.nodes.iter().map(|node| block_of(&blocks, node)).collect();
    own_layers(graph, &mut names);
    let mut groups: Vec<ParameterGroup> = Vec::new();
    for (node, name) in graph.nodes.iter().zip(&names).zip(&live).filter(|(_, live)| **live).map(|(pair, _)| pair) {
        let (Some(name), keys) = (name, parameters::of(&node.op)) else { continue };
        if keys.is_empty() {
            continue;
        }
        let position = groups.iter().position(|group| group.name == *name).unwrap_or_else(|| {
            groups.push(ParameterGroup { name: (*name).to_owned(), parameters: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[position].parameters;
        for (key, _) in keys {
            if !group.iter().any(|known| known == key) {
                group.push(key.to_owned());
            }
        }
    }
    groups
}

/// Which nodes the outputs depend on.
fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    for &output in &graph.outputs {
        live[output] = true;
    }
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if live[id] {
            node.inputs.iter().for_each(|&input| live[input] = true);
        }
    }
    live
}

/// Modules that everything flows through and that end in no smaller such module: `layer1.0` is one, `layer1`, which ends where
/// `layer1.1` ends, is not, nor is a squeeze-and-excite inside of a block.
fn blocks<'a>(graph: &'a Graph, live: &[bool]) -> Vec<&'a str> {
    let bottlenecks = bottlenecks(graph, live);
    let all: BTreeMap<&str, NodeId> = graph
        .modules
        .iter()
        .filter(|(_, node)| bottlenecks[**node])
        .map(|(name, node)| (name.as_str(), *node))
        .collect();
    let ends_in_a_smaller_one = |module: &str, node: NodeId| {
        all.iter()
            .any(|(other, end)| *end == node && other.len() > module.len() && prefixes(other).any(|p| p == module))
    };
    let candidates: Vec<&str> =
        all.iter().filter(|(name, node)| !ends_in_a_smaller_one(name, **node)).map(|(name, _)| *name).collect();
    let outermost = |name: &&&str| !prefixes(name).skip(1).any(|outer| candidates.contains(&outer));
    candidates.iter().filter(outermost).copied().collect()
}

/// Nodes that every path from the input to the outputs goes through: no edge between live nodes jumps over them.
fn bottlenecks(graph: &Graph, live: &[bool]) -> Vec<bool> {
    let mut found = live.to_vec();
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| live[*id]) {
        for &input in &node.inputs {
            found[input + 1..id].fill(false);
        }
    }
    found
}

fn block_of<'a>(blocks: &[&'a str], node: &Node) -> Option<&'a str> {
    prefixes(&node.name).find_map(|prefix| blocks.iter().find(|block| **block == prefix).copied())
}

/// Names the nodes outside of blocks after their layer: a layer with weights is its own; what follows one belongs to it; what
/// follows a block belongs to the next layer.
fn own_layers<'a>(graph: &'a Graph, names: &mut [Option<&'a str>]) {
    let outside: Vec<bool> = names.iter().map(Option::is_none).collect();
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| outside[*id]) {
        names[id] = if parameters::is_weight_layer(&node.op) {
            Some(node.name.as_str())
        } else {
            let joins = |input: NodeId| outside[input] || matches!(node.op, Op::Tokens { .. });
            node.inputs.first().filter(|input| joins(**input)).and_then(|&input| names[input])
        };
    }
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        let reader = names[id];
        for &input in node.inputs.iter().filter(|input| outside[**input]) {
            names[input] = names[input].or(reader);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Layout, Recipe, architectures};

    fn graph(name: &str, layout: Layout) -> Graph {
        let mut recipe = Recipe::usual("test", name).unwrap();
        recipe.classes = Some(if layout == Layout::Gluon { 0 } else { 10 });
        architectures::build(&recipe, layout).unwrap().graph
    }

    fn names(name: &str, layout: Layout) -> Vec<String> {
        parameter_groups(&graph(name, layout)).into_iter().map(|group| group.name).collect()
    }

    #[test]
    fn every_parameter_is_in_one_group() {
        for known in architectures::all() {
            for &layout in known.layouts {
                let graph = graph(known.name, layout);
                let groups = parameter_groups(&graph);
                let all: Vec<&String> = groups.iter().flat_map(|group| &group.parameters).collect();
                let distinct: BTreeSet<&String> = all.iter().copied().collect();
                assert_eq!(all.len(), distinct.len(), "{} {layout:?}", known.name);
                assert!(distinct.iter().copied().eq(graph.parameters.keys()), "{} {layout:?}", known.name);
            }
        }
    }

    #[test]
    fn groups_are_the_blocks_in_depth_order() {
        let stages = |blocks: &[usize]| -> Vec<String> {
            let blocks = blocks.iter().enumerate();
            blocks.flat_map(|(stage, &count)| (0..count).map(move |b| format!("layer{}.{b}", stage + 1))).collect()
        };
        let around = |first: &str, middle: Vec<String>, last: &[&str]| -> Vec<String> {
            let ends = last.iter().map(|&name| name.to_owned());
            std::iter::once(first.to_owned()).chain(middle).chain(ends).collect()
        };
        let t = Layout::Torchvision;
        assert_eq!(names("resnet50", t), around("conv1", stages(&[3, 4, 6, 3]), &["fc"]));
        assert_eq!(names("cifar_resnet20", t), around("conv1", stages(&[3, 3, 3]), &["linear"]));
        assert_eq!(names("fixup_resnet18", t), around("conv1", stages(&[2, 2, 2, 2]), &["fc"]));
        let features = |count: std::ops::Range<usize>| count.map(|n| format!("features.{n}")).collect::<Vec<_>>();
        assert_eq!(
            names("mobilenetv2_100", t),
            around("features.0.0", features(1..18), &["features.18.0", "classifier.1"])
        );
        let groups = names("efficientnet_b0", t);
        assert_eq!(groups.len(), 1 + 16 + 2, "{groups:?}");
        assert_eq!(groups[2], "features.2.0");
        assert_eq!(names("mobilenetv3_small_100", Layout::Timm).len(), 1 + 11 + 3);
        assert_eq!(names("mobilenetv1_0.25", Layout::Slim).len(), 1 + 26 + 1);
        assert_eq!(names("squeezenet1_1", t).len(), 1 + 8 + 1);
        // Stem, 18 blocks, three layers between stages, head.
        assert_eq!(names("convnext_tiny", Layout::Timm).len(), 1 + 18 + 3 + 1);
        assert_eq!(names("wide_resnet16_2", t).len(), 1 + 6 + 1);
    }

    #[test]
    fn norms_belong_to_the_layer_that_they_act_on() {
        let groups = parameter_groups(&graph("resnet18", Layout::Torchvision));
        assert!(groups[0].parameters.contains(&"bn1.running_var".to_owned()));
        assert!(groups[3].parameters.contains(&"layer2.0.downsample.1.bias".to_owned()));
        let groups = parameter_groups(&graph("wide_resnet16_2", Layout::Torchvision));
        assert_eq!(groups[7].name, "fc");
        assert!(groups[7].parameters.contains(&"bn1.weight".to_owned()));
        let groups = parameter_groups(&graph("fixup_resnet18", Layout::Torchvision));
        assert_eq!(groups[0].parameters, ["conv1.weight", "bias1"]);
        assert_eq!(groups[9].parameters, ["bias2", "fc.weight", "fc.bias"]);
        let groups = parameter_groups(&graph("vit_tiny_patch16_224", Layout::Timm));
        assert_eq!(
            groups[0].parameters,
            ["patch_embed.proj.weight", "patch_embed.proj.bias", "cls_token", "pos_embed"]
        );
    }
}
