//! Parquet tables written here: every layout that is read, and each way in which one can be wrong.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heirloom_data::{Limits, Problem, Split, Table, TableError, TableOptions, TableWarning};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// One column's cells.
enum Cells {
    Bytes(Vec<Option<Vec<u8>>>),
    Numbers(Vec<Option<i64>>),
}

fn texts(values: &[&str]) -> Cells {
    Cells::Bytes(values.iter().map(|value| Some(value.as_bytes().to_vec())).collect())
}

fn numbers(values: &[i64]) -> Cells {
    Cells::Numbers(values.iter().copied().map(Some).collect())
}

/// Writes a parquet file; `levels` is the definition level of a present cell of each column.
fn write(path: &Path, schema: &str, columns: &[(Cells, i16)], metadata: Option<&str>, group: usize) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let pairs = metadata.map(|text| vec![KeyValue::new("huggingface".to_owned(), text.to_owned())]);
    let builder = WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(pairs);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(builder.build())).unwrap();
    let rows = match &columns[0].0 {
        Cells::Bytes(cells) => cells.len(),
        Cells::Numbers(cells) => cells.len(),
    };
    for start in (0..rows).step_by(group) {
        let end = (start + group).min(rows);
        let mut rows = writer.next_row_group().unwrap();
        for (cells, level) in columns {
            let mut column = rows.next_column().unwrap().unwrap();
            match cells {
                Cells::Bytes(cells) => {
                    let levels: Vec<i16> =
                        cells[start..end].iter().map(|cell| if cell.is_some() { *level } else { 0 }).collect();
                    let values: Vec<ByteArray> =
                        cells[start..end].iter().flatten().cloned().map(ByteArray::from).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
                }
                Cells::Numbers(cells) => {
                    let levels: Vec<i16> =
                        cells[start..end].iter().map(|cell| if cell.is_some() { *level } else { 0 }).collect();
                    let values: Vec<i64> = cells[start..end].iter().flatten().copied().collect();
                    column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
                }
            }
            column.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.close().unwrap();
}

const PLAIN: &str = "message m { optional binary image; optional int64 label; }";
const NAMED: &str = "message m { optional binary image; optional binary label (UTF8); }";

/// Cells that stand for images: the bytes are not decoded by a table.
fn images(count: usize) -> Cells {
    Cells::Bytes((0..count).map(|row| Some(format!("image {row}").into_bytes())).collect())
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.parquet");
    (folder, path)
}

fn open(path: &Path) -> Result<Table, TableError> {
    Table::open(path, &TableOptions::default())
}

fn labels(table: &Table) -> Vec<usize> {
    table.rows.iter().map(|row| row.label.unwrap()).collect()
}

#[test]
fn a_plain_binary_column_over_several_row_groups_is_read_in_any_order() {
    let (_folder, path) = folder();
    write(&path, PLAIN, &[(images(10), 1), (numbers(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), 1)], None, 3);
    let table = open(&path).unwrap();
    assert_eq!(table.classes, ["0", "1"]);
    assert_eq!(table.warnings, [TableWarning::NumberedClasses { count: 2 }]);
    let rows = [9, 0, 1, 2, 3, 8, 2, 5];
    let expected: Vec<_> = rows.iter().map(|row| Ok(format!("image {row}").into_bytes())).collect();
    assert_eq!(table.encoded(&rows), expected);
    let all: Vec<usize> = (0..10).collect();
    assert_eq!(table.encoded(&all).len(), 10);
}

#[test]
fn threads_that_read_neighbouring_rows_get_each_its_own() {
    let (_folder, path) = folder();
    write(&path, PLAIN, &[(images(300), 1), (numbers(&(0..300).map(|row| row % 2).collect::<Vec<_>>()), 1)], None, 110);
    let table = open(&path).unwrap();
    for block in [1, 3, 4, 100] {
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let first = next.fetch_add(block, std::sync::atomic::Ordering::Relaxed);
                        let rows: Vec<usize> = (first..(first + block).min(300)).collect();
                        if rows.is_empty() {
                            return;
                        }
                        for (row, bytes) in rows.iter().zip(table.stream(&rows)) {
                            assert_eq!(bytes, Ok(format!("image {row}").into_bytes()), "blocks of {block}");
                        }
                    }
                });
            }
        });
    }
    // Far apart, backwards, twice.
    let rows = [299, 0, 150, 149, 149, 0, 70, 280, 5, 300];
    let read: Vec<_> = table.stream(&rows).collect();
    for (row, bytes) in rows.iter().zip(read) {
        let expected = if *row < 300 { Ok(format!("image {row}").into_bytes()) } else { Err(Problem::Missing) };
        assert_eq!(bytes, expected);
    }
    let bytes: usize = (0..110).map(|row| format!("image {row}").len() + 4).sum();
    let held = table.reading_bytes().unwrap();
    assert!((bytes as u64..4 * bytes as u64).contains(&held), "a page of {bytes} bytes takes {held}");
}

