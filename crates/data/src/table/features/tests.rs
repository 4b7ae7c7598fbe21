//! Every format as its own library writes it (`tests/reference/feature_tables.py`), and each way to be wrong.

use std::path::PathBuf;

use super::*;
use crate::{Split, TableOptions};

fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/table/features/stored").join(name)
}

fn open(name: &str) -> FeatureTable {
    FeatureTable::open(&stored(name), &TableOptions::default()).unwrap()
}

fn refusal(path: &Path) -> String {
    FeatureTable::open(path, &TableOptions::default()).unwrap_err().to_string()
}

/// `arange(18).reshape(6, 3) / 4 - 1` without some rows.
fn expected(rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|row| (0..3).map(move |column| (row * 3 + column) as f32 / 4.0 - 1.0)).collect()
}

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

fn column<'a>(table: &'a FeatureTable, name: &str) -> Vec<&'a str> {
    let at = table.table.attributes.iter().position(|attribute| attribute == name).unwrap();
    table.table.rows.iter().map(|row| row.attributes[at].as_str()).collect()
}

fn labels(table: &FeatureTable) -> Vec<usize> {
    table.table.rows.iter().map(|row| row.label.unwrap()).collect()
}

#[test]
fn an_archive_with_everything() {
    let found = open("whole.npz");
    assert_eq!(found.table.classes, ["ash", "beech", "oak"]);
    assert_eq!(labels(&found), [2, 1, 2, 1, 0]);
    let blocks: Vec<(&str, usize)> = found.blocks.iter().map(|block| (block.name.as_str(), block.width)).collect();
    assert_eq!((blocks, found.principal()), (vec![("features", 3), ("deep", 2)], "features"));
    // The row without a label is named, and its values go with it.
    assert_eq!(found.table.skipped[0].locator, "whole.npz#4");
    assert_eq!(found.blocks[0].values, expected(&[0, 1, 2, 3, 5]));
    assert_eq!(found.blocks[1].values, [0., 1., 2., 3., 4., 5., 6., 7., 10., 11.]);
    assert_eq!(column(&found, "domain"), ["day", "day", "night", "night", "day"]);
    let splits: Vec<Option<Split>> = found.table.rows.iter().map(|row| row.split).collect();
    assert_eq!(splits[1..4], [Some(Split::Train), Some(Split::Test), Some(Split::Test)]);
    assert_eq!(found.table.rows[2].group.as_deref(), Some("2"));
    assert_eq!(found.table.rows[4].locator.to_string(), "whole.npz#5");
    assert!(found.table.warnings.is_empty(), "{:?}", found.table.warnings);
}

#[test]
fn rows_can_be_asked_for_by_column_and_keep_their_values() {
    let only = vec![("domain".to_owned(), "night".to_owned())];
    let options = TableOptions { only, keep_unlabelled: true, ..TableOptions::default() };
    let found = FeatureTable::open(&stored("whole.npz"), &options).unwrap();
    assert_eq!(found.blocks[0].values, expected(&[2, 3, 4]));
    let labels: Vec<Option<usize>> = found.table.rows.iter().map(|row| row.label).collect();
    assert_eq!(labels, [Some(2), Some(1), None]);
    let group = TableOptions { group: Some("domain".to_owned()), ..TableOptions::default() };
    let found = FeatureTable::open(&stored("whole.npz"), &group).unwrap();
    assert_eq!(found.table.rows[0].group.as_deref(), Some("day"));
}

#[test]
fn numbers_of_any_type_and_order() {
    let found = open("numbered.npz");
    assert_eq!(
        (found.table.classes.clone(), labels(&found)),
        (vec!["0".into(), "2".into(), "10".into()], vec![1, 0, 1, 0, 2])
    );
    assert_eq!(found.blocks[0].values, expected(&[0, 1, 2, 3, 5]), "stored column by column");
    let found = open("half.npz");
    assert_eq!(found.table.classes, ["no", "yes"]);
    assert_eq!((&found.blocks[0].values, &found.blocks[1].values), (&expected(&ALL), &expected(&ALL)));
    let found = open("features.npy");
    assert_eq!((labels(&found), found.blocks[0].values.clone()), (vec![1, 0, 1, 0, 1, 0], expected(&ALL)));
}

#[test]
fn tensors_by_domain_and_by_name() {
    let found = open("pairs.safetensors");
    assert_eq!(column(&found, "domain"), ["amazon", "amazon", "amazon", "amazon", "webcam", "webcam"]);
    assert_eq!(labels(&found), [0, 1, 0, 1, 1, 0]);
    assert_eq!(found.blocks[0].values, (0..12).map(|value| value as f32).collect::<Vec<_>>());
    let found = open("named.safetensors");
    assert_eq!(found.table.classes, ["no", "yes"]);
    assert_eq!(column(&found, "domain"), ["day", "day", "night", "night", "night", "day"]);
}

