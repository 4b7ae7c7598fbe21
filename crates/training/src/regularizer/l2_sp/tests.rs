//! L2-SP against its closed forms.

use proptest::prelude::*;

use super::*;
use crate::optimizer::ParameterGroup;

fn weights(tensors: &[(&str, &[f32])]) -> Weights {
    let tensor = |values: &[f32]| Tensor { shape: vec![values.len()], values: values.to_vec() };
    Weights { tensors: tensors.iter().map(|(name, values)| ((*name).to_string(), tensor(values))).collect() }
}

fn zeros(weights: &Weights) -> Gradients {
    weights.tensors.iter().map(|(name, tensor)| (name.clone(), vec![0.0; tensor.values.len()])).collect()
}

fn close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (&value, expected) in found.iter().zip(expected) {
        assert!((f64::from(value) - expected).abs() < 1e-7, "{found:?}, expected {expected:?}");
    }
}

fn penalty(start: &Weights, settings: L2SpSettings) -> L2Sp {
    L2Sp::new(settings, start, &["w".into()], &["v".into()]).unwrap()
}

/// Reference values: `spec/regularisers-and-adaptation.md` TV1.
#[test]
fn the_closed_forms_of_the_specification() {
    let penalty = penalty(&weights(&[("w", &[0.8, -1.5, 0.5]), ("v", &[9.0, 9.0])]), L2SpSettings::default());
    let mut now = weights(&[("w", &[1.0, -2.0, 0.5]), ("v", &[0.3, -0.1])]);
    assert!((penalty.penalty(&now).unwrap() - 0.015).abs() < 1e-8);
    let mut gradients = zeros(&now);
    penalty.add_gradient(&now, &mut gradients).unwrap();
    close(&gradients["w"], &[0.02, -0.05, 0.0]);
    close(&gradients["v"], &[0.003, -0.001]);
    penalty.proximal_step(&mut now, &gradients, 0.5, &ParameterGroups::default()).unwrap();
    close(&now.tensors["w"].values, &[0.990_476_190_476, -1.976_190_476_190, 0.5]);
    close(&now.tensors["v"].values, &[0.3 / 1.005, -0.1 / 1.005]);
}

#[test]
fn the_start_costs_nothing_and_statistics_are_left_alone() {
    let start = weights(&[("w", &[0.8, -1.5]), ("v", &[0.0]), ("bn.running_mean", &[3.0])]);
    let penalty = penalty(&start, L2SpSettings::default());
    assert_eq!(penalty.penalty(&start).unwrap(), 0.0);
    let mut gradients = zeros(&start);
    let mut moved = start.clone();
    moved.tensors.get_mut("bn.running_mean").unwrap().values[0] = 7.0;
    penalty.add_gradient(&moved, &mut gradients).unwrap();
    assert_eq!(gradients, zeros(&start));
    assert_eq!(penalty.penalty(&moved).unwrap(), 0.0);
}

#[test]
fn a_frozen_parameter_is_left_alone() {
    let start = weights(&[("w", &[1.0]), ("v", &[1.0])]);
    let penalty = penalty(&start, L2SpSettings::default());
    let mut now = weights(&[("w", &[2.0]), ("v", &[1.0])]);
    let mut gradients = Gradients::from([("v".to_string(), vec![0.0])]);
    penalty.add_gradient(&now, &mut gradients).unwrap();
    assert_eq!(gradients.keys().collect::<Vec<_>>(), ["v"]);
    penalty.proximal_step(&mut now, &gradients, 1.0, &ParameterGroups::default()).unwrap();
    assert_eq!(now.tensors["w"].values, [2.0]);
}

#[test]
fn endless_strength_freezes_the_backbone() {
    let start = weights(&[("w", &[0.1, 0.2]), ("v", &[0.0])]);
    let penalty = penalty(&start, L2SpSettings { backbone: 1e30, head: 0.0 });
    let mut now = weights(&[("w", &[5.0, -3.0]), ("v", &[0.5])]);
    let gradients = zeros(&now);
    penalty.proximal_step(&mut now, &gradients, 0.1, &ParameterGroups::default()).unwrap();
    assert_eq!(now, weights(&[("w", &[0.1, 0.2]), ("v", &[0.5])]));
}

#[test]
fn the_rate_of_a_group_counts() {
    let start = weights(&[("w", &[0.0]), ("v", &[0.0])]);
    let penalty = penalty(&start, L2SpSettings { backbone: 1.0, head: 1.0 });
    let mut now = weights(&[("w", &[1.0]), ("v", &[1.0])]);
    let group = ParameterGroup { learning_rate_factor: 0.0, weight_decay_factor: 1.0 };
    let groups = ParameterGroups::from_patterns(&now, &[("w", group)]).unwrap();
    let gradients = zeros(&now);
    penalty.proximal_step(&mut now, &gradients, 1.0, &groups).unwrap();
    assert_eq!(now, weights(&[("w", &[1.0]), ("v", &[0.5])]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let start = weights(&[("w", &[1.0]), ("v", &[1.0])]);
    let new = |settings, backbone: &str| L2Sp::new(settings, &start, &[backbone.to_string()], &[]).unwrap_err();
    assert_eq!(new(L2SpSettings::default(), "u"), RegularizerError::MissingWeight { name: "u".into() });
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let settings = L2SpSettings { backbone: bad, ..L2SpSettings::default() };
        assert!(matches!(new(settings, "w"), RegularizerError::Setting { .. }));
    }
    let penalty = penalty(&start, L2SpSettings::default());
    let other = weights(&[("w", &[1.0, 2.0]), ("v", &[1.0])]);
    assert!(matches!(penalty.penalty(&other), Err(RegularizerError::Length { found: 2, expected: 1, .. })));
    let mut gradients = Gradients::from([("v".to_string(), vec![0.0; 3])]);
    assert!(matches!(penalty.add_gradient(&start, &mut gradients), Err(RegularizerError::Length { .. })));
}

proptest! {
    #[test]
    fn any_thread_count_gives_the_same_bits(length in CHUNK - 2..3 * CHUNK, threads in 2_usize..5) {
        let values = |factor: f32| (0..length).map(|index| (index % 89) as f32 * factor).collect::<Vec<_>>();
        let start = weights(&[("w", &values(0.1)), ("v", &values(0.3))]);
        let penalty = penalty(&start, L2SpSettings::default());
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut now = weights(&[("w", &values(0.7)), ("v", &values(-0.2))]);
                let mut gradients = zeros(&now);
                let value = penalty.penalty(&now).unwrap();
                penalty.add_gradient(&now, &mut gradients).unwrap();
                penalty.proximal_step(&mut now, &gradients, 0.1, &ParameterGroups::default()).unwrap();
                (value, gradients, now)
            })
        };
        prop_assert_eq!(run(1), run(threads));
    }
}
