//! Optimisers against `torch.optim`, and what must hold for any of them.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use heirloom_engine::Tensor;

fn reference() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/optimizers.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn settings(case: &str) -> OptimizerSettings {
    match case {
        "sgd" => OptimizerSettings::sgd(0.0),
        "sgd_decay" => OptimizerSettings::sgd(0.0).with_weight_decay(0.1),
        "momentum" => OptimizerSettings::sgd(0.9).with_weight_decay(0.01),
        "nesterov" => OptimizerSettings::nesterov(0.9).with_weight_decay(0.01),
        "adam" => OptimizerSettings::adam(),
        "adam_decay" => OptimizerSettings {
            rule: Rule::Adam { beta1: 0.8, beta2: 0.99, epsilon: 1e-8 },
            ..OptimizerSettings::adam().with_weight_decay(0.1)
        },
        "adamw" => OptimizerSettings::adamw(0.1),
        other => panic!("no settings for the case '{other}'"),
    }
}

fn start(reference: &Value) -> Weights {
    let mut weights = Weights::default();
    for (name, shape) in [("fc.weight", vec![3, 4]), ("fc.bias", vec![3])] {
        let values = numbers(&reference["start"][name]).iter().map(|&value| value as f32).collect();
        weights.tensors.insert(name.into(), Tensor { shape, values });
    }
    weights
}

/// Loss and gradients of the quadratic that the reference descends.
fn quadratic(reference: &Value, weights: &Weights) -> (f64, Gradients) {
    let (mut loss, mut gradients) = (0.0, Gradients::new());
    for (name, tensor) in &weights.tensors {
        let curvature = numbers(&reference["curvature"][name]);
        let target = numbers(&reference["target"][name]);
        let distance = |index: usize| f64::from(tensor.values[index]) - target[index];
        let indexes = 0..tensor.values.len();
        loss += indexes.clone().map(|index| curvature[index] * distance(index).powi(2) / 2.0).sum::<f64>();
        gradients.insert(name.clone(), indexes.map(|index| (curvature[index] * distance(index)) as f32).collect());
    }
    (loss, gradients)
}

#[test]
fn twenty_steps_are_those_of_pytorch() {
    let reference = reference();
    let rate = reference["rate"].as_f64().unwrap();
    for (case, expected) in reference["cases"].as_object().unwrap() {
        let mut weights = start(&reference);
        let mut optimizer = Optimizer::new(settings(case), ParameterGroups::default()).unwrap();
        for expected in numbers(&expected["losses"]) {
            let (loss, gradients) = quadratic(&reference, &weights);
            assert!((loss - expected).abs() <= 1e-5 * expected.abs(), "{case}: loss {loss}, expected {expected}");
            optimizer.step(&mut weights, &gradients, rate).unwrap();
        }
        for (name, tensor) in &weights.tensors {
            let expected = numbers(&expected["end"][name]);
            let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            for (&value, expected) in tensor.values.iter().zip(expected) {
                let difference = (f64::from(value) - expected).abs();
                assert!(difference <= 1e-6 * largest, "{case}, {name}: {value}, expected {expected}");
            }
        }
    }
}

/// Reference value: `spec/head2toe.md` T9, PyTorch form.
#[test]
fn three_steps_of_adam_on_one_weight() {
    let mut weights = one("w", vec![1.0]);
    let mut optimizer = Optimizer::new(OptimizerSettings::adam(), ParameterGroups::default()).unwrap();
    for (gradient, expected) in [(0.1, 0.990_000_001_0), (-0.2, 0.993_661_036_0), (0.05, 0.995_027_942_6_f64)] {
        let gradients = Gradients::from([("w".into(), vec![gradient])]);
        optimizer.step(&mut weights, &gradients, 0.01).unwrap();
        let found = f64::from(weights.tensors["w"].values[0]);
        assert!((found - expected).abs() < 2e-7, "{found}, expected {expected}");
    }
}

fn one(name: &str, values: Vec<f32>) -> Weights {
    let tensor = Tensor { shape: vec![values.len()], values };
    Weights { tensors: [(name.to_string(), tensor)].into() }
}

fn all() -> Vec<OptimizerSettings> {
    ["sgd", "sgd_decay", "momentum", "nesterov", "adam", "adam_decay", "adamw"].map(settings).to_vec()
}

