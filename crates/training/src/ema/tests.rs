//! The average against its closed form.

use super::*;

fn weights(values: &[f32]) -> Weights {
    Weights { tensors: [("w".to_string(), Tensor { shape: vec![values.len()], values: values.to_vec() })].into() }
}

#[test]
fn the_average_of_a_constant_follows_its_closed_form() {
    let settings = AverageSettings { decay: 0.9, warm_up: false };
    let mut average = Average::new(settings, &weights(&[0.0, 1.0])).unwrap();
    for step in 1..=50 {
        average.update(&weights(&[1.0, 1.0])).unwrap();
        let expected = 1.0 - 0.9_f64.powi(step);
        let found = &average.weights().tensors["w"].values;
        assert!((f64::from(found[0]) - expected).abs() < 1e-6, "step {step}: {found:?}");
        assert_eq!(found[1], 1.0);
    }
    assert_eq!(average.steps(), 50);
}

#[test]
fn warm_up_keeps_little_at_first() {
    let settings = AverageSettings { decay: 0.99, warm_up: true };
    assert_eq!([settings.kept(0), settings.kept(8)], [0.1, 0.5]);
    assert_eq!(settings.kept(10_000), 0.99);
}

#[test]
fn bits_do_not_depend_on_threads_and_resume_is_exact() {
    let settings = AverageSettings { decay: 0.9, warm_up: true };
    let start: Vec<f32> = (0..2 * CHUNK + 3).map(|index| (index % 97) as f32 / 31.0).collect();
    let next: Vec<f32> = start.iter().map(|value| value * 0.7 - 1.0).collect();
    let run = |threads: usize, restart: bool| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut average = Average::new(settings, &weights(&start)).unwrap();
            for _ in 0..3 {
                average.update(&weights(&next)).unwrap();
                if restart {
                    average = Average::restore(settings, average.steps(), average.weights().clone()).unwrap();
                }
            }
            average
        })
    };
    assert_eq!(run(1, false), run(3, true));
}

#[test]
fn other_weights_and_decays_are_refused() {
    let settings = AverageSettings { decay: 0.9, warm_up: false };
    let mut average = Average::new(settings, &weights(&[0.0])).unwrap();
    let other = Weights { tensors: [("v".to_string(), Tensor { shape: vec![1], values: vec![0.0] })].into() };
    assert_eq!(average.update(&other), Err(AverageError::Weights { name: "v".into() }));
    assert_eq!(average.update(&weights(&[0.0, 0.0])), Err(AverageError::Weights { name: "w".into() }));
    assert_eq!(average.update(&Weights::default()), Err(AverageError::Weights { name: "w".into() }));
    assert_eq!(average.steps(), 0);
    for decay in [1.0, -0.1, f64::NAN] {
        let settings = AverageSettings { decay, warm_up: false };
        assert!(matches!(Average::new(settings, &weights(&[0.0])), Err(AverageError::Decay { .. })));
    }
}
