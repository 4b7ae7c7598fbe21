//! Everything together on the made-up image world.

use heirloom_data::Split;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::predictor::PredictOptions;

use super::*;
use crate::diff::tests::{images, model, world};

fn options() -> RobustnessOptions {
    RobustnessOptions { attacked: 12, corrupted: 9, seed: 2, isa: Isa::detect() }
}

#[test]
fn every_figure_is_there_and_comes_again() {
    let (_folder, table) = world();
    let artifact = model(&table, 0);
    let (judged, labels) = images(&table, Split::Test, &artifact);
    let (train, train_labels) = images(&table, Split::Train, &artifact);
    let model = Predictor::new(artifact, PredictOptions { top: 1, extract: ExtractOptions::default() }).unwrap();
    let others = [("training images".to_owned(), train.clone())];
    let input = RobustnessInput {
        model: &model,
        judged: (&judged, &labels),
        train: Some((&train, &train_labels)),
        others: &others,
    };
    let found = robustness(&input, &options(), AuditWatch::default()).unwrap();
    assert_eq!((found.images, found.outliers.len(), found.not_attacked.clone()), (labels.len(), 4, None));
    let own = found.coverage.last().unwrap();
    assert_eq!((own.share, own.accuracy.n), (1.0, labels.len()));
    for set in &found.outliers {
        assert_eq!(set.images[1], DRAWS);
        assert!(set.scores.iter().all(|(_, one)| (0.0..=1.0).contains(&one.area) && one.base_rate < 0.3), "{set:?}");
        assert!(set.scores.len() >= 3, "{set:?}");
    }
    let corruptions = &found.corruptions;
    assert_eq!((corruptions.kinds.len(), corruptions.accuracy.n), (13, 9));
    let drops: f64 = corruptions.kinds.iter().map(|one| one.drop.value).sum();
    assert!((drops / 13.0 - corruptions.drop.unwrap().value).abs() < 1e-12);
    for one in &corruptions.kinds {
        let mean = one.accuracies.iter().map(|accuracy| accuracy.value).sum::<f64>() / 5.0;
        assert!((corruptions.accuracy.value - mean - one.drop.value).abs() < 1e-12, "{one:?}");
    }
    // More room is never harder for the search, and chance does no more than it.
    let accuracies: Vec<f64> = found.adversarial.iter().map(|one| one.accuracy.value).collect();
    assert!(
        accuracies.len() == EPSILONS.len() && accuracies.windows(2).all(|pair| pair[1] <= pair[0]),
        "{accuracies:?}"
    );
    assert!(found.adversarial.iter().all(|one| one.accuracy.value <= one.by_chance.value), "{:?}", found.adversarial);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| robustness(&input, &options(), AuditWatch::default())).unwrap(), found);
}

#[test]
fn without_training_images_there_are_no_distances() {
    let (_folder, table) = world();
    let artifact = model(&table, 0);
    let (judged, labels) = images(&table, Split::Test, &artifact);
    let model = Predictor::new(artifact, PredictOptions { top: 1, extract: ExtractOptions::default() }).unwrap();
    let input = RobustnessInput { model: &model, judged: (&judged, &labels), train: None, others: &[] };
    let found = robustness(&input, &RobustnessOptions { attacked: 2, ..options() }, AuditWatch::default()).unwrap();
    let names: Vec<Score> = found.outliers[0].scores.iter().map(|(score, _)| *score).collect();
    assert_eq!(names, [Score::MaximumProbability, Score::Energy]);
}