#[test]
fn the_struct_layout_of_datasets_with_its_class_names_is_read() {
    let (_folder, path) = folder();
    let schema = "message m { optional group image { optional binary bytes; optional binary path (UTF8); } optional int64 label; }";
    let names =
        r#"{"info":{"features":{"image":{"_type":"Image"},"label":{"_type":"ClassLabel","names":["yes","no"]}}}}"#;
    let paths = texts(&["a.png", "b.png", "c.png"]);
    write(&path, schema, &[(images(3), 2), (paths, 2), (numbers(&[1, 0, 1]), 1)], Some(names), 10);
    let table = open(&path).unwrap();
    assert_eq!((table.classes.clone(), labels(&table)), (vec!["yes".to_owned(), "no".to_owned()], vec![1, 0, 1]));
    assert!(table.attributes.is_empty());
    assert_eq!(table.rows[2].locator.to_string(), "train.parquet#2");
    assert_eq!(table.encoded(&[2]), [Ok(b"image 2".to_vec())]);
}

#[test]
fn text_labels_are_classes_in_sorted_order() {
    let (_folder, path) = folder();
    write(&path, NAMED, &[(images(3), 1), (texts(&["dog", "cat", "dog"]), 1)], None, 2);
    let table = open(&path).unwrap();
    assert_eq!((table.classes.clone(), labels(&table)), (vec!["cat".to_owned(), "dog".to_owned()], vec![1, 0, 1]));
    assert!(table.warnings.is_empty());
}

#[test]
fn class_names_come_from_labels_txt() {
    let (folder, path) = folder();
    std::fs::write(folder.path().join("labels.txt"), "zebra\nant\n\n").unwrap();
    write(&path, PLAIN, &[(images(2), 1), (numbers(&[0, 1]), 1)], None, 10);
    assert_eq!(open(&path).unwrap().classes, ["zebra", "ant"]);
}

#[test]
fn a_folder_of_shards_is_one_table_in_the_order_of_splits_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for (name, label) in [("test", 1), ("train-00001-of-00002", 1), ("train-00000-of-00002", 0), ("notes", 1)] {
        let path = data.join(format!("{name}.parquet"));
        write(&path, PLAIN, &[(images(1), 1), (numbers(&[label]), 1)], None, 10);
    }
    let table = open(folder.path()).unwrap();
    let names: Vec<String> = table.rows.iter().map(|row| row.locator.to_string()).collect();
    assert_eq!(names, ["train-00000-of-00002.parquet#0", "train-00001-of-00002.parquet#0", "test.parquet#0"]);
    assert_eq!(table.rows[2].split, Some(Split::Test));
    let missing = |table: &Table| table.warnings.iter().any(|w| matches!(w, TableWarning::MissingShards { .. }));
    assert!(table.warnings.iter().any(|warning| matches!(warning, TableWarning::StrayFile { .. })) && !missing(&table));
    std::fs::remove_file(data.join("train-00001-of-00002.parquet")).unwrap();
    let table = open(folder.path()).unwrap();
    let expected = TableWarning::MissingShards { name: "train".to_owned(), found: 1, expected: 2 };
    assert!(table.warnings.contains(&expected), "{:?}", table.warnings);
}

#[test]
fn group_and_attribute_columns_are_exposed() {
    let (_folder, path) = folder();
    let schema = "message m { optional binary image; optional int64 label; optional binary patient (UTF8); optional int64 site; }";
    let columns = [(images(3), 1), (numbers(&[0, 1, 1]), 1), (texts(&["p", "q", "p"]), 1), (numbers(&[4, 5, 4]), 1)];
    write(&path, schema, &columns, None, 10);
    let options = TableOptions { group: Some("patient".to_owned()), ..TableOptions::default() };
    let table = Table::open(&path, &options).unwrap();
    assert_eq!(table.attributes, ["patient", "site"]);
    assert_eq!(table.rows[2].attributes, ["p", "4"]);
    assert_eq!(table.rows[2].group.as_deref(), Some("p"));
    let missing = TableOptions { group: Some("nobody".to_owned()), ..TableOptions::default() };
    let error = Table::open(&path, &missing).unwrap_err().to_string();
    assert!(error.contains("no column `nobody` (found columns: label, patient, site)"), "{error}");
}

