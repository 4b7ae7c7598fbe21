use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::{Split, TableOptions, World};

fn open(path: &Path) -> Table {
    Table::open(path, &TableOptions::default()).unwrap()
}

fn world(folder: &Path) -> Table {
    World { side: 16, train: 2, test: 1, ..World::default() }.write(folder).unwrap();
    open(folder)
}

fn written(table: &Table, rows: &[usize], path: &Path) -> Table {
    std::fs::write(path, table.manifest(rows, path.parent().unwrap()).unwrap()).unwrap();
    open(path)
}

#[test]
fn a_folder_written_down_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = world(&folder.path().join("world"));
    let square: crate::intervention::Intervention = "square:side=0.5,colour=010203".parse().unwrap();
    table.rows[3].intervention = Some(Arc::new(square.clone()));
    table.rows[3].group = Some("a, \"b\"".into());
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let back = written(&table, &rows, &folder.path().join("all.csv"));
    assert_eq!(back.classes, table.classes);
    for (row, before) in back.rows.iter().zip(&table.rows) {
        assert_eq!((row.label, row.split, &row.group), (before.label, before.split, &before.group));
        assert_eq!(row.intervention, before.intervention);
    }
    assert_eq!(back.encoded(&rows), table.encoded(&rows));
    let some = written(&table, &[3, 5], &folder.path().join("some.csv"));
    assert_eq!(some.rows.len(), 2);
    assert_eq!(*some.rows[0].intervention.clone().unwrap(), square);
    let text = std::fs::read_to_string(folder.path().join("some.csv")).unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("world/"), "named from where the table lies: {text}");
}

#[test]
fn pictures_of_an_overlay_are_found_from_anywhere_and_a_missing_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let table = world(&folder.path().join("world"));
    let picture = table.rows[0].locator.to_string();
    let path = folder.path().join("laid-over.csv");
    let line = |name: &str| format!("path,label,intervention\n{picture},a,\"overlay:picture={name},mask={name}\"\n");
    std::fs::write(folder.path().join("fence.png"), std::fs::read(&picture).unwrap()).unwrap();
    std::fs::write(&path, line("fence.png")).unwrap();
    let row = &open(&path).rows[0];
    assert!(row.intervention.as_ref().unwrap().prepare([8, 8]).is_ok());
    std::fs::write(&path, line("gate.png")).unwrap();
    let refused = Table::open(&path, &TableOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("line 2") && refused.contains("gate.png"), "{refused}");
    std::fs::write(&path, format!("path,label,intervention\n{picture},a,hexagon\n")).unwrap();
    let unknown = Table::open(&path, &TableOptions::default()).unwrap_err().to_string();
    assert!(unknown.contains("'hexagon' is no intervention"), "{unknown}");
}

#[test]
fn a_column_that_would_be_misread_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = world(folder.path());
    table.attributes.push("Intervention".into());
    let refused = table.manifest(&[0], folder.path()).unwrap_err().to_string();
    assert!(refused.contains("`Intervention`"), "{refused}");
}

#[test]
fn images_inside_parquet_files_are_pointed_at() {
    let data = std::env::var_os("HEIRLOOM_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let source = data.join("datasets/pacs");
    if !source.is_dir() {
        println!("skipped: no {}", source.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let table = open(&source);
    let rows = [5, 900, 4800];
    let path = folder.path().join("some.csv");
    let back = written(&table, &rows, &path);
    assert_eq!(back.encoded(&[0, 1, 2]), table.encoded(&rows));
    assert_eq!(back.rows[2].split, Some(Split::Test));
    let of = |table: &Table, row: usize| table.classes[table.rows[row].label.unwrap()].clone();
    assert_eq!([of(&back, 0), of(&back, 1)], [of(&table, 5), of(&table, 900)]);
    let domain = table.attributes.iter().position(|name| name == "domain").unwrap();
    let place = back.attributes.iter().position(|name| name == "domain").unwrap();
    assert_eq!(back.rows[1].attributes[place], table.rows[900].attributes[domain]);
    let text = std::fs::read_to_string(&path).unwrap().replace("#5,", "#500000,");
    std::fs::write(&path, text).unwrap();
    let past = open(&path);
    assert_eq!((past.rows.len(), past.skipped.len()), (2, 1));
    assert!(past.skipped[0].reason.contains("rows, counted from 0"), "{:?}", past.skipped);
}
