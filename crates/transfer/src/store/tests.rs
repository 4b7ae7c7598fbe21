//! The store on synthetic blocks: what is written is what is read, and every way to be wrong is named.

use std::fs;
use std::time::{Duration, SystemTime};

use heirloom_engine::{Isa, Precision, Shape};
use proptest::prelude::*;

use super::*;
use crate::Pooling;

const SHAPE: Shape = Shape::Map { height: 4, width: 4, channels: 3 };

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    base: Base,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let base = Base {
        backbone: "tiny".into(),
        weights: "w".into(),
        graph: "g".into(),
        preprocess: "p".into(),
        precision: "f32".into(),
        kernels: Isa::Portable,
        numerics: NUMERICS,
    };
    Fixture { store: Store::new(folder.path()), folder, base }
}

impl Fixture {
    fn record(&self, tap: &str, key: &str, skipped: &[usize]) -> BlockRecord {
        let skipped = skipped.iter().map(|row| SkippedRow { row: *row, reason: "empty file".into() }).collect();
        BlockRecord::new(&self.base.digest(), key, tap, SHAPE, Windows::new(SHAPE, Pooling::to(12)), 5, skipped)
    }

    fn key(&self, tap: &str, key: &str) -> BlockKey {
        let windows = Windows::new(SHAPE, Pooling::to(12));
        BlockKey { base: self.base.digest(), tap: tap.into(), windows, rows: key.into() }
    }

    /// Writes a block of five rows, one skipped; gives its path and values.
    fn write(&self, tap: &str, key: &str) -> (PathBuf, Vec<f32>) {
        let record = self.record(tap, key, &[2]);
        let values: Vec<f32> = (0..4 * 12).map(|value| value as f32 * 0.37 - 3.0).collect();
        (self.store.write(record, &values, Precision::F32).unwrap(), values)
    }
}

#[test]
fn a_block_comes_back_bit_for_bit() {
    let fixture = fixture();
    let (path, values) = fixture.write("layer1.0/conv", "abc");
    assert!(path.ends_with("layer1.0%2Fconv@window-2x2/abc.safetensors"), "{}", path.display());
    let (record, read) = fixture.store.open(&fixture.key("layer1.0/conv", "abc")).unwrap().unwrap().read().unwrap();
    assert_eq!(read, values);
    assert_eq!(record.skipped, [SkippedRow { row: 2, reason: "empty file".into() }]);
    assert_eq!((record.valid(), record.width(), record.shape), (4, 12, SHAPE));
    // The file is a plain safetensors file as well.
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("values").unwrap().shape(), [4, 12]);
}

#[test]
fn rounded_values_come_back_bit_for_bit_from_half_the_bytes() {
    let fixture = fixture();
    let values: Vec<f32> =
        (0..4 * 12).map(|value| heirloom_engine::kernels::rounded(value as f32 * 0.37 - 3.0)).collect();
    let path = fixture.store.write(fixture.record("tap", "abc", &[2]), &values, Precision::Bf16).unwrap();
    let (_, read) = fixture.store.open(&fixture.key("tap", "abc")).unwrap().unwrap().read().unwrap();
    assert_eq!(read, values);
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("values").unwrap();
    assert_eq!((tensor.dtype(), tensor.data().len()), (safetensors::Dtype::BF16, 2 * values.len()));
}

