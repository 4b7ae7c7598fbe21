use heirloom_zoo::{Initialization, Recipe};

use super::*;

/// A network whose two logits are `+x` and `-x` of channel 3 of its features, and some images.
pub(in super::super) fn network_and_probe(images: u32) -> (Backbone, Probe) {
    let mut recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
    recipe.class_names = ["dark", "light"].map(String::from).to_vec();
    let mut network = Backbone::from_scratch(&recipe, &Initialization::usual(3)).unwrap();
    let key = &network.classifier_parameters()[0];
    let weight = network.weights.tensors.get_mut(key).unwrap();
    let columns = weight.values.len() / 2;
    weight.values.fill(0.0);
    (weight.values[3], weight.values[columns + 3]) = (-0.5, 0.5);
    let pixels = (0..images * 32 * 32 * 3).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8 / 2).collect();
    let batch = Batch { rows: (0..images as usize).collect(), labels: vec![1; images as usize], pixels };
    (network, Probe { batch, classes: 2 })
}

#[test]
fn the_channel_that_the_head_reads_has_the_most_attention() {
    let (network, probe) = network_and_probe(6);
    let taps = [network.features.clone()];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| probe.attention(&network, &taps, &|_, _| (), None)).unwrap()
    };
    let found = run(2);
    assert_eq!(found, run(1));
    let attention = &found[0];
    let mean = attention.iter().sum::<f64>() / attention.len() as f64;
    assert!((mean - 1.0).abs() < 1e-9, "{mean}");
    let others = attention.iter().enumerate().filter(|(channel, _)| *channel != 3).map(|(_, value)| *value);
    let (low, high) = others.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    assert!(attention[3] > high && low == high, "channel 3: {}, others {low} to {high}", attention[3]);
}

#[test]
fn a_mask_of_ones_changes_nothing() {
    let (network, probe) = network_and_probe(6);
    let tap = network.taps.iter().find(|tap| tap.contains("layer2")).unwrap();
    let channels =
        network.graph.tap_shapes(network.preprocess.input_size, std::slice::from_ref(tap)).unwrap()[0].channels();
    let whole = probe.loss(&network, &masked(&network.graph, tap, channels).unwrap(), channels, None).unwrap();
    let taps = vec!["logits".to_owned()];
    let options =
        PlanOptions { input_size: network.preprocess.input_size, taps, isa: Isa::detect(), precision: Precision::F32 };
    let plan = Plan::compile(&network.graph, &network.weights, &options).unwrap();
    let mut workspace = Workspace::default();
    plan.run(Pixels::Bytes(&probe.batch.pixels), 6, &mut workspace).unwrap();
    let targets = Targets::Labels(&probe.batch.labels);
    let plain = CrossEntropy::default().loss(workspace.tap(0).unwrap(), 2, targets).unwrap().mean;
    assert!((whole - plain).abs() < 1e-6, "{whole} {plain}");
    assert!(masked(&network.graph, "layer9", 1).is_err());
}

#[test]
fn the_work_can_be_stopped() {
    let (network, probe) = network_and_probe(6);
    let stopped =
        probe.attention(&network, std::slice::from_ref(&network.features), &|_, _| (), Some(&AtomicBool::new(true)));
    assert!(matches!(stopped, Err(FitError::Interrupted { .. })));
}
