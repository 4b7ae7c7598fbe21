//! Checkpoints come back bit for bit, and each way to be wrong has its error.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};

use heirloom_engine::Tensor;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::early_stopping::{EarlyStopping, Goal, StoppingSettings, StoppingState};
use crate::ema::{Average, AverageSettings};
use crate::optimizer::{Gradients, Optimizer, OptimizerSettings, ParameterGroups};

fn identity() -> Identity {
    let recipe = r#"{"optimizer":{"momentum":0.9,"rule":"sgd"},"rate":0.1,"seed":7}"#;
    Identity { graph: "0a1b".into(), recipe: recipe.into() }
}

fn weights(factor: f32) -> Weights {
    let values = |count: usize| (0..count).map(|index| factor * (index as f32 + 1.0).sqrt()).collect();
    let tensor = |shape: &[usize]| Tensor { shape: shape.to_vec(), values: values(shape.iter().product()) };
    let shapes: [(&str, &[usize]); 4] =
        [("conv.weight", &[4, 3, 1, 1]), ("bn.running_mean", &[4]), ("scale", &[]), ("empty", &[0, 3])];
    Weights { tensors: shapes.map(|(name, shape)| (name.to_string(), tensor(shape))).into() }
}

fn checkpoint() -> Checkpoint {
    let mut weights = weights(0.1);
    let extremes = [f32::NAN, f32::INFINITY, -0.0, f32::from_bits(1)];
    weights.tensors.get_mut("bn.running_mean").unwrap().values = extremes[1..].iter().copied().chain([1.0]).collect();
    let mut trained = weights.clone();
    let mut optimizer = Optimizer::new(OptimizerSettings::adam(), ParameterGroups::default()).unwrap();
    let gradients = Gradients::from([("conv.weight".to_string(), vec![0.3; 12])]);
    optimizer.step(&mut trained, &gradients, 0.1).unwrap();
    let mut stopping = EarlyStopping::new(STOPPING).unwrap();
    stopping.record(0, 0.1 + 0.2);
    Checkpoint {
        weights: trained,
        optimizer: optimizer.state(),
        average: Some(self::weights(0.7)),
        best: Some(weights),
        epoch: 3,
        step_in_epoch: 17,
        steps: 1 << 40,
        average_steps: 5,
        seed: u64::MAX,
        notes: [("early_stopping".to_string(), serde_json::to_value(stopping.state()).unwrap())].into(),
    }
}

