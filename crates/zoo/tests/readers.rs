//! Weight files as tensors: what is read exactly, and every way to be wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/checkpoint.rs"]
#[allow(dead_code)]
mod checkpoint;

use std::path::{Path, PathBuf};

use heirloom_zoo::{Number, TensorFile, ZooError};
use proptest::prelude::{ProptestConfig, any};
use zip::CompressionMethod;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The values of tests/reference/checkpoints.py: 0, 1, 2, ... in a 4x6 base, over 4.
fn base(row: usize, column: usize) -> f32 {
    (row * 6 + column) as f32 / 4.0
}

fn grid(rows: impl Iterator<Item = usize> + Clone, columns: impl Iterator<Item = usize> + Clone) -> Vec<f32> {
    rows.flat_map(|row| columns.clone().map(move |column| base(row, column))).collect()
}

#[test]
fn views_of_a_pytorch_checkpoint_are_read_in_row_major_order() {
    let transposed = (0..6).flat_map(|column| (0..4).map(move |row| base(row, column))).collect();
    let whole = grid(0..4, 0..6);
    let cases: [(&str, Vec<usize>, Vec<f32>); 9] = [
        ("plain", vec![4, 6], whole.clone()),
        ("transposed", vec![6, 4], transposed),
        ("part", vec![2, 3], grid(1..3, 2..5)),
        ("stepped", vec![2, 2], grid((0..4).step_by(2), (0..6).step_by(3))),
        ("half", vec![4, 6], whole.clone()),
        ("bfloat16", vec![4, 6], whole),
        ("scalar", vec![], vec![2.5]),
        ("parameter", vec![6], grid(0..1, 0..6)),
        ("empty", vec![0, 3], vec![]),
    ];
    for file in ["views.pth", "model.pth"] {
        let mut file = TensorFile::open(&data(file)).unwrap();
        for (key, shape, values) in &cases {
            let tensor = file.read(key).unwrap();
            assert_eq!((&tensor.shape, &tensor.values), (shape, values), "{key}");
        }
        assert_eq!(file.entries().len(), cases.len() + 1);
        assert_eq!(file.entries()["num_batches_tracked"].number, Number::Other("i64".into()));
        let error = file.read("num_batches_tracked").unwrap_err().to_string();
        assert!(error.contains("'num_batches_tracked' holds i64 values"), "{error}");
    }
}

#[test]
fn a_state_dict_inside_a_training_checkpoint_is_found() {
    let file = TensorFile::open(&data("nested.pth")).unwrap();
    let keys: Vec<&str> = file.entries().keys().map(String::as_str).collect();
    let expected =
        ["0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight"];
    assert_eq!(keys, expected);
}

#[test]
fn a_checkpoint_that_runs_code_is_refused_by_name() {
    let error = TensorFile::open(&data("evil.pth")).unwrap_err();
    assert!(matches!(&error, ZooError::Refused { what, .. } if what.contains("posix.system")), "{error}");
    assert!(error.hint().unwrap().contains("state_dict()"));
}

#[test]
fn the_legacy_format_is_refused_with_a_way_out() {
    let error = TensorFile::open(&data("legacy.pth")).unwrap_err();
    assert!(matches!(error, ZooError::LegacyCheckpoint { .. }), "{error}");
    assert!(error.hint().unwrap().contains("torch.save"));
}

/// Names and contents of an archive's files.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A checkpoint of one tensor 'w' of shape [2, 3] over storage '0', as an archive of the files given.
fn checkpoint_of(folder: &Path, method: CompressionMethod, files: Files<'_>) -> PathBuf {
    let path = folder.join("checkpoint.pth");
    checkpoint::archive(&path, method, files);
    path
}

fn pickle() -> Vec<u8> {
    let mut pickle = b"\x80\x02}".to_vec();
    checkpoint::text(&mut pickle, "w");
    checkpoint::pickled_tensor(&mut pickle, "0", &[2, 3]);
    pickle.extend(b"s.");
    pickle
}

