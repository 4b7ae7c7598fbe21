//! What holds for every graph of the zoo, and the taps that Head2Toe asks for.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use heirloom_engine::{Graph, Op, Shape};
use heirloom_zoo::architectures::Network;
use heirloom_zoo::{Layout, Norm, Recipe, architectures};

fn build(name: &str, layout: Layout, norm: Norm, side: usize) -> Network {
    let mut recipe = Recipe::usual("test", name).unwrap();
    recipe.norm = Some(norm);
    recipe.preprocess.input_size = [side; 2];
    recipe.classes = Some(if layout == Layout::Gluon { 0 } else { 1000 });
    architectures::build(&recipe, layout).unwrap()
}

fn usual_side(name: &str) -> usize {
    Recipe::usual("test", name).unwrap().preprocess.input_size[0]
}

/// Every architecture under each spelling.
fn all() -> Vec<(String, Network)> {
    let mut networks = Vec::new();
    for name in architectures::names() {
        for &layout in architectures::layouts(name).unwrap() {
            for norm in [Norm::Separate, Norm::Folded] {
                let network = build(name, layout, norm, usual_side(name));
                networks.push((format!("{name} {layout:?} {norm:?}"), network));
            }
        }
    }
    networks
}

fn parameters(op: &Op) -> Vec<&String> {
    match op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
            std::iter::once(weight).chain(bias).collect()
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, .. } => {
            vec![weight, bias, running_mean, running_variance]
        }
        Op::LayerNorm { weight, bias, .. } => vec![weight, bias],
        Op::Scale { weight } => vec![weight],
        Op::Shift { bias } => vec![bias],
        Op::Tokens { class_token, position } => class_token.iter().chain(position).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn names_are_unique_and_modules_are_no_nodes() {
    for (name, network) in all() {
        let nodes: BTreeSet<&str> = network.graph.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(nodes.len(), network.graph.nodes.len(), "{name}");
        for module in network.graph.modules.keys() {
            assert!(!nodes.contains(module.as_str()), "{name}: {module}");
        }
    }
}

#[test]
fn graphs_begin_with_input_and_normalisation_and_flow_forwards() {
    for (name, network) in all() {
        let nodes = &network.graph.nodes;
        assert!(matches!(nodes[0].op, Op::Input { channels: 3 }), "{name}");
        assert!(matches!(nodes[1].op, Op::Normalize { .. }), "{name}");
        for (id, node) in nodes.iter().enumerate() {
            assert!(node.inputs.iter().all(|&input| input < id), "{name}: {}", node.name);
            assert_eq!(node.inputs.is_empty(), id == 0, "{name}: {}", node.name);
        }
        assert_eq!(network.graph.outputs.len(), 1, "{name}");
    }
}

#[test]
fn declared_parameters_are_the_ones_used() {
    for (name, network) in all() {
        let used: BTreeSet<&String> = network.graph.nodes.iter().flat_map(|node| parameters(&node.op)).collect();
        let declared: BTreeSet<&String> = network.graph.parameters.keys().collect();
        assert_eq!(used, declared, "{name}");
    }
}

#[test]
fn shapes_fit_and_every_tap_is_found() {
    for (name, network) in all() {
        let side = usual_side(name.split(' ').next().unwrap());
        let shapes = network.graph.shapes([side; 2]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let features = network.graph.find("pre_logits").unwrap();
        assert!(matches!(shapes[features], Shape::Vector { .. }), "{name}: {}", shapes[features]);
        assert_eq!(network.graph.find("logits").is_some(), network.classifier.is_some(), "{name}");
        if let Some(logits) = network.graph.find("logits") {
            assert_eq!(shapes[logits], Shape::Vector { channels: 1000 }, "{name}");
        }
        let ids: Vec<usize> = network.taps.iter().map(|tap| network.graph.find(tap).unwrap()).collect();
        let distinct: BTreeSet<&String> = network.taps.iter().collect();
        assert_eq!(distinct.len(), network.taps.len(), "{name}");
        // SqueezeNet's penultimate vector hangs off the map that its classifier reads.
        assert!(ids.is_sorted(), "{name}: taps are not in depth order");
    }
}

/// Parameter counts, without running statistics, that timm and torchvision report.
#[test]
fn parameter_counts_are_the_published_ones() {
    let cases = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        // With 10 classes instead of 1000, WRN-28-10 has the 36.5 million of the paper's table 4.
        ("wide_resnet28_10", 36_479_194 + 990 * 641),
        ("wide_resnet16_2", 691_674 + 990 * 129),
        ("mobilenetv2_100", 3_504_872),
        ("mobilenetv3_large_100", 5_483_032),
        ("mobilenetv3_small_100", 2_542_856),
        ("efficientnet_b0", 5_288_548),
        ("squeezenet1_0", 1_248_424),
        ("squeezenet1_1", 1_235_496),
        ("convnext_tiny", 28_589_128),
        ("vit_tiny_patch16_224", 5_717_416),
        ("vit_small_patch16_224", 22_050_664),
        ("vit_base_patch16_224", 86_567_656),
    ];
    for (name, expected) in cases {
        for &layout in architectures::layouts(name).unwrap() {
            let graph = build(name, layout, Norm::Separate, 224).graph;
            let trained = graph.parameters.iter().filter(|(key, _)| !key.contains("running_"));
            let count: usize = trained.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!(count, expected, "{name} {layout:?}");
        }
    }
}

