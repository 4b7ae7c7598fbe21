//! What is done to a network before it is fine-tuned: another classifier, unfolded batch norms.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;
#[path = "common/formula.rs"]
#[allow(dead_code)]
mod formula;

use std::collections::{BTreeMap, BTreeSet};

use common::{relative_error, run, weights_folder};
use heirloom_engine::{Op, Shape};
use heirloom_zoo::{
    Backbone, ChannelStatistics, HeadStart, Initialization, Layout, NewHead, Norm, Recipe, architectures,
    folded_convolutions, initialize, open_path, replace_head, unfold_batch_norms, weights_digest,
};

/// A network with formula weights.
fn formula_backbone(name: &str, layout: Layout, norm: Norm, classes: usize, side: usize) -> Backbone {
    let mut recipe = Recipe::usual("test", name).unwrap();
    recipe.norm = Some(norm);
    recipe.classes = Some(classes);
    recipe.preprocess.input_size = [side; 2];
    let network = architectures::build(&recipe, layout).unwrap();
    // The formula knows no Gluon keys.
    let weights = match layout {
        Layout::Gluon => initialize(name, &network.graph, &Initialization::usual(0)).unwrap(),
        _ => formula::weights(&network.graph, &[]),
    };
    Backbone {
        name: recipe.name,
        architecture: name.to_owned(),
        weights_digest: weights_digest(&weights),
        logits: network.classifier.map(|_| "logits".to_owned()),
        graph: network.graph,
        weights,
        preprocess: recipe.preprocess,
        licence: None,
        source: None,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        features: "pre_logits".into(),
        taps: network.taps,
        notes: Vec::new(),
    }
}

fn values(backbone: &Backbone, taps: &[&str]) -> Vec<Vec<f32>> {
    let size = backbone.preprocess.input_size;
    run(&backbone.graph, &backbone.weights, size, &formula::image(size[0]), 1, taps)
}

fn consistent(backbone: &Backbone) {
    let held: BTreeMap<&String, &Vec<usize>> =
        backbone.weights.tensors.iter().map(|(key, tensor)| (key, &tensor.shape)).collect();
    assert!(held.into_iter().eq(backbone.graph.parameters.iter()), "{}", backbone.architecture);
    let shapes = backbone.graph.shapes(backbone.preprocess.input_size).unwrap();
    let [output] = backbone.graph.outputs[..] else { panic!("{:?}", backbone.graph.outputs) };
    assert_eq!(Some(output), backbone.graph.find("logits").or(backbone.graph.find("pre_logits")));
    assert!(matches!(shapes[output], Shape::Vector { .. }));
    let names: BTreeSet<&String> = backbone.graph.nodes.iter().map(|node| &node.name).collect();
    assert_eq!(names.len(), backbone.graph.nodes.len());
    assert!(backbone.taps.iter().all(|tap| backbone.graph.find(tap).is_some()));
    assert_eq!(backbone.weights_digest, weights_digest(&backbone.weights));
}

/// Small members of every family, and what their new classifier is called.
const FAMILIES: &[(&str, Layout, &str)] = &[
    ("cifar_resnet20", Layout::Torchvision, "linear"),
    ("wide_resnet16_2", Layout::Torchvision, "fc"),
    ("cifar_fixup_resnet20", Layout::Torchvision, "fc"),
    ("resnet18", Layout::Torchvision, "fc"),
    ("mobilenetv1_0.25", Layout::Slim, "MobilenetV1/Logits/Conv2d_1c_1x1"),
    ("mobilenetv2_100", Layout::Timm, "classifier"),
    ("mobilenetv2_100", Layout::Torchvision, "classifier.1"),
    ("mobilenetv2_gluon", Layout::Gluon, "head"),
    ("mobilenetv3_small_100", Layout::Torchvision, "classifier.3"),
    ("efficientnet_b0", Layout::Timm, "classifier"),
    ("squeezenet1_1", Layout::Torchvision, "head"),
    ("convnext_tiny", Layout::Timm, "head.fc"),
    ("vit_tiny_patch16_224", Layout::Timm, "head"),
    ("deit_tiny_patch16_224", Layout::Timm, "head"),
];