#[test]
fn equal_blocks_are_equal_files_and_no_temporary_file_stays() {
    let fixture = fixture();
    let (path, _) = fixture.write("tap", "abc");
    let first = fs::read(&path).unwrap();
    fixture.write("tap", "abc");
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_missing_block_is_none_and_a_wrong_count_is_refused() {
    let fixture = fixture();
    assert!(fixture.store.open(&fixture.key("tap", "abc")).unwrap().is_none());
    let error = fixture.store.write(fixture.record("tap", "abc", &[]), &[0.0; 12], Precision::F32).unwrap_err();
    assert!(error.to_string().contains("12 values to be written, its rows need 60"), "{error}");
}

#[test]
fn every_way_to_be_wrong_is_named() {
    struct Case(&'static str, fn(&mut Vec<u8>), &'static str);
    let cases = [
        Case("empty", |bytes| bytes.clear(), "0 bytes are too few"),
        Case("short", |bytes| bytes.truncate(bytes.len() - 1), "its header needs"),
        Case("long", |bytes| bytes.push(0), "its header needs"),
        Case("cut in the header", |bytes| bytes.truncate(40), "its header claims"),
        Case("huge header", |bytes| bytes[..8].fill(0xff), "its header claims"),
        Case("no JSON", |bytes| bytes[8] = b'!', "not safetensors"),
        Case("no metadata", |bytes| replace(bytes, "heirloom", "somebody"), "no 'heirloom' metadata"),
        Case("foreign metadata", |bytes| replace(bytes, "checksum", "checkers"), "metadata cannot be read"),
        Case("newer version", |bytes| replace(bytes, r#"version\":1"#, r#"version\":9"#), "version other than 1"),
        Case("other tap", |bytes| replace(bytes, r#"tap\":\"tap"#, r#"tap\":\"rap"#), "another tap"),
        Case("changed reason", |bytes| replace(bytes, "empty file", "empty fill"), "its checksum"),
        Case("changed value", |bytes| *bytes.last_mut().unwrap() ^= 1, "its checksum"),
        Case("impossible shape", |bytes| replace(bytes, r#"height\":4"#, r#"height\":9"#), "its tensor is"),
        Case("impossible rows", |bytes| replace(bytes, r#"rows\":5"#, r#"rows\":1"#), "contradicts itself"),
    ];
    for Case(name, damage, expected) in cases {
        let fixture = fixture();
        let (path, _) = fixture.write("tap", "abc");
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let read = fixture.store.open(&fixture.key("tap", "abc")).and_then(|block| block.unwrap().read());
        let message = read.expect_err(name).to_string();
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains("abc.safetensors"), "{name}: {message}");
        assert_eq!(fixture.store.verify(true).unwrap().faults.len(), 1, "{name}");
        assert!(!path.exists(), "{name}");
    }
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_damaged_byte_goes_unseen(position in 0.0_f64..1.0, flip in 1_u8..=255) {
        let fixture = fixture();
        let (path, values) = fixture.write("tap", "abc");
        let mut bytes = fs::read(&path).unwrap();
        let at = (position * bytes.len() as f64) as usize;
        bytes[at] ^= flip;
        fs::write(&path, bytes).unwrap();
        if let Ok((record, read)) = fixture.store.open(&fixture.key("tap", "abc")).and_then(|block| block.unwrap().read()) {
            // Only blanks between the header's parts may change without a trace.
            prop_assert_eq!(read, values);
            prop_assert_eq!(record.skipped.len(), 1);
        }
    }
}

#[test]
fn the_cache_folder_is_looked_up_in_order() {
    let find = |set: &'static [(&str, &str)]| {
        Store::default_cache(move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
    };
    let path = |set| find(set).unwrap();
    assert_eq!(path(&[("HEIRLOOM_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]), Path::new("/a"));
    assert_eq!(path(&[("HEIRLOOM_CACHE", ""), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]), Path::new("/b/heirloom"));
    assert_eq!(path(&[("HOME", "/c")]), Path::new("/c/.cache/heirloom"));
    assert!(matches!(find(&[]), Err(StoreError::NoFolder)));
}

#[test]
fn the_list_says_what_is_there() {
    let fixture = fixture();
    assert!(fixture.store.list().unwrap().is_empty());
    fixture.write("a", "abc");
    fixture.write("a", "def");
    fixture.write("b", "abc");
    fixture.store.describe(&fixture.base).unwrap();
    let list = fixture.store.list().unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].base.as_ref(), Some(&fixture.base));
    assert_eq!((list[0].blocks, list[0].rows), (3, 8));
    assert_eq!(list[0].taps, ["a@window-2x2", "b@window-2x2"]);
    assert_eq!(list[0].bytes, fixture.store.bytes().unwrap());
    assert_eq!(fixture.store.verify(false).unwrap().sound, 3);
}

#[test]
fn pruning_drops_the_longest_unused() {
    let fixture = fixture();
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
    let age = |path: &Path, hours_ago| {
        fs::File::options().append(true).open(path).unwrap().set_modified(hours(hours_ago)).unwrap();
    };
    let paths = ["a", "b", "c"].map(|tap| fixture.write(tap, "abc").0);
    paths.iter().zip([30, 20, 10]).for_each(|(path, hours)| age(path, hours));
    let left = paths[0].with_file_name(format!("{}x", write::TEMPORARY));
    fs::write(&left, "half").unwrap();
    age(&left, 5);
    let removed = fixture.store.prune(Some(Duration::from_secs(25 * 3600)), None).unwrap();
    assert_eq!((removed.files, paths[0].exists(), left.exists()), (1, false, false));
    // Reading marks a block as used: now `c` is the longest unused.
    fixture.store.open(&fixture.key("b", "abc")).unwrap().unwrap().read().unwrap();
    let one = fs::metadata(&paths[1]).unwrap().len();
    assert_eq!(fixture.store.prune(None, Some(one)).unwrap().bytes, one);
    assert_eq!(paths.each_ref().map(|path| path.exists()), [false, true, false]);
    assert_eq!(fixture.store.clear().unwrap().files, 1);
    assert_eq!(fixture.store.bytes().unwrap(), 0);
    assert!(fixture.folder.path().exists());
}

#[test]
fn two_writers_of_one_block_leave_one_whole_file() {
    let fixture = fixture();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20).for_each(|_| drop(fixture.write("tap", "abc"))));
        }
    });
    let (path, values) = fixture.write("tap", "abc");
    let (_, read) = fixture.store.open(&fixture.key("tap", "abc")).unwrap().unwrap().read().unwrap();
    assert_eq!(read, values);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}