#[test]
fn damaged_archives_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (pickle, values) = (pickle(), [0_u8; 24]);
    let stored = CompressionMethod::Stored;
    let good = checkpoint_of(folder.path(), stored, &[("a/data.pkl", &pickle), ("a/data/0", &values)]);
    assert_eq!(TensorFile::open(&good).unwrap().read("w").unwrap().values, [0.0; 6]);

    let opening: [(CompressionMethod, Files<'_>, &str); 5] = [
        (CompressionMethod::Deflated, &[("a/data.pkl", &pickle), ("a/data/0", &values)], "is compressed"),
        (stored, &[("a/data.pkl", &pickle), ("b/data.pkl", &pickle)], "2 files called data.pkl"),
        (stored, &[("a/model.json", b"{}")], "0 files called data.pkl"),
        (stored, &[("a/data.pkl", &pickle), ("a/byteorder", b"big")], "not little-endian"),
        (stored, &[("a/data.pkl", &pickle[..20])], "ends early"),
    ];
    for (method, files, expected) in opening {
        let error = TensorFile::open(&checkpoint_of(folder.path(), method, files)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let reading: [(Files<'_>, &str); 3] = [
        (&[("a/data.pkl", &pickle)], "storage 'a/data/0' of tensor 'w' is missing"),
        (&[("a/data.pkl", &pickle), ("a/data/0", &values[..20])], "has 20 bytes, expected 24"),
        (&[("a/data.pkl", &pickle), ("a/data/0", &[0; 28])], "has 28 bytes, expected at most 24"),
    ];
    for (files, expected) in reading {
        let mut file = TensorFile::open(&checkpoint_of(folder.path(), stored, files)).unwrap();
        let error = file.read("w").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let bytes = std::fs::read(&good).unwrap();
    for length in [10, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&good, &bytes[..length]).unwrap();
        assert!(TensorFile::open(&good).is_err(), "{length} of {} bytes", bytes.len());
    }
}

/// A safetensors file from its header and its data.
fn safetensors(folder: &Path, header: &str, data: &[u8]) -> PathBuf {
    let path = folder.join("file.safetensors");
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&length, header.as_bytes(), data].concat()).unwrap();
    path
}

#[test]
fn half_and_bfloat16_become_single_precision_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let header = r#"{"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"h":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}"#;
    let data = [0x00, 0x3c, 0x01, 0x80, 0xc0, 0x3f, 0x00, 0xc0];
    let mut file = TensorFile::open(&safetensors(folder.path(), header, &data)).unwrap();
    assert_eq!(file.read("h").unwrap().values, [1.0, -(2.0_f32.powi(-24))]);
    assert_eq!(file.read("h").unwrap().shape, [2, 1]);
    assert_eq!(file.read("b").unwrap().values, [1.5, -2.0]);
}

#[test]
fn damaged_safetensors_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let tensor = |begin: usize, end: usize| format!(r#"{{"dtype":"F32","shape":[2],"data_offsets":[{begin},{end}]}}"#);
    let cases = [
        ("overlap", format!(r#"{{"a":{},"b":{}}}"#, tensor(0, 8), tensor(4, 12)), 12, "'b'"),
        ("gap", format!(r#"{{"a":{},"b":{}}}"#, tensor(0, 8), tensor(12, 20)), 20, "'b'"),
        ("wrong size", format!(r#"{{"a":{}}}"#, tensor(0, 12)), 12, "do not fill its bytes"),
        ("backwards", format!(r#"{{"a":{}}}"#, tensor(8, 0)), 8, "'a'"),
        ("cut short", format!(r#"{{"a":{}}}"#, tensor(0, 8)), 7, "cut short"),
        ("overlong", format!(r#"{{"a":{}}}"#, tensor(0, 8)), 9, "overlong"),
        ("no tensors", "{}".to_owned(), 0, "no tensors"),
        ("not JSON", "{\"a\":".to_owned(), 0, "header"),
        (
            "overflowing shape",
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,8]}}"#.to_owned(),
            8,
            "verflow",
        ),
    ];
    for (name, header, bytes, expected) in cases {
        let error = TensorFile::open(&safetensors(folder.path(), &header, &vec![0; bytes])).unwrap_err();
        assert!(matches!(error, ZooError::Malformed { .. }), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let path = folder.path().join("lie.safetensors");
    for (length, expected) in [(1000_u64, "22 bytes"), (u64::MAX, "22 bytes"), (u64::MAX / 2, "22 bytes")] {
        std::fs::write(&path, [length.to_le_bytes().as_slice(), b"{\"a\":{}}      "].concat()).unwrap();
        let error = TensorFile::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn values_that_are_not_finite_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let header = r#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let data: Vec<u8> = [1.0, value, 2.0, f32::NAN].iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
        let error = TensorFile::open(&safetensors(folder.path(), header, &data)).unwrap().read("w").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("'w' holds 2 values") && text.contains(&format!("{name}, at index 1")), "{text}");
    }
}

#[test]
fn other_files_are_named_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        TensorFile::open(&path).unwrap_err().to_string()
    };
    assert!(write("model.onnx", b"\x08\x07onnx").contains("ONNX files are not read"));
    assert!(write("empty.safetensors", b"").contains("a file of 0 bytes"));
    assert!(write("notes.safetensors", b"these are no weights at all").contains("a file of 27 bytes"));
    let missing = TensorFile::open(&folder.path().join("none.pth")).unwrap_err();
    assert!(matches!(missing, ZooError::Io { .. }), "{missing}");
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_a_file_panics(file in 0_usize..3, position in any::<usize>(), value in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = match file {
            0 => std::fs::read(data("views.pth")).unwrap(),
            1 => std::fs::read(data("nested.pth")).unwrap(),
            _ => {
                let header = r#"{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
                std::fs::read(safetensors(folder.path(), header, &[1; 16])).unwrap()
            }
        };
        let position = position % bytes.len();
        bytes[position] = value;
        let path = folder.path().join("damaged");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(mut file) = TensorFile::open(&path) {
            let keys: Vec<String> = file.entries().keys().cloned().collect();
            for key in keys {
                if let Ok(tensor) = file.read(&key) {
                    proptest::prop_assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
                }
            }
        }
    }
}