#[test]
fn every_family_takes_a_new_classifier() {
    for &(name, layout, head) in FAMILIES {
        let old = formula_backbone(name, layout, Norm::Separate, if layout == Layout::Gluon { 0 } else { 5 }, 32);
        let new = replace_head(&old, &NewHead { classes: 3, start: HeadStart::Normal(0.1), seed: 4 }).unwrap();
        consistent(&new);
        assert!(new.classes.is_empty() && new.logits.as_deref() == Some("logits"), "{name}");
        let keys = new.classifier_parameters();
        assert!(keys[0].starts_with(head), "{name}: {keys:?}");
        assert_eq!(new.weights.tensors[&keys[0]].shape[0], 3, "{name}");
        let [before, after, logits] =
            [values(&old, &["pre_logits"]), values(&new, &["pre_logits"]), values(&new, &["logits"])]
                .map(|v| v[0].clone());
        assert!(before == after && before.iter().any(|&value| value != 0.0), "{name}: the features stay");
        // The logits are the linear map of the features that the weights say.
        let weight = &new.weights.tensors[&keys[0]].values;
        let expected: Vec<f32> = weight
            .chunks(after.len())
            .map(|row| row.iter().zip(&after).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>() as f32)
            .collect();
        assert!(relative_error(&logits, &expected) < 1e-4, "{name}");
        let kept = new.weights.tensors.iter().filter(|(key, _)| !keys.contains(key));
        for (key, tensor) in kept {
            assert_eq!(*tensor, old.weights.tensors[key], "{name} {key}");
        }
    }
}

#[test]
fn a_classifier_begins_as_asked() {
    let old = formula_backbone("resnet18", Layout::Torchvision, Norm::Separate, 5, 32);
    let start = |start, seed| replace_head(&old, &NewHead { classes: 40, start, seed }).unwrap().weights;
    let zero = start(HeadStart::Zero, 0);
    assert!(zero.tensors["fc.weight"].values.iter().chain(&zero.tensors["fc.bias"].values).all(|&value| value == 0.0));
    let uniform = start(HeadStart::Uniform, 0);
    let most = uniform.tensors["fc.weight"].values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!((0.99..=1.0).contains(&(f64::from(most) * 512.0_f64.sqrt())), "{most}");
    assert_eq!(uniform, start(HeadStart::Uniform, 0));
    assert_ne!(uniform, start(HeadStart::Uniform, 1));
    for (head, expected) in [
        (NewHead { classes: 0, start: HeadStart::Zero, seed: 0 }, "at least one class"),
        (NewHead { classes: 2, start: HeadStart::Normal(f64::NAN), seed: 0 }, "standard deviation is NaN"),
    ] {
        let error = replace_head(&old, &head).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A network that ends at a map gets a mean over space; the nodes of a classifier that ends in more than a linear map are gone.
#[test]
fn maps_are_pooled_and_old_tails_are_removed() {
    let mut old = formula_backbone("cifar_resnet20", Layout::Torchvision, Norm::Separate, 0, 32);
    old.features = "layer2".into();
    let keep = old.graph.find("layer2").unwrap();
    old.graph.nodes.truncate(keep + 1);
    old.graph.modules.retain(|_, node| *node <= keep);
    old.graph.outputs = vec![keep];
    let new = replace_head(&old, &NewHead { classes: 4, start: HeadStart::Uniform, seed: 0 }).unwrap();
    assert_eq!(values(&new, &["logits"])[0].len(), 4);
    assert!(new.graph.find("head.pool").is_some());
    let squeeze = formula_backbone("squeezenet1_1", Layout::Torchvision, Norm::Separate, 5, 64);
    let new = replace_head(&squeeze, &NewHead { classes: 4, start: HeadStart::Zero, seed: 0 }).unwrap();
    assert!(new.graph.nodes.iter().all(|node| !node.name.starts_with("classifier")));
    assert!(!new.weights.tensors.contains_key("classifier.1.weight"));
}

#[test]
fn networks_begin_from_a_recipe() {
    let mut recipe = Recipe::usual("mine", "resnet18").unwrap().at_input_size([64, 64]);
    recipe.class_names = ["a", "b"].map(String::from).to_vec();
    let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(1)).unwrap();
    consistent(&backbone);
    assert_eq!(values(&backbone, &["logits"])[0].len(), 2);
    let error = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        Backbone::from_scratch(&recipe, &Initialization::usual(1)).unwrap_err().to_string()
    };
    assert!(error(&|r| r.classes = Some(3)).contains("2 class names were given for 3 classes"));
    assert!(error(&|r| r.architecture = "mobilenetv2_gluon".into()).contains("cannot be trained from scratch"));
    assert!(error(&|r| r.architecture = "resnet19".into()).contains("unknown architecture"));
    let patches = error(&|r| {
        r.architecture = "vit_tiny_patch16_224".into();
        r.preprocess.input_size = [40, 40];
    });
    assert!(patches.contains("does not divide into patches of 16"), "{patches}");
}

