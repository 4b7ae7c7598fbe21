//! Parameters by name: what a pattern means, and what lies at or behind a layer. For freezing, and for learning rates by group.

use std::collections::BTreeSet;

use heirloom_engine::{Graph, Node};

use crate::error::ZooError;
use crate::parameters;
use crate::suggest::nearest;

/// Keys of the parameters, running statistics included, that any of `patterns` matches. A pattern names a layer or a module with
/// all that is in it (`layer1`, `features.0`), or a parameter by its key (`layer1.0.conv1.weight`); `*` stands for any characters,
/// dots included, and `?` for one.
///
/// ```
/// use heirloom_zoo::{Layout, Recipe, architectures, parameters_matching};
///
/// let graph = architectures::build(&Recipe::usual("mine", "resnet18")?, Layout::Torchvision)?.graph;
/// let first = parameters_matching(&graph, &["conv1", "layer1.0.bn?"])?;
/// assert!(first.contains("conv1.weight") && first.contains("layer1.0.bn2.running_mean"));
/// assert_eq!(first.len(), 9);
/// let error = parameters_matching(&graph, &["layer5"]).unwrap_err().to_string();
/// assert_eq!(error, "no layer or parameter is called 'layer5'; did you mean 'layer1'?");
/// # Ok::<(), heirloom_zoo::ZooError>(())
/// ```
///
/// # Errors
/// A pattern that matches nothing, with the nearest name; a layer without parameters.
pub fn parameters_matching<P: AsRef<str>>(graph: &Graph, patterns: &[P]) -> Result<BTreeSet<String>, ZooError> {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        found.extend(matching(graph, pattern.as_ref())?);
    }
    Ok(found)
}

fn matching(graph: &Graph, pattern: &str) -> Result<BTreeSet<String>, ZooError> {
    let aliases: Vec<usize> =
        graph.modules.iter().filter(|(module, _)| glob(pattern, module)).map(|(_, node)| *node).collect();
    let mut found = BTreeSet::new();
    let mut exists = !aliases.is_empty();
    for (id, node) in graph.nodes.iter().enumerate() {
        let whole = aliases.contains(&id) || prefixes(&node.name).any(|prefix| glob(pattern, prefix));
        exists |= whole;
        let keys = parameters::of(&node.op).into_iter().map(|(key, _)| key);
        found.extend(keys.filter(|key| whole || glob(pattern, key)).map(str::to_owned));
    }
    match (found.is_empty(), exists) {
        (false, _) => Ok(found),
        (true, true) => Err(without_parameters(pattern)),
        (true, false) => Err(unknown(graph, pattern)),
    }
}

/// Keys of the parameters of `layer`, a node or module, and of everything that reads its output, directly or not. For a module
/// these are its own parameters from its first layer on.
///
/// # Errors
/// An unknown layer, with the nearest name; one behind which there are no parameters.
pub fn parameters_from(graph: &Graph, layer: &str) -> Result<BTreeSet<String>, ZooError> {
    let target = graph.find(layer);
    let own = |node: &Node| prefixes(&node.name).any(|prefix| prefix == layer);
    let mut reached: Vec<bool> =
        graph.nodes.iter().enumerate().map(|(id, node)| target == Some(id) || own(node)).collect();
    if !reached.contains(&true) {
        return Err(unknown(graph, layer));
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        reached[id] = reached[id] || node.inputs.iter().any(|&input| reached[input]);
    }
    let nodes = graph.nodes.iter().zip(reached).filter(|(_, reached)| *reached);
    let keys = nodes.flat_map(|(node, _)| parameters::of(&node.op)).map(|(key, _)| key.to_owned());
    let found: BTreeSet<String> = keys.collect();
    if found.is_empty() { Err(without_parameters(layer)) } else { Ok(found) }
}

fn without_parameters(layer: &str) -> ZooError {
    ZooError::Network { name: layer.to_owned(), reason: "this layer has no parameters".into() }
}