#[test]
fn resnet50_has_the_52_taps_in_depth_order() {
    let network = build("resnet50", Layout::Torchvision, Norm::Separate, 240);
    let mut expected = vec!["maxpool".to_owned()];
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        for block in 0..blocks {
            let module = format!("layer{}.{block}", stage + 1);
            expected.extend([format!("{module}.act1"), format!("{module}.act2"), module]);
        }
    }
    expected.extend(["pre_pooling", "pre_logits", "logits"].map(str::to_owned));
    assert_eq!(network.taps, expected);
    assert_eq!(network.taps.len(), 52);
}

#[test]
fn vit_base_has_the_53_taps_in_depth_order() {
    let network = build("vit_base_patch16_224", Layout::Timm, Norm::Separate, 224);
    let mut expected = vec!["patch_embed.tokens".to_owned(), "pos_embed".to_owned()];
    for block in 0..12 {
        expected.extend(["norm1", "attn", "mlp.act", "mlp"].map(|part| format!("blocks.{block}.{part}")));
    }
    expected.extend(["norm", "class_token", "pre_logits"].map(str::to_owned));
    assert_eq!(network.taps, expected);
    assert_eq!(network.taps.len(), 53);
}

/// Width of a tap after pooling to `target` features (Evci et al. 2022, arXiv 2201.03529; rules of the released code).
fn pooled_width(shape: Shape, target: usize) -> usize {
    match shape {
        Shape::Vector { channels } => channels,
        Shape::Map { width, channels, .. } if channels < target => {
            let window = width / (target / channels).isqrt();
            width.checked_div(window).map_or(channels, |side| side.pow(2) * channels)
        }
        Shape::Tokens { tokens, channels } if channels < target => {
            let window = (tokens as f64 / (target as f64 / channels as f64)) as usize;
            tokens.checked_div(window).map_or(channels, |windows| windows * channels)
        }
        shape => shape.channels(),
    }
}

fn total_width(graph: &Graph, taps: &[String], side: usize, target: usize) -> usize {
    let shapes = graph.shapes([side; 2]).unwrap();
    taps.iter().map(|tap| pooled_width(shapes[graph.find(tap).unwrap()], target)).sum()
}

#[test]
fn tapped_widths_add_up_to_the_totals_of_the_paper_s_code() {
    let totals: BTreeMap<usize, [usize; 2]> = BTreeMap::from([
        (1, [27816, 68352]),
        (64, [27816, 68352]),
        (256, [29160, 68352]),
        (512, [32232, 68352]),
        (1024, [49128, 68352]),
        (2048, [80808, 98304]),
        (4096, [197_352, 188_160]),
        (8192, [405_224, 374_784]),
        (16384, [1_524_840, 814_848]),
        (32768, [2_834_152, 1_837_824]),
    ]);
    let resnet = build("resnet50", Layout::Torchvision, Norm::Separate, 240);
    let vit = build("vit_base_patch16_224", Layout::Timm, Norm::Separate, 224);
    for (target, [of_resnet, of_vit]) in totals {
        assert_eq!(total_width(&resnet.graph, &resnet.taps, 240, target), of_resnet, "ResNet-50, {target}");
        assert_eq!(total_width(&vit.graph, &vit.taps, 224, target), of_vit, "ViT-B/16, {target}");
    }
}

#[test]
fn options_that_do_not_fit_are_errors() {
    let error = |change: &dyn Fn(&mut Recipe), name: &str, layout| {
        let mut recipe = Recipe::usual("test", name).unwrap();
        change(&mut recipe);
        architectures::build(&recipe, layout).unwrap_err().to_string()
    };
    let stage = error(&|r| r.options.last_stage = Some(5), "resnet18", Layout::Torchvision);
    assert!(stage.contains("last_stage is 5, must be 1 to 4"), "{stage}");
    let strides = error(&|r| r.options.strides = Some(vec![1, 2]), "mobilenetv2_100", Layout::Timm);
    assert!(strides.contains("must be 17 values"), "{strides}");
    let width = error(&|r| r.options.width = Some(f64::NAN), "mobilenetv1", Layout::Slim);
    assert!(width.contains("options.width is NaN"), "{width}");
    let patches = error(&|r| r.preprocess.input_size = [225, 224], "vit_tiny_patch16_224", Layout::Timm);
    assert!(patches.contains("225x224"), "{patches}");
    let layout = error(&|_| {}, "resnet18", Layout::Slim);
    assert!(layout.contains("resnet18 has no Slim key names"), "{layout}");
    let name = Recipe::usual("test", "resnet19").unwrap_err().to_string();
    assert!(name.contains("'resnet19'") && name.contains("resnet18"), "{name}");
}
