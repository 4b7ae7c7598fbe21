//! Worse training sets of made-up features.

use heirloom_engine::Shape;
use heirloom_training::random::generator;
use heirloom_transfer::{Block, Pooling};
use proptest::prelude::*;

use super::*;

const CLASSES: usize = 4;

/// Rows around one corner for each class; `spread` 1 and more says little.
fn features(labels: &[usize], spread: f64, seed: u64) -> Features {
    let mut random = generator(seed, "features", &[]);
    let values = labels.iter().flat_map(|label| {
        let corner = |column: usize| if column == *label { 1.0 } else { 0.0 };
        (0..8).map(|column| (corner(column) + spread * random.normal()) as f32).collect::<Vec<f32>>()
    });
    let values: Vec<f32> = values.collect();
    let shape = Shape::Vector { channels: 8 };
    let block = Block { tap: "pre_logits".into(), shape, pooling: Pooling::MEAN, width: 8, values };
    Features { rows: labels.len(), blocks: vec![block] }
}

fn found(train: usize, seed: u64) -> Result<TrainingSetRecord, AuditError> {
    let labels: Vec<usize> = (0..train + 80).map(|row| row % CLASSES).collect();
    let (own, random) = (features(&labels, 0.35, 1), features(&labels, 1.5, 2));
    let (train, test): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| *row < train);
    let input = TrainingSetInput {
        own: &own,
        random: Some(&random),
        labels: &labels,
        train: &train,
        test: &test,
        classes: CLASSES,
    };
    training_set(&input, seed, AuditWatch::default())
}

#[test]
fn worse_training_sets_make_more_errors() {
    let record = found(160, 0).unwrap();
    let curve = |correction| record.noise.curves.iter().find(|curve| curve.correction == correction).unwrap();
    let none = curve(Correction::None);
    assert_eq!((none.errors.len(), record.noise.wrong[0], record.error), (11, 0.0, none.errors[0]));
    assert!((record.noise.wrong[10] - 0.75).abs() < 0.15);
    // Labels that say nothing leave three wrong of four.
    assert!(none.errors[0].value < 0.1 && none.errors[10].value > 0.5, "{none:?}");
    assert!(curve(Correction::GoldTenth).area.value < none.area.value);
    assert!(curve(Correction::RandomWeights).area.value > none.area.value);
    let beyond = curve(Correction::GoldTenth).beyond_none.unwrap();
    assert!((beyond.value - (curve(Correction::GoldTenth).area.value - none.area.value)).abs() < 1e-12);
    for curve in &record.noise.curves {
        // Property 2: the area lies between the least and the largest error.
        let errors = || curve.errors.iter().map(|error| error.value);
        let (least, most) = (errors().fold(1.0, f64::min), errors().fold(0.0, f64::max));
        assert!((least..=most).contains(&curve.area.value), "{curve:?}");
    }
    let imbalance = record.imbalance.unwrap();
    assert_eq!(imbalance.points.len(), 7);
    for point in &imbalance.points {
        assert_eq!(point.errors.len(), Balancing::ALL.len());
        assert_eq!(point.sizes[0], 40);
    }
    assert!(imbalance.points.windows(2).all(|pair| pair[0].sizes.iter().sum::<usize>() <= pair[1].sizes.iter().sum()));
    let points = &record.size.points;
    assert_eq!(
        points.iter().map(|point| point.each).collect::<Vec<_>>(),
        [1, 2, 5, 10, 20].map(Some).iter().copied().chain([None]).collect::<Vec<_>>()
    );
    assert!(points[0].own.value > points[5].own.value && points[5].worth.unwrap().low > 0.0);
}

#[test]
fn a_seed_fixes_everything_for_any_number_of_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (one, other) = (found(80, 3).unwrap(), pool.install(|| found(80, 3)).unwrap());
    assert_eq!(one, other);
    assert_ne!(one, found(80, 4).unwrap());
}

#[test]
fn without_random_weights_there_is_no_control() {
    let labels: Vec<usize> = (0..100).map(|row| row % CLASSES).collect();
    let (own, rows) = (features(&labels, 0.35, 1), (0..100).collect::<Vec<usize>>());
    let (train, test) = rows.split_at(60);
    let input = TrainingSetInput { own: &own, random: None, labels: &labels, train, test, classes: CLASSES };
    let record = training_set(&input, 0, AuditWatch::default()).unwrap();
    assert_eq!(record.noise.curves.len(), Correction::ALL.len() - 1);
    assert!(record.imbalance.unwrap().points.iter().all(|point| point.errors.len() == Balancing::ALL.len() - 1));
    assert!(record.size.points.iter().all(|point| point.random.is_none() && point.worth.is_none()));
}

#[test]
fn too_few_rows_are_refused() {
    let refused = found(36, 0).unwrap_err().to_string();
    assert!(refused.contains("9 training images"), "{refused}");
}

#[test]
fn corrections_read_what_is_said() {
    let said = [0.9, 0.1, 0.6, 0.4, 0.2, 0.8, 0.1, 0.9];
    let means = noise::means(&said, &[0, 0, 1, 1], 3 - 1);
    let near = |found: &Option<Vec<f64>>, expected: [f64; 2]| {
        found.as_ref().unwrap().iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6)
    };
    assert!(near(&means[0], [0.75, 0.25]) && near(&means[1], [0.15, 0.85]));
    assert_eq!(noise::means(&said, &[0, 0, 0, 0], 2)[1], None);
    // The surest row of four lies beyond the percentile, and so does the place that the percentile falls to.
    let surest = noise::surest(&said, 2);
    assert!(near(&surest[0], [0.2, 0.8]) && near(&surest[1], [0.6, 0.4]), "{surest:?}");
}

proptest! {
    /// Property 2: between the least and the largest error, and a constant is itself.
    #[test]
    fn the_area_lies_between(errors in proptest::collection::vec(0.0..1.0_f64, 11), constant in 0.0..1.0_f64) {
        let strengths: Vec<f64> = (0..=10).map(|step| f64::from(step) / 10.0).collect();
        let area = area_under(&strengths, &errors);
        let (least, most) = (errors.iter().copied().fold(1.0, f64::min), errors.iter().copied().fold(0.0, f64::max));
        prop_assert!(area >= least - 1e-12 && area <= most + 1e-12);
        prop_assert!((area_under(&strengths, &[constant; 11]) - constant).abs() < 1e-12);
    }
}