fn unknown(graph: &Graph, pattern: &str) -> ZooError {
    let nodes = graph.nodes.iter().flat_map(|node| prefixes(&node.name));
    let names =
        nodes.chain(graph.modules.keys().map(String::as_str)).chain(graph.parameters.keys().map(String::as_str));
    ZooError::UnknownLayer { pattern: pattern.to_owned(), suggestion: nearest(names, pattern) }
}

/// `a.b.c`, `a.b`, `a`.
pub(crate) fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(module, _)| module))
}

/// Whether `name` is what `pattern` describes: `*` any characters, `?` one, everything else itself.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what followed the last star does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, n) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Recipe, architectures};

    #[test]
    fn globs_match_as_in_a_shell() {
        let cases = [
            ("layer1", "layer1", true),
            ("layer1", "layer10", false),
            ("layer1.*", "layer1.0.conv1.weight", true),
            ("layer1.*", "layer10.conv1", false),
            ("*.bias", "layer1.0.bias", true),
            ("*.bias", "bias", false),
            ("bn?", "bn1", true),
            ("bn?", "bn", false),
            ("*a*b*c", "xaxbxbc", true),
            ("*a*b*c", "xaxbxcb", false),
            ("", "", true),
            ("*", "anything", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    fn graph(name: &str, layout: Layout) -> Graph {
        architectures::build(&Recipe::usual("test", name).unwrap(), layout).unwrap().graph
    }

    fn count(name: &str, layout: Layout, pattern: &str) -> usize {
        matching(&graph(name, layout), pattern).unwrap().len()
    }

    #[test]
    fn a_name_is_a_module_a_layer_or_a_parameter() {
        let mobile = |pattern| count("mobilenetv2_100", Layout::Torchvision, pattern);
        // A convolution and its norm; not features.10 to features.18.
        assert_eq!(mobile("features.0"), 5);
        assert_eq!(mobile("features.1"), 10);
        assert_eq!(mobile("features.1.conv.0.0.weight"), 1);
        assert_eq!(mobile("logits"), 2);
        assert_eq!(mobile("*.running_*"), 2 * 52);
        let transformer = |pattern| count("vit_tiny_patch16_224", Layout::Timm, pattern);
        assert_eq!(transformer("blocks.11"), 12);
        assert_eq!(transformer("blocks.*"), 144);
        assert_eq!(transformer("cls_token"), 1);
        assert_eq!(transformer("*"), graph("vit_tiny_patch16_224", Layout::Timm).parameters.len());
        let error = matching(&graph("resnet18", Layout::Torchvision), "maxpool").unwrap_err().to_string();
        assert!(error.contains("no parameters"), "{error}");
        let error = matching(&graph("resnet18", Layout::Torchvision), "layer1.0.conv1.weigth").unwrap_err().to_string();
        assert!(error.contains("did you mean 'layer1.0.conv1.weight'?"), "{error}");
    }

    #[test]
    fn from_a_layer_on_is_everything_that_depends_on_it() {
        let resnet = graph("resnet18", Layout::Torchvision);
        let found = parameters_from(&resnet, "layer4").unwrap();
        let expected: BTreeSet<String> = resnet
            .parameters
            .keys()
            .filter(|key| key.starts_with("layer4") || key.starts_with("fc"))
            .cloned()
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parameters_from(&resnet, "conv1").unwrap().len(), resnet.parameters.len());
        // The shortcut of this block stands beside its convolutions, not behind them.
        let found = parameters_from(&resnet, "layer4.0.conv2").unwrap();
        assert!(!found.contains("layer4.0.downsample.0.weight") && found.contains("layer4.1.conv1.weight"));
        assert_eq!(parameters_from(&resnet, "logits").unwrap(), ["fc.bias", "fc.weight"].map(str::to_owned).into());
        assert_eq!(parameters_from(&resnet, "maxpool").unwrap().len(), resnet.parameters.len() - 5);
        let error = parameters_from(&resnet, "layr4").unwrap_err().to_string();
        assert!(error.contains("did you mean 'layer4'?"), "{error}");
    }
}
