//! The toy set of `spec/model-selection.md` section 5, and properties of all scores.

use super::*;

/// Probabilities of four source classes for the eight rows.
pub(super) const SOURCE: [[f64; 4]; 8] = [
    [0.7, 0.1, 0.1, 0.1],
    [0.6, 0.2, 0.1, 0.1],
    [0.5, 0.3, 0.1, 0.1],
    [0.1, 0.7, 0.1, 0.1],
    [0.2, 0.5, 0.2, 0.1],
    [0.1, 0.6, 0.1, 0.2],
    [0.1, 0.1, 0.3, 0.5],
    [0.2, 0.1, 0.5, 0.2],
];

pub(super) struct Toy {
    pub features: Mat<f64>,
    pub labels: Vec<usize>,
    pub source: Source,
}

impl Toy {
    pub fn sample(&self) -> Sample<'_> {
        Sample { features: &self.features, labels: &self.labels, classes: 3, source: Ok(&self.source), seed: 0 }
    }
}

pub(super) fn sample() -> Toy {
    let features = [
        [1.0, 0.0, 0.5],
        [0.8, 0.2, 0.1],
        [1.2, -0.1, 0.3],
        [0.0, 1.0, 0.2],
        [0.1, 1.3, -0.2],
        [-0.2, 0.9, 0.4],
        [0.5, 0.4, 1.5],
        [0.3, 0.6, 1.1],
    ];
    Toy {
        features: Mat::from_fn(8, 3, |row, column| features[row][column]),
        labels: vec![0, 0, 0, 1, 1, 1, 2, 2],
        source: Source::new(SOURCE.iter().flatten().map(|share| *share as f32).collect(), 4).unwrap(),
    }
}

#[test]
fn without_a_source_its_scores_say_so() {
    let toy = sample();
    let without = all(&Sample { source: Err(&RankingError::NoSource), ..toy.sample() }, &[Score::Leep]);
    assert!(without[0].value.is_none() && without[0].reason.is_some());
}

/// Properties 1, 4 and 7: the order of rows and the names of classes do not matter, ranges hold, labels in disorder score lower.
#[test]
fn scores_do_not_depend_on_order_or_names_and_fall_with_labels_in_disorder() {
    let (mut draws, rows) = (heirloom_data::augment::Draws::of_epoch(7, 0), 90);
    let features = Mat::from_fn(rows, 12, |row, column| draws.normal() + if column % 3 == row % 3 { 1.5 } else { 0.0 });
    let source_of = |order: &[usize]| {
        let of_row = |row: usize| (0..3).map(move |column| if column == row % 3 { 0.6 } else { 0.2 });
        Source::new(order.iter().copied().flat_map(of_row).collect(), 3).unwrap()
    };
    let source = source_of(&(0..rows).collect::<Vec<_>>());
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let plain = Sample { features: &features, labels: &labels, classes: 3, source: Ok(&source), seed: 0 };
    let order: Vec<usize> = (0..rows).map(|row| row * 37 % rows).collect();
    let turned = Mat::from_fn(rows, 12, |row, column| features[(order[row], column)]);
    let turned_source = source_of(&order);
    let renamed: Vec<usize> = order.iter().map(|row| (labels[*row] + 1) % 3).collect();
    let other = Sample { features: &turned, labels: &renamed, source: Ok(&turned_source), ..plain };
    let mixed: Vec<usize> = (0..rows).map(|row| row / 5 % 3).collect();
    let disorder = Sample { labels: &mixed, ..plain };
    for score in Score::ALL {
        let of = |sample: &Sample<'_>| all(sample, &[score])[0].value.unwrap();
        let (value, again, low) = (of(&plain), of(&other), of(&disorder));
        if score != Score::Mixture {
            // The mixture begins at rows that are drawn by their places.
            assert!((value - again).abs() < 1e-7 * value.abs().max(1.0), "{score:?}: {value} {again}");
        }
        assert!(value > low, "{score:?}: {value} {low}");
        let in_range = match score {
            Score::Leep | Score::Nce | Score::Gaussian | Score::Mixture => value <= 0.0,
            Score::Pairwise => value.abs() <= 100.0,
            Score::SelfChallenging | Score::NearestNeighbour => (0.0..=1.0).contains(&value),
            Score::HScore => (0.0..=2.0).contains(&value),
            Score::LogMe | Score::TransRate => value.is_finite(),
        };
        assert!(in_range, "{score:?}: {value}");
    }
    let cheap = all(&plain, &[Score::LogMe, Score::HScore]);
    assert!(cheap.iter().all(|scored| scored.above_chance.unwrap() > 3.0), "{cheap:?}");
}

/// Property 3: without shrinkage any labels score `C - 1` once there are no more rows than columns.
#[test]
fn without_shrinkage_few_rows_say_nothing() {
    let mut draws = heirloom_data::augment::Draws::of_epoch(9, 0);
    let features = Mat::from_fn(10, 20, |_, _| draws.normal());
    let labels: Vec<usize> = (0..10).map(|row| row / 3 % 3).collect();
    let sample =
        Sample { features: &features, labels: &labels, classes: 3, source: Err(&RankingError::NoSource), seed: 0 };
    assert!((h_score::plain(&sample).unwrap() - 2.0).abs() < 1e-9);
}

/// One feature that is not a number: every score that reads it says so instead of a value.
#[test]
fn what_is_not_finite_is_refused_by_every_score() {
    let mut toy = sample();
    toy.features[(3, 1)] = f64::NAN;
    for scored in all(&toy.sample(), &Score::ALL).iter().filter(|scored| !scored.score.needs_source()) {
        assert!(scored.value.is_none() && scored.reason.is_some(), "{scored:?}");
    }
    let (whole, broken) = (sample(), sample_without_features());
    for scored in all(&Sample { features: &broken, ..whole.sample() }, &[Score::Leep, Score::Nce]) {
        assert!(scored.value.is_some(), "{scored:?}");
    }
}

/// Features that no score can read.
fn sample_without_features() -> Mat<f64> {
    Mat::from_fn(8, 3, |_, _| f64::NAN)
}