const STOPPING: StoppingSettings =
    StoppingSettings { patience: Some(3), minimum_improvement: 0.0, goal: Goal::Highest };

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit() {
    let folder = folder();
    let path = folder.path().join("last.safetensors");
    for checkpoint in [checkpoint(), Checkpoint::default(), Checkpoint { average: None, ..checkpoint() }] {
        checkpoint.save(&path, &identity()).unwrap();
        let loaded = Checkpoint::load(&path, &identity()).unwrap();
        assert_eq!(loaded, checkpoint);
        let bits = |weights: &Weights| -> Vec<u32> {
            weights.tensors.values().flat_map(|tensor| tensor.values.iter().map(|value| value.to_bits())).collect()
        };
        assert_eq!(bits(&loaded.weights), bits(&checkpoint.weights));
        // Writing what was read gives the same bytes.
        let before = fs::read(&path).unwrap();
        loaded.save(&path, &identity()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn values_that_are_no_numbers_keep_their_bits() {
    let folder = folder();
    let path = folder.path().join("c");
    let bits = [0x7fc0_0001, 0xff80_0000, 0x7f80_0001];
    let tensor = Tensor { shape: vec![3], values: bits.map(f32::from_bits).to_vec() };
    let checkpoint =
        Checkpoint { weights: Weights { tensors: [("w".into(), tensor)].into() }, ..Checkpoint::default() };
    checkpoint.save(&path, &identity()).unwrap();
    let loaded = Checkpoint::load(&path, &identity()).unwrap();
    let found: Vec<u32> = loaded.weights.tensors["w"].values.iter().map(|value| value.to_bits()).collect();
    assert_eq!(found, bits);
}

/// A little training, whole or cut in two by a checkpoint.
#[test]
fn a_run_that_goes_on_equals_an_unbroken_one() {
    let folder = folder();
    let path = folder.path().join("c");
    let average_settings = AverageSettings { decay: 0.9, warm_up: true };
    for settings in [OptimizerSettings::nesterov(0.9).with_weight_decay(1e-3), OptimizerSettings::adamw(0.05)] {
        let make = || Optimizer::new(settings, ParameterGroups::default()).unwrap();
        let run = |cut: Option<u64>| {
            let mut state = (weights(0.3), make(), Average::new(average_settings, &weights(0.3)).unwrap());
            for step in 0..10 {
                let (weights, optimizer, average) = &mut state;
                let gradients: Gradients = weights
                    .tensors
                    .iter()
                    .map(|(name, tensor)| (name.clone(), tensor.values.iter().map(|value| value - 0.1).collect()))
                    .collect();
                optimizer.step(weights, &gradients, 0.05).unwrap();
                average.update(weights).unwrap();
                if cut == Some(step) {
                    let checkpoint = Checkpoint {
                        weights: weights.clone(),
                        optimizer: optimizer.state(),
                        average: Some(average.weights().clone()),
                        average_steps: average.steps(),
                        ..Checkpoint::default()
                    };
                    checkpoint.save(&path, &identity()).unwrap();
                    let loaded = Checkpoint::load(&path, &identity()).unwrap();
                    let mut optimizer = make();
                    optimizer.restore(loaded.optimizer, &loaded.weights).unwrap();
                    let average = loaded.average.unwrap();
                    let average = Average::restore(average_settings, loaded.average_steps, average).unwrap();
                    state = (loaded.weights, optimizer, average);
                }
            }
            state
        };
        let expected = run(None);
        for cut in [0, 4, 9] {
            assert_eq!(run(Some(cut)), expected, "cut after step {cut}");
        }
    }
}

#[test]
fn early_stopping_in_the_notes_comes_back() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let notes = Checkpoint::load(&path, &identity()).unwrap().notes;
    let state: StoppingState = serde_json::from_value(notes["early_stopping"].clone()).unwrap();
    assert_eq!(EarlyStopping::restore(STOPPING, state).unwrap().best().unwrap().value(), 0.1 + 0.2);
}

#[test]
fn another_architecture_or_recipe_is_refused() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let load = |identity: &Identity| Checkpoint::load(&path, identity).unwrap_err();
    let error = load(&Identity { graph: "ffff".into(), ..identity() });
    assert!(matches!(error, CheckpointError::OtherArchitecture { .. }));
    assert!(error.to_string().ends_with("another architecture: graph 0a1b, this run has ffff"), "{error}");
    let recipe = r#"{"epochs":3,"optimizer":{"momentum":0.8,"rule":"sgd"},"rate":0.1,"seed":7}"#.to_string();
    let CheckpointError::OtherRecipe { differences, .. } = load(&Identity { recipe, ..identity() }) else { panic!() };
    let expected = [
        "'epochs' (null in the checkpoint, 3 in this run)",
        "'optimizer.momentum' (0.9 in the checkpoint, 0.8 in this run)",
    ];
    assert_eq!(differences, expected);
    // The text decides, even where it parses to the same numbers.
    let recipe = identity().recipe.replace("0.1", "0.10");
    let CheckpointError::OtherRecipe { differences, .. } = load(&Identity { recipe, ..identity() }) else { panic!() };
    assert!(differences[0].starts_with("their text: {"), "{differences:?}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = folder();
    let error = Checkpoint::load(&folder.path().join("none"), &identity()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { action: "read", .. }), "{error}");
    let error = checkpoint().save(&folder.path().join("no/folder/c"), &identity()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { action: "write", .. }), "{error}");
    let error = checkpoint().save(Path::new("/"), &identity()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { action: "write", .. }), "{error}");
}

#[test]
fn any_truncation_is_refused() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = Checkpoint::load(&path, &identity()).unwrap_err();
        assert!(matches!(error, CheckpointError::NotSafetensors { .. }), "{length} bytes: {error}");
    }
    fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
    assert!(matches!(Checkpoint::load(&path, &identity()).unwrap_err(), CheckpointError::NotSafetensors { .. }));
}

#[test]
fn any_changed_byte_is_noticed() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(Checkpoint::open(&path).is_err(), "byte {at} of {}", bytes.len());
    }
    // In the tensors it is the digest that notices.
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 0x80;
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(Checkpoint::open(&path).unwrap_err(), CheckpointError::Digest { .. }));
}