#[test]
fn a_tensor_without_a_gradient_is_left_alone() {
    for settings in all() {
        let mut weights = one("frozen.weight", vec![1.0, 2.0]);
        weights.tensors.extend(one("head.weight", vec![3.0]).tensors);
        let mut optimizer = Optimizer::new(settings.with_weight_decay(0.5), ParameterGroups::default()).unwrap();
        let gradients = Gradients::from([("head.weight".into(), vec![1.0])]);
        optimizer.step(&mut weights, &gradients, 0.1).unwrap();
        assert_eq!(weights.tensors["frozen.weight"].values, [1.0, 2.0]);
        assert_ne!(weights.tensors["head.weight"].values, [3.0]);
        assert!(optimizer.state().tensors.keys().all(|name| !name.contains("frozen")));
    }
}

#[test]
fn a_late_tensor_starts_its_own_count_of_steps() {
    let mut weights = one("early", vec![1.0]);
    weights.tensors.extend(one("late", vec![1.0]).tensors);
    let mut optimizer = Optimizer::new(OptimizerSettings::adam(), ParameterGroups::default()).unwrap();
    for _ in 0..5 {
        optimizer.step(&mut weights, &Gradients::from([("early".into(), vec![0.3])]), 0.1).unwrap();
    }
    let gradients = Gradients::from([("early".into(), vec![0.3]), ("late".into(), vec![0.3])]);
    optimizer.step(&mut weights, &gradients, 0.1).unwrap();
    // The first step of Adam has the length of the rate, whatever the gradient.
    assert!((weights.tensors["late"].values[0] - 0.9).abs() < 1e-6);
    assert_eq!(optimizer.state().steps, [("early".to_string(), 6), ("late".to_string(), 1)].into());
}

#[test]
fn decoupled_decay_shrinks_weights_by_the_rate_alone() {
    for settings in all() {
        let settings = OptimizerSettings { decay: WeightDecay::Decoupled, ..settings.with_weight_decay(0.1) };
        let mut weights = one("w", vec![2.0]);
        let mut optimizer = Optimizer::new(settings, ParameterGroups::default()).unwrap();
        optimizer.step(&mut weights, &Gradients::from([("w".into(), vec![0.0])]), 0.5).unwrap();
        assert_eq!(weights.tensors["w"].values, [1.9]);
    }
}

#[test]
fn group_factors_scale_rate_and_decay() {
    let mut weights = one("backbone.weight", vec![1.0]);
    weights.tensors.extend(one("head.weight", vec![1.0]).tensors);
    let group = ParameterGroup { learning_rate_factor: 0.1, weight_decay_factor: 0.0 };
    let groups = ParameterGroups::from_patterns(&weights, &[("backbone.*", group)]).unwrap();
    let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.0).with_weight_decay(1.0), groups).unwrap();
    let gradients = weights.tensors.keys().map(|name| (name.clone(), vec![1.0])).collect();
    optimizer.step(&mut weights, &gradients, 0.25).unwrap();
    assert_eq!(weights.tensors["backbone.weight"].values, [0.975]);
    assert_eq!(weights.tensors["head.weight"].values, [0.5]);
}

#[test]
fn bits_do_not_depend_on_threads_and_resume_is_exact() {
    let values: Vec<f32> = (0..3 * CHUNK + 7).map(|index| ((index * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let step = |optimizer: &mut Optimizer, weights: &mut Weights| {
        let mut gradients: Gradients =
            weights.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.values.clone())).collect();
        clip_by_global_norm(&mut gradients, 1.0);
        optimizer.step(weights, &gradients, 0.01).unwrap();
    };
    for settings in all() {
        let run = |threads: usize, restart: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut weights = one("a", values.clone());
                weights.tensors.extend(one("b", values[..100].to_vec()).tensors);
                let mut optimizer = Optimizer::new(settings, ParameterGroups::default()).unwrap();
                for _ in 0..3 {
                    step(&mut optimizer, &mut weights);
                }
                if restart {
                    let state = optimizer.state();
                    optimizer = Optimizer::new(settings, ParameterGroups::default()).unwrap();
                    optimizer.restore(state, &weights).unwrap();
                }
                step(&mut optimizer, &mut weights);
                (weights, optimizer)
            })
        };
        let expected = run(1, false);
        assert_eq!(run(3, false), expected);
        assert_eq!(run(2, true), expected);
    }
}