/// Every architecture at the sizes of small images.
#[test]
fn every_architecture_takes_small_inputs_and_any_number_of_classes() {
    for known in architectures::all() {
        for side in [32, 64, 96] {
            let mut recipe = Recipe::usual("test", known.name).unwrap();
            recipe.preprocess.input_size = [side; 2];
            recipe.classes = Some(if known.from_scratch { 7 } else { 0 });
            let graph = architectures::build(&recipe, known.layouts[0]).unwrap().graph;
            let shapes = graph.shapes([side; 2]).unwrap_or_else(|error| panic!("{} at {side}: {error}", known.name));
            if known.from_scratch {
                assert_eq!(shapes[graph.find("logits").unwrap()], Shape::Vector { channels: 7 }, "{}", known.name);
            }
        }
    }
}

/// The structure alone finds what the published architectures say, except where a network never had norms.
#[test]
fn folded_convolutions_are_the_ones_with_a_norm_in_the_published_network() {
    for known in architectures::all().filter(|known| !known.name.starts_with("squeezenet")) {
        for &layout in known.layouts {
            let folded = formula_free(known.name, layout, Norm::Folded);
            let separate = formula_free(known.name, layout, Norm::Separate);
            let expected: Vec<String> = folded
                .nodes
                .iter()
                .filter(|node| {
                    let biased = |op: &Op| matches!(op, Op::Convolution { bias: Some(_), .. });
                    biased(&node.op) && !biased(&separate.nodes[separate.find(&node.name).unwrap()].op)
                })
                .map(|node| node.name.clone())
                .collect();
            assert_eq!(folded_convolutions(&folded), expected, "{} {layout:?}", known.name);
            assert!(folded_convolutions(&separate).is_empty(), "{} {layout:?}", known.name);
        }
    }
    let squeeze = formula_backbone("squeezenet1_1", Layout::Torchvision, Norm::Folded, 5, 64);
    assert!(squeeze.folded_convolutions().is_empty());
}

fn formula_free(name: &str, layout: Layout, norm: Norm) -> heirloom_engine::Graph {
    let mut recipe = Recipe::usual("test", name).unwrap();
    recipe.norm = Some(norm);
    recipe.classes = Some(if layout == Layout::Gluon { 0 } else { 5 });
    architectures::build(&recipe, layout).unwrap().graph
}

/// Mean and variance of every folded convolution over the positions of one image.
fn measured(backbone: &Backbone) -> BTreeMap<String, ChannelStatistics> {
    let names = backbone.folded_convolutions();
    let taps: Vec<&str> = names.iter().map(String::as_str).collect();
    let statistics = taps.iter().zip(values(backbone, &taps)).map(|(name, values)| {
        let id = backbone.graph.find(name).unwrap();
        let Op::Convolution { channels, .. } = backbone.graph.nodes[id].op else { panic!("{name}") };
        let moments = |channel: usize| {
            let all = values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value));
            let count = (values.len() / channels) as f64;
            let mean = all.clone().sum::<f64>() / count;
            (mean, all.map(|value| (value - mean).powi(2)).sum::<f64>() / count)
        };
        let (mean, variance) = (0..channels).map(moments).map(|(m, v)| (m as f32, v as f32)).unzip();
        ((*name).to_owned(), ChannelStatistics { mean, variance })
    });
    statistics.collect()
}