/// A file with other metadata or tensors, whose digest is put right.
fn forged(change: impl Fn(&mut Value), tensor: Option<(&str, Dtype)>) -> CheckpointError {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut json: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["heirloom-training"]).unwrap();
    change(&mut json);
    let mut tensors: Vec<(String, TensorView<'_>)> = SafeTensors::deserialize(&bytes).unwrap().tensors();
    if let Some((name, dtype)) = tensor {
        tensors.push((name.into(), TensorView::new(dtype, vec![1], &[0; 4]).unwrap()));
    }
    let write = |json: &Value| {
        let metadata = HashMap::from([("heirloom-training".to_string(), serde_json::to_string(json).unwrap())]);
        let tensors = tensors.iter().map(|(name, view)| (name.clone(), view.clone()));
        fs::write(&path, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
    };
    write(&json);
    if let Err(CheckpointError::Digest { found, .. }) = Checkpoint::open(&path) {
        json["digest"] = found.into();
        write(&json);
    }
    Checkpoint::open(&path).unwrap_err()
}

#[test]
fn other_files_and_versions_are_refused() {
    let error = forged(|json| json["version"] = 2.into(), None);
    assert!(matches!(error, CheckpointError::Newer { found: 2, supported: 1, .. }), "{error}");
    for version in [Value::Null, 0.into(), "1".into()] {
        let error = forged(|json| json["version"] = version.clone(), None);
        assert!(matches!(error, CheckpointError::Broken { .. }), "{error}");
    }
    let error = forged(|json| json["colour"] = "red".into(), None);
    assert!(error.to_string().contains("unknown field `colour`"), "{error}");
    let error = forged(|json| drop(json.as_object_mut().unwrap().remove("seed")), None);
    assert!(error.to_string().contains("missing field `seed`"), "{error}");
    let error = forged(|json| json["has_best"] = false.into(), None);
    assert!(error.to_string().contains("the tensor 'best/bn.running_mean' belongs to nothing"), "{error}");
    let error = forged(|_| (), Some(("other", Dtype::F32)));
    assert!(error.to_string().contains("the tensor 'other' belongs to nothing"), "{error}");
    let error = forged(|_| (), Some(("weights/count", Dtype::I32)));
    assert!(error.to_string().contains("the tensor 'weights/count' has type I32, F32 is needed"), "{error}");
}

#[test]
fn a_plain_weights_file_is_no_checkpoint() {
    let folder = folder();
    let path = folder.path().join("c");
    let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    for (metadata, expected) in
        [(None, vec![]), (Some(HashMap::from([("format".into(), "pt".into())])), vec!["format"])]
    {
        fs::write(&path, safetensors::serialize([("w", view.clone())], metadata).unwrap()).unwrap();
        match Checkpoint::open(&path).unwrap_err() {
            CheckpointError::NotACheckpoint { keys, .. } => assert_eq!(keys, expected),
            error => panic!("{error}"),
        }
    }
}

#[test]
fn a_tensor_with_too_few_values_is_not_written() {
    let folder = folder();
    let path = folder.path().join("c");
    let mut checkpoint = checkpoint();
    checkpoint.weights.tensors.insert("bad".into(), Tensor { shape: vec![2], values: vec![1.0] });
    let error = checkpoint.save(&path, &identity()).unwrap_err();
    assert!(error.to_string().contains("the tensor 'weights/bad'"), "{error}");
    assert!(!path.exists());
}

#[test]
fn an_interrupted_write_leaves_the_old_file() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let before = fs::read(&path).unwrap();
    let error = write::replace(&path, |file| {
        file.write_all(b"the first half")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    // What a killed run leaves behind is in nobody's way.
    fs::write(folder.path().join(".c.partial"), b"half of a checkpoint").unwrap();
    assert_eq!(Checkpoint::load(&path, &identity()).unwrap(), checkpoint());
    Checkpoint::default().save(&path, &identity()).unwrap();
    assert_eq!(Checkpoint::load(&path, &identity()).unwrap(), Checkpoint::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// `/dev/full` takes no byte: the device of a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_and_leaves_the_old_file() {
    let folder = folder();
    let path = folder.path().join("c");
    checkpoint().save(&path, &identity()).unwrap();
    let before = fs::read(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(".c.partial")).unwrap();
    let error = Checkpoint::default().save(&path, &identity()).unwrap_err();
    let CheckpointError::Io { action: "write", source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull, "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}
