//! Episodes of made-up features.

use heirloom_engine::Shape;
use heirloom_training::random::generator;
use proptest::prelude::*;

use super::*;
use crate::{Block, Pooling};

/// Rows around a corner for each class, as far apart as `apart` says.
fn features(classes: usize, each: usize, apart: f64) -> (Features, Vec<Option<usize>>) {
    let mut random = generator(4, "episodes", &[]);
    let labels: Vec<Option<usize>> = (0..classes * each).map(|row| Some(row % classes)).collect();
    let value = |label: usize, column: usize| if column == label { apart } else { 0.0 };
    let row = |label: usize| (0..classes).map(move |column| value(label, column)).collect::<Vec<f64>>();
    let values: Vec<f32> =
        labels.iter().flatten().flat_map(|label| row(*label)).map(|x| (x + random.normal()) as f32).collect();
    let shape = Shape::Vector { channels: classes };
    let block = Block { tap: "features".into(), shape, pooling: Pooling::MEAN, width: classes, values };
    (Features { rows: labels.len(), blocks: vec![block] }, labels)
}

const OPTIONS: EpisodeOptions =
    EpisodeOptions { ways: 4, shots: 1, unlabelled: 20, queries: 10, episodes: 60, seed: 1 };

fn of(found: &[LearnerRecord], learner: Learner) -> &LearnerRecord {
    found.iter().find(|one| one.learner == learner).unwrap()
}

#[test]
fn unlabelled_rows_help_where_classes_are_clusters() {
    let (features, labels) = features(6, 60, 4.0);
    let found = episodes(&features, &labels, &OPTIONS).unwrap();
    assert_eq!(found.len(), 5);
    for learner in [Learner::SoftPrototypes, Learner::SelfTraining] {
        let record = of(&found, learner);
        assert!(record.gain.unwrap().low > 0.0 && record.harmed.unwrap() < 0.3, "{record:?}");
    }
    assert!(of(&found, Learner::Logistic).gain.is_none());
}

#[test]
fn more_labels_are_better_and_noise_is_chance() {
    let (near, labels) = features(6, 60, 3.0);
    let few = episodes(&near, &labels, &OPTIONS).unwrap();
    let many = episodes(&near, &labels, &EpisodeOptions { shots: 10, ..OPTIONS }).unwrap();
    // Where classes are clusters, unlabelled rows make up for what few labels leave open.
    for (few, many) in few.iter().zip(&many).filter(|(one, _)| one.learner.without_unlabelled().is_none()) {
        assert!(many.accuracy.low > few.accuracy.value, "{few:?} {many:?}");
    }
    let (nothing, labels) = features(6, 60, 0.0);
    for record in episodes(&nothing, &labels, &EpisodeOptions { episodes: 200, ..OPTIONS }).unwrap() {
        assert!(record.accuracy.low < 0.25 + 0.01 && record.accuracy.high > 0.25 - 0.01, "{record:?}");
    }
}

#[test]
fn threads_and_what_lies_outside_an_episode_change_nothing() {
    let (features, labels) = features(6, 60, 2.0);
    let found = episodes(&features, &labels, &OPTIONS).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| episodes(&features, &labels, &OPTIONS)).unwrap(), found);
    assert_ne!(episodes(&features, &labels, &EpisodeOptions { seed: 2, ..OPTIONS }).unwrap(), found);
}

#[test]
fn what_makes_no_episode_is_refused() {
    let (features, labels) = features(3, 20, 2.0);
    let refused = |options| {
        let before = possible(&labels, &options).unwrap_err().to_string();
        assert_eq!(episodes(&features, &labels, &options).unwrap_err().to_string(), before);
        before
    };
    assert!(refused(OPTIONS).contains("fewer classes"));
    assert!(refused(EpisodeOptions { ways: 1, ..OPTIONS }).contains("2 or more"));
    assert!(refused(EpisodeOptions { shots: 0, ..OPTIONS }).contains("1 or more"));
    assert!(refused(EpisodeOptions { queries: 0, ..OPTIONS }).contains("judged"));
    assert!(refused(EpisodeOptions { episodes: 1, ..OPTIONS }).contains("episodes"));
}

proptest! {
    #[test]
    fn an_episode_has_no_row_twice_and_its_labels_are_the_rows_own(number in 0..500_usize, shots in 1..4_usize) {
        let options = EpisodeOptions { ways: 3, shots, unlabelled: 4, queries: 5, episodes: 2, seed: 7 };
        let labels: Vec<Option<usize>> = (0..100).map(|row| (row % 7 != 0).then_some(row % 5)).collect();
        let episode = draw::Pool::new(&labels, &options).unwrap().draw(number, &options);
        let mut rows: Vec<usize> = episode.support.iter().chain(&episode.queries).map(|(row, _)| *row).collect();
        rows.extend(&episode.unlabelled);
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!((rows.len(), count), (count, 3 * (shots + 9)));
        // Two rows have one class in the episode exactly where they have one in the data.
        let told: Vec<(usize, usize)> = episode.support.iter().chain(&episode.queries).copied().collect();
        for (row, class) in &told {
            for (other, of_other) in &told {
                prop_assert_eq!(class == of_other, labels[*row] == labels[*other]);
            }
        }
    }
}