#[test]
fn unfolding_changes_no_value_and_gives_the_published_names() {
    for (name, layout, side) in [
        ("cifar_resnet20", Layout::Torchvision, 32),
        ("wide_resnet16_2", Layout::Torchvision, 32),
        ("mobilenetv1_0.25", Layout::Slim, 64),
        ("mobilenetv2_100", Layout::Timm, 64),
        ("mobilenetv3_small_100", Layout::Torchvision, 64),
    ] {
        let folded = formula_backbone(name, layout, Norm::Folded, 5, side);
        let statistics = measured(&folded);
        assert!(statistics.len() >= 6, "{name}");
        let unfolded = folded.unfold_batch_norms(&statistics).unwrap();
        consistent(&unfolded);
        assert!(unfolded.folded_convolutions().is_empty());
        let mut expected = formula_free(name, layout, Norm::Separate);
        expected.parameters.retain(|_, shape| !shape.is_empty());
        assert_eq!(unfolded.graph, expected, "{name}");
        let error = relative_error(&values(&unfolded, &["logits"])[0], &values(&folded, &["logits"])[0]);
        println!("{name}: {error:.2e}");
        assert!(error < 1e-4, "{name}: {error:.2e}");
    }
}

/// What the running statistics say is what the norm sees.
#[test]
fn an_unfolded_norm_holds_the_statistics_of_its_input() {
    let folded = formula_backbone("cifar_resnet20", Layout::Torchvision, Norm::Folded, 5, 32);
    let unfolded = folded.unfold_batch_norms(&measured(&folded)).unwrap();
    let seen = &values(&unfolded, &["layer2.0.conv1"])[0];
    let channels = 32;
    for channel in 0..channels {
        let all: Vec<f64> = seen.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let running = f64::from(unfolded.weights.tensors["layer2.0.bn1.running_mean"].values[channel]);
        assert!((mean - running).abs() < 1e-4, "channel {channel}: {mean} and {running}");
    }
    let (graph, _) = unfold_batch_norms(&folded.graph, &folded.weights, &measured(&folded)).unwrap();
    assert!(graph.parameters.contains_key("layer2.0.conv1.norm.running_var"));
}

#[test]
fn statistics_that_do_not_fit_are_refused() {
    let folded = formula_backbone("cifar_resnet20", Layout::Torchvision, Norm::Folded, 5, 32);
    let refused = |name: &str, mean: Vec<f32>, variance: Vec<f32>| {
        let statistics = [(name.to_owned(), ChannelStatistics { mean, variance })].into();
        folded.unfold_batch_norms(&statistics).unwrap_err().to_string()
    };
    assert!(refused("conv1", vec![0.0; 15], vec![1.0; 16]).contains("have [16, 15, 16] values, expected 16 each"));
    assert!(refused("conv1", vec![0.0; 16], vec![-1.0; 16]).contains("channel 0 has mean 0 and variance -1"));
    assert!(refused("act1", vec![0.0; 16], vec![1.0; 16]).contains("no convolution with a bias"));
    assert!(refused("conv2", vec![0.0; 16], vec![1.0; 16]).contains("did you mean 'conv1'?"));
}

#[test]
fn real_folded_networks_are_unfolded_without_a_change() {
    let Some(folder) = weights_folder() else { return };
    for (name, count) in [("mobilenetv2_1.0", 52), ("mobilenetv1_0.25_128", 27), ("resnet18_to_layer3", 15)] {
        let folded = open_path(&folder.join(format!("{name}.safetensors"))).unwrap();
        let statistics = measured(&folded);
        assert_eq!(statistics.len(), count, "{name}");
        assert_eq!(folded_convolutions(&folded.graph), folded.folded_convolutions(), "{name}");
        let unfolded = folded.unfold_batch_norms(&statistics).unwrap();
        let tap = folded.logits.as_deref().unwrap_or("pre_logits");
        let error = relative_error(&values(&unfolded, &[tap])[0], &values(&folded, &[tap])[0]);
        println!("{name}: {error:.2e}");
        assert!(error < 1e-4, "{name}: {error:.2e}");
        let new = replace_head(&unfolded, &NewHead { classes: 10, start: HeadStart::Zero, seed: 0 }).unwrap();
        consistent(&new);
    }
}
