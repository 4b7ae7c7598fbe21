//! Smaller artifacts of the tiny network: what is written is what is read, and what is left out is the least.

use heirloom_engine::Shape;

use super::*;
use crate::artifact::tests::{artifact, features, flip, with, without};
use crate::heads::{Affine, Input, Method, Normalizer, Rule};
use crate::{Block, Features, Pooling};

#[test]
fn a_smaller_artifact_is_read_back_to_the_bit_and_written_to_the_same_bytes() {
    let whole = artifact();
    let size = whole.to_bytes().unwrap().len();
    let logits = |artifact: &Artifact| artifact.head.logits(&features(), &(0..40).collect::<Vec<_>>()).unwrap();
    for (numbers, apart) in [(Numbers::Bf16, 0.1), (Numbers::Int8, 0.1)] {
        let smaller = whole.compressed(numbers).unwrap();
        let bytes = smaller.to_bytes().unwrap();
        let read = Artifact::from_bytes(&bytes).unwrap();
        assert_eq!(read, smaller);
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert!(bytes.len() < size, "{} {size}", bytes.len());
        assert_eq!(read.accuracy, None);
        let weights = |artifact: &Artifact| artifact.network.as_ref().unwrap().backbone.weights.clone();
        assert_ne!(weights(&read), weights(&whole), "other weights have another digest");
        let (before, after) = (logits(&whole), logits(&read));
        assert_ne!(before, after);
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < apart), "{numbers:?}");
        assert!(matches!(read.compressed(numbers), Err(ArtifactError::Compressed { .. })));
    }
}

/// Version 2 is written only where something needs it.
#[test]
fn what_is_not_compressed_is_written_as_before() {
    let text = |artifact: &Artifact| {
        let bytes = artifact.to_bytes().unwrap();
        safetensors::SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap()["heirloom"].clone()
    };
    assert!(text(&artifact()).contains("\"version\":1"));
    let smaller = text(&artifact().compressed(Numbers::Int8).unwrap());
    assert!(smaller.contains("\"version\":2") && smaller.contains("\"numbers\":\"int8\""), "{smaller}");
}

/// The network of a slim artifact belongs to another file.
#[test]
fn a_slim_artifact_keeps_the_name_of_its_network() {
    let slim = artifact().slim();
    let smaller = slim.compressed(Numbers::Int8).unwrap();
    assert_eq!(smaller.network, slim.network);
    assert_eq!(Artifact::from_bytes(&smaller.to_bytes().unwrap()).unwrap(), smaller);
}

#[test]
fn values_that_were_changed_after_rounding_are_not_written() {
    let mut smaller = artifact().compressed(Numbers::Int8).unwrap();
    let weights = smaller.network.as_mut().unwrap().weights.as_mut().unwrap();
    weights.tensors.get_mut("fc.weight").unwrap().values[0] += 1e-4;
    assert!(smaller.to_bytes().unwrap_err().to_string().contains("fc.weight"));
}

#[test]
fn damaged_files_are_refused_with_the_tensor() {
    let bytes = artifact().compressed(Numbers::Int8).unwrap().to_bytes().unwrap();
    let refused = |bytes: Vec<u8>| Artifact::from_bytes(&bytes).unwrap_err().to_string();
    assert!(refused(without(bytes.clone(), "heirloom.scale.fc.weight")).contains("heirloom.scale.fc.weight"));
    assert!(refused(without(bytes.clone(), "fc.weight")).contains("'fc.weight' is missing"));
    for tensor in ["fc.weight", "heirloom.scale.fc.weight", "heirloom.head.weights"] {
        assert!(refused(flip(bytes.clone(), tensor)).contains("has changed"), "{tensor}");
    }
    let silent = with(bytes.clone(), |json| drop(json.as_object_mut().unwrap().remove("numbers")));
    assert!(refused(silent).contains("is I8"));
    let other = with(bytes, |json| json["numbers"] = "bf16".into());
    assert!(refused(other).contains("is I8"));
}

fn two_layers() -> (Features, Head) {
    let shape = Shape::Vector { channels: 2 };
    let block = |tap: &str, scale: f32, shift: f32| {
        let values = (0..60).map(|at| shift + scale * ((at * 37 % 11) as f32 - 5.0)).collect();
        Block { tap: tap.into(), shape, pooling: Pooling::MEAN, width: 2, values }
    };
    let features = Features { rows: 30, blocks: vec![block("early", 0.01, 3.0), block("late", 1.0, 0.5)] };
    let weights = vec![1.0, -1.0, 0.5, 2.0, 0.3, 0.1, -0.7, 0.4];
    let rule = Rule::Affine(Affine { classes: 2, weights, bias: vec![0.25, -0.5] });
    let inputs = features.blocks.iter().map(Input::whole).collect();
    (features, Head::new(Method::Head2Toe, 2, inputs, Normalizer::None, rule))
}

/// The layer that hardly varies goes; its mean stays in the bias, so that the mean logits do not move.
#[test]
fn the_layer_that_says_least_is_left_out_and_its_mean_stays() {
    let (features, head) = two_layers();
    let rows: Vec<usize> = (0..30).collect();
    let (fewer, layers) = head.with_fewer_layers(&features, &rows, 1).unwrap();
    let told: Vec<(&str, bool)> = layers.iter().map(|layer| (layer.layer.as_str(), layer.kept)).collect();
    assert_eq!(told, [("early", false), ("late", true)]);
    assert_eq!(fewer.columns().len(), 1);
    let mean = |head: &Head, class: usize| {
        let logits = head.logits(&features, &rows).unwrap();
        logits.chunks(2).map(|row| f64::from(row[class])).sum::<f64>() / 30.0
    };
    for class in 0..2 {
        assert!((mean(&head, class) - mean(&fewer, class)).abs() < 1e-5);
    }
    let (same, layers) = head.with_fewer_layers(&features, &rows, 5).unwrap();
    assert_eq!(same, head);
    assert!(layers.iter().all(|layer| layer.kept));
}
