//! Predictions of a tiny artifact: the answers of the head itself, for any company, with broken images named.

use super::*;
use crate::artifact::tests::{artifact, backbone};
use crate::extract::Network;

/// A BMP of one colour.
fn bmp(red: u8, green: u8, blue: u8) -> Vec<u8> {
    let (side, row) = (4_u32, 12_u32);
    let mut bytes = b"BM".to_vec();
    bytes.extend((54 + side * row).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(54_u32.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(side.to_le_bytes());
    bytes.extend(side.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(24_u16.to_le_bytes());
    bytes.extend([0; 24]);
    bytes.extend([blue, green, red].repeat(16));
    bytes
}

pub(crate) fn images(count: usize) -> EncodedImages {
    let image = |i: usize| (format!("{i}.bmp"), bmp((i * 53) as u8, (i * 97 + 20) as u8, (i * 11) as u8));
    EncodedImages::new((0..count).map(image).collect())
}

fn predictor(threads: usize, block: usize) -> Predictor {
    let mut options = PredictOptions::default();
    (options.extract.threads, options.extract.block) = (threads, block);
    Predictor::new(artifact(), options).unwrap()
}

fn predicted(outcome: &Outcome) -> &Prediction {
    match outcome {
        Outcome::Predicted(prediction) => prediction,
        Outcome::Skipped(skipped) => panic!("{skipped:?}"),
    }
}

#[test]
fn answers_are_those_of_the_head_on_extracted_features() {
    let (images, rows) = (images(30), (0..30).collect::<Vec<_>>());
    let (artifact, backbone) = (artifact(), backbone());
    let requests = artifact.requests();
    let extraction = Extraction::new(Network::from(&backbone), &images, &rows, &requests);
    let features = extraction.run().unwrap().features;
    let expected = artifact.head.probabilities(&features, &rows).unwrap();
    let outcomes = predictor(2, 8).predict(&images, &rows).unwrap();
    for (outcome, expected) in outcomes.iter().zip(expected.chunks(2)) {
        let prediction = predicted(outcome);
        assert_eq!(prediction.probabilities, expected);
        assert_eq!(prediction.class, usize::from(expected[1] > expected[0]));
        assert_eq!(prediction.top[0], (prediction.class, prediction.probability));
        assert!((prediction.top.len(), prediction.unfamiliar.is_some()) == (2, true));
    }
}

#[test]
fn company_and_threads_change_no_bit() {
    let (images, rows) = (images(40), (0..40).collect::<Vec<_>>());
    let together = predictor(2, 7).predict(&images, &rows).unwrap();
    let mut few = predictor(2, 8);
    few.options.extract.memory_limit = 8 * 4 * 6;
    assert_eq!((few.at_once(), few.predict(&images, &rows).unwrap()), (6, together.clone()));
    let alone = predictor(1, 1);
    for row in [0, 13, 39] {
        assert_eq!(alone.predict(&images, &[row]).unwrap(), together[row..=row]);
    }
}

#[test]
fn broken_images_are_named_in_their_place() {
    let mut images = images(5);
    images.images[1].1.truncate(60);
    images.images[3].1 = b"not an image".to_vec();
    let outcomes = predictor(1, 8).predict(&images, &[4, 0, 1, 2, 3]).unwrap();
    let rows: Vec<_> = outcomes.iter().map(Outcome::row).collect();
    assert_eq!(rows, [0, 1, 2, 3, 4]);
    assert!(matches!(&outcomes[1], Outcome::Skipped(skipped) if skipped.locator == "1.bmp"));
    assert!(matches!(&outcomes[3], Outcome::Skipped(skipped) if skipped.reason.contains("not an image")));
    let others = predictor(1, 8).predict(&images, &[4]).unwrap();
    assert_eq!(others[0], outcomes[4]);
}

#[test]
fn a_slim_artifact_without_its_backbone_is_refused() {
    let error = Predictor::new(artifact().slim(), PredictOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("the artifact is slim: it needs the backbone 'tiny'"), "{error}");
}