#[test]
fn rows_without_a_usable_label_or_image_are_named() {
    let (folder, path) = folder();
    std::fs::write(folder.path().join("labels.txt"), "a\nb\n").unwrap();
    let cells =
        Cells::Bytes(vec![Some(b"x".to_vec()), None, Some(Vec::new()), Some(b"y".to_vec()), Some(b"z".to_vec())]);
    let label = Cells::Numbers(vec![Some(0), Some(1), Some(1), Some(2), None]);
    write(&path, PLAIN, &[(cells, 1), (label, 1)], None, 2);
    let table = open(&path).unwrap();
    let skipped: Vec<_> =
        table.skipped.iter().map(|skipped| (skipped.locator.as_str(), skipped.reason.as_str())).collect();
    let expected =
        [("train.parquet#3", "label 2 is outside the 2 named classes"), ("train.parquet#4", "the label is null")];
    assert_eq!(skipped, expected);
    // Where rows without a label are wanted, a null stays; a label that cannot be is still a mistake.
    let kept = Table::open(&path, &TableOptions { keep_unlabelled: true, ..TableOptions::default() }).unwrap();
    assert_eq!(kept.rows.iter().map(|row| row.label).collect::<Vec<_>>(), [Some(0), Some(1), Some(1), None]);
    assert_eq!((kept.rows[3].locator.to_string(), kept.skipped.len()), ("train.parquet#4".to_owned(), 1));
    assert_eq!(table.encoded(&[0, 1, 2]), [Ok(b"x".to_vec()), Err(Problem::NoBytes), Err(Problem::Empty)]);
}

#[test]
fn each_way_a_parquet_table_can_be_wrong_is_named() {
    let lists = "message m { repeated binary image; optional int64 label; }";
    let cases: &[(&str, &str)] = &[
        (
            "message m { optional binary photo; optional int64 label; }",
            "no column `image` (found columns: photo, label)",
        ),
        ("message m { optional binary image; optional int64 class; }", "no column `label` (found columns: class)"),
        ("message m { optional int64 image; optional int64 label; }", "column `image` holds INT64"),
    ];
    for (schema, expected) in cases {
        let (_folder, path) = folder();
        let first = if schema.contains("int64 image") { numbers(&[1]) } else { images(1) };
        write(&path, schema, &[(first, 1), (numbers(&[0]), 1)], None, 10);
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{schema}: {error}");
    }
    assert!(parse_message_type(lists).is_ok());
    let (folder, path) = folder();
    std::fs::write(folder.path().join("labels.txt"), "a\nb\na\n").unwrap();
    write(&path, PLAIN, &[(images(1), 1), (numbers(&[0]), 1)], None, 10);
    assert!(matches!(open(&path), Err(TableError::DuplicateClass { count: 2, .. })));
}

#[test]
fn files_that_name_their_classes_differently_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, classes) in [("train", r#"["a","b"]"#), ("test", r#"["a","c"]"#)] {
        let names = format!(r#"{{"info":{{"features":{{"label":{{"names":{classes}}}}}}}}}"#);
        let path = folder.path().join(format!("{name}.parquet"));
        write(&path, PLAIN, &[(images(2), 1), (numbers(&[0, 1]), 1)], Some(&names), 10);
    }
    let error = open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("class 1 is `c` here and `b` there"), "{error}");
}

#[test]
fn a_cut_or_changed_parquet_file_is_an_error_or_a_problem_and_never_a_panic() {
    let (folder, path) = folder();
    let label: Vec<i64> = (0..40).map(|row| row % 2).collect();
    write(&path, PLAIN, &[(images(40), 1), (numbers(&label), 1)], None, 16);
    let whole = std::fs::read(&path).unwrap();
    let broken = folder.path().join("broken.parquet");
    for length in [0, 3, 4, 8, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&broken, &whole[..length]).unwrap();
        assert!(open(&broken).is_err(), "cut to {length} bytes");
    }
    let rows: Vec<usize> = (0..40).collect();
    for at in (4..whole.len()).step_by(3) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        std::fs::write(&broken, &changed).unwrap();
        if let Ok(table) = open(&broken) {
            let _ = table.encoded(&rows);
        }
    }
}

#[test]
fn a_parquet_file_is_read_without_labels_for_prediction() {
    let (_folder, path) = folder();
    write(&path, "message m { optional binary image; }", &[(images(3), 1)], None, 2);
    let table = Table::unlabelled(&[path], Limits::default()).unwrap();
    assert_eq!(table.rows.len(), 3);
    assert_eq!(table.encoded(&[2, 1]), [Ok(b"image 2".to_vec()), Ok(b"image 1".to_vec())]);
}
