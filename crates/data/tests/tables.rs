//! Tables on disk: every layout, and one test for each way in which one can be wrong.
// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use heirloom_data::{Limits, Problem, Split, Table, TableError, TableOptions, TableWarning, decode};

fn png() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode/rgb.png")).unwrap()
}

/// A folder with the named files, each a small PNG.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png()).unwrap();
    }
    folder
}

fn open(path: &Path) -> Result<Table, TableError> {
    Table::open(path, &TableOptions::default())
}

fn names(table: &Table, root: &Path) -> Vec<String> {
    let prefix = format!("{}/", root.display());
    table.rows.iter().map(|row| row.locator.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_folder_of_classes_is_read_in_sorted_order_with_nested_files_and_without_hidden_ones() {
    let root =
        folder(&["dog/b.png", "dog/a.png", "cat/deep/er/x.png", "cat/.hidden.png", ".git/y.png", "cat/.deep/z.png"]);
    let table = open(root.path()).unwrap();
    assert_eq!(table.classes, ["cat", "dog"]);
    assert_eq!(names(&table, root.path()), ["cat/deep/er/x.png", "dog/a.png", "dog/b.png"]);
    assert_eq!(table.rows.iter().map(|row| row.label.unwrap()).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(table.rows.iter().all(|row| row.split.is_none()) && table.warnings.is_empty());
    table.check_for_training().unwrap();
}

#[test]
fn splits_above_the_classes_are_recognised() {
    let root = folder(&["test/cat/1.png", "train/cat/2.png", "train/dog/3.png", "val/dog/4.png", "extra/x/5.png"]);
    let table = open(root.path()).unwrap();
    assert_eq!(names(&table, root.path()), ["train/cat/2.png", "train/dog/3.png", "val/dog/4.png", "test/cat/1.png"]);
    let splits: Vec<_> = table.rows.iter().map(|row| row.split.unwrap()).collect();
    assert_eq!(splits, [Split::Train, Split::Train, Split::Validation, Split::Test]);
    assert_eq!(table.warnings, [TableWarning::StrayFolder { name: "extra".to_owned() }]);
}

#[test]
fn a_class_that_is_named_like_a_split_stays_a_class() {
    let root = folder(&["bus/1.png", "train/day/2.png", "train/3.png"]);
    let table = open(root.path()).unwrap();
    assert_eq!(table.classes, ["bus", "train"]);
    assert!(table.rows.iter().all(|row| row.split.is_none()) && table.warnings.is_empty());
}

#[test]
fn splits_without_class_folders_are_refused() {
    let root = folder(&["test/1.png", "train/2.png"]);
    let error = open(root.path()).unwrap_err().to_string();
    assert!(error.ends_with("its folders are named as splits (train, test) and hold no class folders"), "{error}");
}

#[test]
fn an_empty_class_folder_and_stray_files_are_counted_warnings() {
    let root = folder(&["cat/1.png", "dog/2.png", "readme.txt", "notes.txt"]);
    std::fs::create_dir(root.path().join("emu")).unwrap();
    let table = open(root.path()).unwrap();
    assert_eq!(table.classes, ["cat", "dog", "emu"]);
    assert!(table.warnings.contains(&TableWarning::EmptyClass { class: "emu".to_owned() }));
    assert!(
        table.warnings.iter().any(|w| matches!(w, TableWarning::StrayFiles { count: 2, .. })),
        "{:?}",
        table.warnings
    );
}

#[test]
fn a_missing_folder_is_named() {
    let error = open(Path::new("/no/such/folder")).unwrap_err();
    assert_eq!(error.to_string(), "/no/such/folder: no such file or folder");
}

#[test]
fn a_folder_of_bare_images_is_no_table_and_says_what_would_be() {
    let root = folder(&["1.png", "2.png"]);
    let error = open(root.path()).unwrap_err();
    assert!(error.to_string().ends_with("it holds 2 files and no class folders"), "{error}");
    assert!(error.hint().unwrap().contains("one folder per class"));
}

#[test]
fn a_folder_whose_classes_are_all_empty_has_no_rows() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("cat")).unwrap();
    assert!(matches!(open(root.path()), Err(TableError::NoRows { skipped: 0, .. })));
}

#[test]
fn one_class_cannot_be_trained_on() {
    let root = folder(&["cat/1.png", "cat/2.png"]);
    let error = open(root.path()).unwrap().check_for_training().unwrap_err();
    assert!(matches!(&error, TableError::OneClass { class, rows: 2, .. } if class == "cat"), "{error}");
}

#[test]
fn a_test_class_without_training_rows_is_a_warning_and_stops_training() {
    let root = folder(&["train/cat/1.png", "train/dog/2.png", "test/emu/3.png", "test/emu/4.png"]);
    let table = open(root.path()).unwrap();
    assert_eq!(table.warnings, [TableWarning::UnseenClass { class: "emu".to_owned(), split: Split::Test, rows: 2 }]);
    let error = table.check_for_training().unwrap_err();
    assert!(matches!(&error, TableError::UnseenClass { class, rows: 2, .. } if class == "emu"), "{error}");
}

#[test]
fn rows_without_a_label_are_skipped_or_kept_as_asked() {
    let root = folder(&["1.png", "2.png", "3.png"]);
    let path = root.path().join("t.csv");
    std::fs::write(&path, "path,label,domain\n1.png,cat,day\n2.png,,night\n3.png,dog,day\n").unwrap();
    let table = Table::open(&path, &TableOptions::default()).unwrap();
    assert_eq!((table.rows.len(), table.skipped.len()), (2, 1));
    let kept = Table::open(&path, &TableOptions { keep_unlabelled: true, ..TableOptions::default() }).unwrap();
    assert_eq!(kept.rows.iter().map(|row| row.label).collect::<Vec<_>>(), [Some(0), None, Some(1)]);
    assert_eq!((kept.classes.len(), kept.skipped.len()), (2, 0));
}

#[test]
fn images_are_read_by_row_and_a_vanished_file_is_missing() {
    let root = folder(&["cat/1.png", "dog/2.png"]);
    let table = open(root.path()).unwrap();
    std::fs::remove_file(root.path().join("dog/2.png")).unwrap();
    let bytes = table.encoded(&[0, 1, 7, 0]);
    assert_eq!(bytes, [Ok(png()), Err(Problem::Missing), Err(Problem::Missing), Ok(png())]);
}

#[test]
fn an_empty_or_too_long_file_is_refused_before_it_is_read() {
    let root = folder(&["cat/1.png", "dog/2.png"]);
    std::fs::write(root.path().join("dog/2.png"), b"").unwrap();
    let limits = Limits { encoded_bytes: 100, ..Limits::default() };
    let table = Table::open(root.path(), &TableOptions { limits, ..TableOptions::default() }).unwrap();
    let long = png().len() as u64;
    let expected = [Err(Problem::TooManyBytes { bytes: long, limit: 100 }), Err(Problem::Empty)];
    assert_eq!(table.encoded(&[0, 1]), expected);
}

fn csv(files: &[&str], text: &str) -> (tempfile::TempDir, PathBuf) {
    let root = folder(files);
    let path = root.path().join("table.csv");
    std::fs::write(&path, text).unwrap();
    (root, path)
}

#[test]
fn a_csv_gives_label_split_group_and_attributes() {
    let text = "path,label,split,group,camera\na.png, dog ,train,one,left\nsub/b.png,cat,test,,right\n";
    let (root, path) = csv(&["a.png", "sub/b.png"], text);
    let table = open(&path).unwrap();
    assert_eq!(table.classes, ["cat", "dog"]);
    assert_eq!(names(&table, root.path()), ["a.png", "sub/b.png"]);
    assert_eq!(table.attributes, ["group", "camera"]);
    let row = &table.rows[0];
    assert_eq!((row.label, row.split, row.group.as_deref()), (Some(1), Some(Split::Train), Some("one")));
    assert_eq!(table.rows[1].group, None);
    assert_eq!(table.rows[1].attributes, ["", "right"]);
}

#[test]
fn csv_columns_are_chosen_by_name_and_rows_by_attribute() {
    let text = "path,kind,camera\na.png,x,left\nb.png,y,left\nc.png,z,right\n";
    let (_root, path) = csv(&["a.png", "b.png", "c.png"], text);
    let only = vec![("camera".to_owned(), "left".to_owned())];
    let options =
        TableOptions { label: Some("kind".into()), group: Some("camera".into()), only, ..TableOptions::default() };
    let table = Table::open(&path, &options).unwrap();
    assert_eq!(table.rows.len(), 2);
    assert_eq!(table.rows[1].group.as_deref(), Some("left"));
    assert!(table.warnings.contains(&TableWarning::EmptyClass { class: "z".to_owned() }));

    let only = vec![("camera".to_owned(), "top".to_owned())];
    let error = Table::open(&path, &TableOptions { label: Some("kind".into()), only, ..TableOptions::default() });
    assert!(error.unwrap_err().to_string().contains("no row has camera = `top` (found left, right)"));
}

#[test]
fn a_csv_row_whose_file_is_missing_is_skipped_and_named() {
    let (root, path) = csv(&["a.png", "c.png"], "path,label\na.png,x\nb.png,y\nc.png,y\n");
    let table = open(&path).unwrap();
    assert_eq!(table.rows.len(), 2);
    assert_eq!(table.skipped.len(), 1);
    assert_eq!(table.skipped[0].locator, root.path().join("b.png").display().to_string());
    assert_eq!(table.skipped[0].reason, "line 3: there is no such file");
}

#[test]
fn each_way_a_csv_can_be_wrong_is_named() {
    let cases: &[(&str, &str)] = &[
        ("file,label\na.png,x\n", "no column `path` (found columns: file, label)"),
        ("path,class\na.png,x\n", "no column `label` (found columns: path, class)"),
        ("path,label,split\na.png,x,tarin\n", "line 2: split `tarin` is none of train, validation, test"),
        ("path,label\n,x\n", "line 2: the path is empty"),
        ("path,label\na.png,x,y\n", "line 2: "),
        ("path,label\n", "no images (0 rows skipped)"),
        ("path,label\na.png,\n", "no images (1 rows skipped)"),
        ("", "no column `path`"),
    ];
    for (text, expected) in cases {
        let (_root, path) = csv(&["a.png"], text);
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn groups_that_stand_on_both_sides_of_the_split_are_a_counted_warning() {
    let text = "path,label,group,split\na.png,x,one,train\nb.png,y,one,test\nc.png,y,two,train\nd.png,x,three,test\n";
    let (_root, path) = csv(&["a.png", "b.png", "c.png", "d.png"], text);
    let torn = TableWarning::TornGroups { groups: 1, rows: 1, first: "one".to_owned() };
    assert_eq!(open(&path).unwrap().warnings, [torn]);
    let (_root, path) = csv(&["a.png", "b.png"], "path,label,group\na.png,x,one\nb.png,y,one\n");
    assert_eq!(open(&path).unwrap().warnings, []);
}

#[test]
fn a_file_named_twice_is_a_counted_warning() {
    let (_root, path) = csv(&["a.png", "b.png"], "path,label\na.png,x\nb.png,y\na.png,y\n");
    let table = open(&path).unwrap();
    assert!(matches!(&table.warnings[..], [TableWarning::RepeatedFile { count: 1, .. }]), "{:?}", table.warnings);
}

#[test]
fn an_image_given_as_a_table_is_refused() {
    let root = folder(&["a.png"]);
    assert!(open(&root.path().join("a.png")).is_err());
}

#[test]
fn unlabelled_files_and_folders_keep_their_order() {
    let root = folder(&["b/2.png", "b/1.png", "a.png"]);
    let paths = [root.path().join("b"), root.path().join("a.png")];
    let table = Table::unlabelled(&paths, Limits::default()).unwrap();
    assert_eq!(names(&table, root.path()), ["b/1.png", "b/2.png", "a.png"]);
    assert!(table.rows.iter().all(|row| row.label.is_none()) && table.classes.is_empty());
    assert!(matches!(Table::unlabelled(&[root.path().join("c")], Limits::default()), Err(TableError::Missing { .. })));
    assert!(matches!(table.check_for_training(), Err(TableError::Unlabelled { rows: 3, total: 3, .. })));
}

/// The real data sets beside the project, where there are any.
fn datasets() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("HEIRLOOM_DATA").map_or(beside, PathBuf::from).join("datasets");
    if !root.is_dir() {
        println!("skipped: no data sets at {}", root.display());
        return None;
    }
    Some(root)
}

#[test]
fn a_hugging_face_folder_is_read_and_any_order_of_rows_gives_the_same_bytes() {
    let Some(root) = datasets() else { return };
    let table = open(&root.join("pacs")).unwrap();
    assert_eq!(table.rows.len(), 4728 + 1920);
    assert_eq!(table.classes, ["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]);
    assert_eq!(table.attributes, ["domain"]);
    assert_eq!(table.rows_in(Some(Split::Test)).len(), 1920);
    assert_eq!(table.rows[17].locator.to_string(), "train.parquet#17");
    assert!(table.warnings.is_empty() && table.skipped.is_empty());
    table.check_for_training().unwrap();

    let rows: Vec<usize> = (4700..4760).collect();
    let forward: Vec<_> = table.encoded(&rows).into_iter().map(Result::unwrap).collect();
    for (row, bytes) in rows.iter().zip(&forward).rev() {
        assert_eq!(table.encoded(&[*row])[0].as_ref().unwrap(), bytes, "row {row}");
    }
    let image = decode(&forward[0]).unwrap();
    assert_eq!((image.width(), image.height()), (128, 128));

    let only = vec![("domain".to_owned(), "sketch".to_owned())];
    let options = TableOptions { only, group: Some("domain".to_owned()), ..TableOptions::default() };
    let sketches = Table::open(&root.join("pacs"), &options).unwrap();
    assert!(!sketches.rows.is_empty() && sketches.rows.len() < table.rows.len());
    assert!(sketches.rows.iter().all(|row| row.attributes == ["sketch"] && row.group.as_deref() == Some("sketch")));
}

#[test]
fn threads_that_read_at_once_get_their_own_rows() {
    let Some(root) = datasets() else { return };
    let table = open(&root.join("clothing/test.parquet")).unwrap();
    assert!(table.rows.iter().all(|row| row.split == Some(Split::Test)));
    let all: Vec<usize> = (0..table.rows.len()).collect();
    let expected = table.encoded(&all);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (table, expected) = (&table, &expected);
            scope.spawn(move || {
                for block in (start..12).step_by(4) {
                    let rows: Vec<usize> = (block * 8..block * 8 + 8).collect();
                    assert_eq!(table.encoded(&rows), expected[block * 8..block * 8 + 8]);
                }
            });
        }
    });
}