#[test]
fn state_of_another_rule_or_network_is_refused() {
    let mut weights = one("w", vec![1.0, 2.0]);
    let make = |settings| Optimizer::new(settings, ParameterGroups::default()).unwrap();
    let mut adam = make(OptimizerSettings::adam());
    adam.step(&mut weights, &Gradients::from([("w".into(), vec![1.0, 1.0])]), 0.1).unwrap();
    let refusal = |settings, weights: &Weights| make(settings).restore(adam.state(), weights).unwrap_err().to_string();
    assert!(refusal(OptimizerSettings::sgd(0.9), &weights).contains("'momentum/w' is missing"));
    assert!(refusal(OptimizerSettings::sgd(0.0), &weights).contains("'first_moment/w' belongs to nothing"));
    assert!(refusal(OptimizerSettings::adam(), &one("v", vec![1.0])).contains("there is no weight 'w'"));
    assert!(refusal(OptimizerSettings::adam(), &one("w", vec![1.0])).contains("shape [2], the weight has [1]"));
}

#[test]
fn a_weight_that_changed_its_shape_is_refused() {
    let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default()).unwrap();
    optimizer.step(&mut one("w", vec![1.0]), &Gradients::from([("w".into(), vec![1.0])]), 0.1).unwrap();
    let mut wider = one("w", vec![1.0, 2.0]);
    let error = optimizer.step(&mut wider, &Gradients::from([("w".into(), vec![1.0, 1.0])]), 0.1).unwrap_err();
    assert_eq!(error, OptimizerError::State { reason: "'w' had shape [1], the weight has [2]".into() });
    assert_eq!(wider, one("w", vec![1.0, 2.0]));
}

#[test]
fn bad_settings_and_gradients_are_refused() {
    let make = |settings| Optimizer::new(settings, ParameterGroups::default());
    for bad in [
        OptimizerSettings::sgd(1.0),
        OptimizerSettings::sgd(-0.1),
        OptimizerSettings::nesterov(0.0),
        OptimizerSettings::adamw(-1.0),
        OptimizerSettings::adam().with_weight_decay(f64::NAN),
        OptimizerSettings { rule: Rule::Adam { beta1: 0.9, beta2: 1.0, epsilon: 1e-8 }, ..OptimizerSettings::adam() },
        OptimizerSettings { rule: Rule::Adam { beta1: 0.9, beta2: 0.9, epsilon: 0.0 }, ..OptimizerSettings::adam() },
    ] {
        assert!(matches!(make(bad), Err(OptimizerError::Setting { .. })), "{bad:?}");
    }
    let mut weights = one("w", vec![1.0]);
    let mut optimizer = make(OptimizerSettings::sgd(0.9)).unwrap();
    let mut refused = |name: &str, values: usize, rate: f64| {
        let gradients = Gradients::from([(name.to_string(), vec![1.0; values])]);
        let error = optimizer.step(&mut weights, &gradients, rate).unwrap_err();
        assert_eq!((&weights, optimizer.state()), (&one("w", vec![1.0]), OptimizerState::default()));
        error
    };
    assert_eq!(refused("v", 1, 0.1), OptimizerError::UnknownGradient { name: "v".into() });
    assert_eq!(refused("w", 2, 0.1), OptimizerError::GradientLength { name: "w".into(), found: 2, expected: 1 });
    assert!(matches!(refused("w", 1, f64::NAN), OptimizerError::Setting { setting: "learning rate", .. }));
    let group = ParameterGroup { learning_rate_factor: -1.0, weight_decay_factor: 1.0 };
    let groups = ParameterGroups::from_fn(&weights, |_, _| group);
    assert!(matches!(Optimizer::new(OptimizerSettings::adam(), groups), Err(OptimizerError::Factor { .. })));
}

#[test]
fn biases_norms_and_tokens_have_no_decay() {
    let mut weights = Weights::default();
    let shapes: [(&str, &[usize], f64); 8] = [
        ("conv.weight", &[8, 3, 3, 3], 1.0),
        ("conv.bias", &[8], 0.0),
        ("norm.weight", &[8], 0.0),
        ("scale", &[], 0.0),
        ("relative.table", &[1, 8, 1, 1], 0.0),
        ("pos_embed", &[1, 5, 8], 0.0),
        ("cls_token", &[1, 1, 8], 0.0),
        ("fc.weight", &[10, 8], 1.0),
    ];
    for (name, shape, _) in shapes {
        let values = vec![0.0; shape.iter().product()];
        weights.tensors.insert(name.into(), Tensor { shape: shape.to_vec(), values });
    }
    let groups = groups::no_decay(&weights);
    for (name, _, expected) in shapes {
        assert_eq!(
            groups.of(name),
            ParameterGroup { learning_rate_factor: 1.0, weight_decay_factor: expected },
            "{name}"
        );
    }
}