#[test]
fn parquet_lists_are_blocks_and_numbers_make_one() {
    let found = open("lists.parquet");
    let blocks: Vec<(&str, usize)> = found.blocks.iter().map(|block| (block.name.as_str(), block.width)).collect();
    assert_eq!(blocks, [("embedding", 3), ("features", 2)]);
    assert_eq!(found.blocks[0].values, expected(&[0, 1, 2, 3, 5]));
    assert_eq!(found.blocks[1].values[..4], [0.0, -0.75, 2.0, 0.0]);
    assert_eq!(column(&found, "domain")[2], "night");
    assert_eq!(found.table.skipped.len(), 1);
}

#[test]
fn columns_of_a_csv_are_told_apart_by_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "id,Label,a,b,place,domain\n7,oak,1,2.5,here,1\n8,ash,-1e1,0,there,2\n").unwrap();
    let found = FeatureTable::open(&path, &TableOptions::default()).unwrap();
    assert_eq!((found.blocks[0].width, found.blocks[0].values.as_slice()), (2, &[1.0, 2.5, -10.0, 0.0][..]));
    assert_eq!(column(&found, "place"), ["here", "there"]);
    assert_eq!(column(&found, "domain"), ["1", "2"]);
    assert_eq!((found.table.classes.clone(), labels(&found)), (vec!["ash".into(), "oak".into()], vec![1, 0]));
    // The same without labels, for prediction.
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    assert_eq!(FeatureTable::unlabelled(&path).unwrap().blocks[0].values, [1.0, 2.0]);
    assert!(refusal(&path).contains("no column `label`"));
    let cases = [
        ("label,a\nx,1\ny,\n", "line 3: column `a` holds ``, which is no number"),
        ("label,a\nx,1\ny,two\n", "line 3: column `a` holds `two`"),
        ("label,a,b\nx,1,2\ny,NaN,3\n", "row 1 holds NaN in column `a`"),
        ("label,a\nx,1\ny,-inf\n", "row 1 holds -inf in column `a`"),
        ("label,a,b\nx,1,2\ny,3\n", "line 3"),
        ("label,place\nx,here\n", "no features"),
        ("label,a,split\nx,1,holdout\n", "row 0: split `holdout`"),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let message = refusal(&path);
        assert!(message.contains(expected) && message.contains("t.csv"), "{expected}: {message}");
    }
}

#[test]
fn each_way_to_be_wrong_is_named() {
    let cases = [
        ("nan.npz", "row 3 holds NaN in column 1 of `features`"),
        ("short.npz", "`label` has shape [5]; `features` has 6 rows"),
        ("cube.npz", "`features` has shape [6, 3, 1]; features are [rows, columns]"),
        ("bare.npz", "no column `label`"),
        ("objects.npz", "`label`"),
        ("ragged.parquet", "row 4 of `embedding` holds 1 numbers, the rows before it 2"),
        ("holes.parquet", "row 2 holds nothing in column `a`"),
    ];
    for (name, expected) in cases {
        let message = refusal(&stored(name));
        assert!(message.contains(expected) && message.contains(name), "{name}: {message}");
    }
    assert!(refusal(&stored("nowhere.npz")).contains("no such file"));
}

/// Any cut and any changed byte is an error or another table, never a panic.
#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["features.npy", "half.npz", "named.safetensors", "lists.parquet"] {
        let whole = std::fs::read(stored(name)).unwrap();
        let path = folder.path().join(name);
        for at in (0..whole.len()).step_by(whole.len() / 97 + 1) {
            std::fs::write(&path, &whole[..at]).unwrap();
            let _outcome = FeatureTable::open(&path, &TableOptions::default()).map_err(|error| error.to_string());
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            std::fs::write(&path, &flipped).unwrap();
            let _outcome = FeatureTable::open(&path, &TableOptions::default()).map_err(|error| error.to_string());
        }
    }
    let path = folder.path().join("deep.npy");
    let mut deep = b"\x93NUMPY\x01\x00\xff\xff".to_vec();
    deep.extend(std::iter::repeat_n(b'(', 65_535));
    std::fs::write(&path, deep).unwrap();
    assert!(refusal(&path).contains("not an array of plain numbers"));
}

#[test]
fn tables_of_features_are_told_from_images_and_weights() {
    for name in ["whole.npz", "features.npy", "pairs.safetensors", "named.safetensors", "lists.parquet"] {
        assert!(FeatureTable::recognise(&stored(name)).unwrap(), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("images.csv"), "path,label\na.jpg,x\n").unwrap();
    std::fs::write(at("w.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    assert!(!FeatureTable::recognise(&at("images.csv")).unwrap());
    assert!(!FeatureTable::recognise(&at("w.safetensors")).unwrap());
    assert!(!FeatureTable::recognise(folder.path()).unwrap());
}

#[test]
fn a_digest_follows_values_and_labels() {
    let (one, mut other) = (open("whole.npz"), open("whole.npz"));
    assert_eq!(one.digest(&[0, 1]), other.digest(&[0, 1]));
    assert_ne!(one.digest(&[0, 1]), one.digest(&[1, 0]));
    other.blocks[1].values[1] = 9.0;
    assert_ne!(one.digest(&[0, 1]), other.digest(&[0, 1]));
    assert_eq!(one.digest(&[1]), other.digest(&[1]));
    other.table.rows[1].label = Some(0);
    assert_ne!(one.digest(&[1]), other.digest(&[1]));
}