/// Reference values: `spec/regularisers-and-adaptation.md` TV16.
#[test]
fn layer_wise_decay_falls_from_the_head() {
    let mut layers: Vec<Vec<String>> = vec![vec!["cls_token".into(), "pos_embed".into(), "patch_embed".into()]];
    layers.extend((0..12).map(|block| vec![format!("blocks.{block}")]));
    layers.push(vec!["norm".into(), "head".into()]);
    let mut weights = Weights::default();
    for name in
        ["cls_token", "patch_embed.proj.weight", "blocks.1.mlp.fc1.weight", "blocks.11.norm1.bias", "head.weight"]
    {
        weights.tensors.extend(one(name, vec![0.0]).tensors);
    }
    let groups = groups::layer_wise_decay(&weights, &layers, 0.75).unwrap();
    for (name, expected) in [
        ("head.weight", 1e-3),
        ("blocks.11.norm1.bias", 7.5e-4),
        ("blocks.1.mlp.fc1.weight", 1e-3 * 0.75_f64.powi(11)),
        ("cls_token", 2.375_726_4e-5),
        ("patch_embed.proj.weight", 2.375_726_4e-5),
    ] {
        let rate = 1e-3 * groups.of(name).learning_rate_factor;
        assert!((rate - expected).abs() < 1e-12, "{name}: {rate}, expected {expected}");
    }
    weights.tensors.extend(one("blocks.12.weight", vec![0.0]).tensors);
    let refused = groups::layer_wise_decay(&weights, &layers, 0.75).unwrap_err();
    assert_eq!(refused, OptimizerError::NoLayer { name: "blocks.12.weight".into(), layers: 14 });
    assert!(groups::layer_wise_decay(&weights, &layers, f64::NAN).is_err());
}

#[test]
fn patterns_match_whole_names() {
    for (pattern, name, expected) in [
        ("fc.*", "fc.weight", true),
        ("fc.*", "myfc.weight", false),
        ("*.bias", "layer1.0.bias", true),
        ("*.bias", "bias.weight", false),
        ("layer*.0.*", "layer3.0.conv1.weight", true),
        ("fc", "fc.weight", false),
        ("*", "", true),
        ("*é*", "caféé", true),
    ] {
        assert_eq!(groups::matches(pattern, name), expected, "{pattern} {name}");
    }
    let refused = groups::head_factor(&one("w", vec![1.0]), &["head.*"], 10.0).unwrap_err();
    assert_eq!(refused, OptimizerError::NoMatch { pattern: "head.*".into(), parameters: 1 });
}

#[test]
fn clipping_by_value_keeps_what_is_no_number() {
    let mut gradients = Gradients::from([("w".into(), vec![-3.0, 0.5, f32::INFINITY, f32::NAN])]);
    clip_by_value(&mut gradients, 1.0);
    assert_eq!(gradients["w"][..3], [-1.0, 0.5, 1.0]);
    assert!(gradients["w"][3].is_nan());
    let before = Gradients::from([("w".into(), vec![1.0, f32::INFINITY])]);
    let mut gradients = before.clone();
    assert_eq!(clip_by_global_norm(&mut gradients, 1.0), f64::INFINITY);
    assert_eq!(gradients, before);
}

proptest! {
    #[test]
    fn clipping_by_norm_keeps_the_direction(
        a in prop::collection::vec(-1e3_f32..1e3, 1..40),
        b in prop::collection::vec(-1e3_f32..1e3, 1..40),
        maximum in 1e-3_f64..1e3,
    ) {
        let before = Gradients::from([("a".into(), a.clone()), ("b".into(), b.clone())]);
        let mut after = before.clone();
        let norm = clip_by_global_norm(&mut after, maximum);
        let expected = a.iter().chain(&b).map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        prop_assert!((norm - expected).abs() <= 1e-12 * expected);
        prop_assert!(global_norm(&after) <= maximum * (1.0 + 1e-6));
        let scale = (maximum / (norm + 1e-6)).min(1.0);
        for (after, before) in after.values().flatten().zip(before.values().flatten()) {
            prop_assert!((f64::from(*after) - scale * f64::from(*before)).abs() <= 1e-6 * f64::from(before.abs()));
        }
    }
}
