//! Files and folders: walking them in a fixed order, reading one within its limit, and tables without labels.

use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::{Locator, Row, Table, TableError, TableOptions, TableWarning, csv, parquet, parquet_folder};
use crate::{Limits, Problem};

/// Reads one file, refusing it by size before memory is taken.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, Problem> {
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable { reason: error.to_string() },
    };
    let file = std::fs::File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(Problem::Unreadable { reason: "it is a folder".to_owned() });
    }
    limits.check_bytes(metadata.len())?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    // A file may grow, or a device may have no length: the limit holds for what is read, too.
    file.take(limits.encoded_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(refused)?;
    limits.check_bytes(bytes.len() as u64)?;
    if bytes.is_empty() { Err(Problem::Empty) } else { Ok(bytes) }
}

/// Every file below a folder, hidden ones left out, links followed, in the order of their paths; and what could not be
/// searched.
pub(super) fn below(folder: &Path) -> (Vec<PathBuf>, Vec<TableWarning>) {
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).hidden(true).follow_links(true).sort_by_file_path(Ord::cmp);
    let (mut files, mut warnings) = (Vec::new(), Vec::new());
    for entry in walk.build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => warnings.push(TableWarning::Unsearched { reason: error.to_string() }),
        }
    }
    (files, warnings)
}

/// Whether a path's last part begins with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// A table without labels from files, folders and parquet tables.
pub(super) fn open(paths: &[PathBuf], limits: Limits) -> Result<Table, TableError> {
    let source = paths.first().cloned().unwrap_or_default();
    let mut table = Table::empty(&source);
    table.limits = limits;
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| TableError::io(path, error))?;
        if metadata.is_dir() {
            add_folder(&mut table, path)?;
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            add_csv(&mut table, path)?;
        } else {
            add_file(&mut table, path.clone())?;
        }
    }
    if table.rows.is_empty() {
        return Err(TableError::NoRows { path: source, skipped: table.skipped.len() });
    }
    Ok(table)
}

fn add_folder(table: &mut Table, folder: &Path) -> Result<(), TableError> {
    let (files, warnings) = below(folder);
    table.warnings.extend(warnings);
    files.into_iter().try_for_each(|file| add_file(table, file))
}

/// The images that a CSV points at. One that lies in a folder of images is no image and is named as such.
fn add_csv(table: &mut Table, path: &Path) -> Result<(), TableError> {
    let options = TableOptions { keep_unlabelled: true, ..TableOptions::default() };
    let part = csv::open(path, &options)?;
    table.rows.extend(part.rows.into_iter().map(|row| Row { label: None, attributes: Vec::new(), ..row }));
    table.skipped.extend(part.skipped);
    table.warnings.extend(part.warnings);
    table.parquet.extend(part.parquet);
    Ok(())
}

fn add_file(table: &mut Table, path: PathBuf) -> Result<(), TableError> {
    if path.extension().is_some_and(|extension| extension == "parquet") && parquet::is_parquet(&path)? {
        let options = TableOptions { limits: table.limits, ..TableOptions::default() };
        let part = parquet_folder::open_unlabelled(&path, &options)?;
        table.rows.extend(part.rows.into_iter().map(|row| Row { label: None, attributes: Vec::new(), ..row }));
        table.skipped.extend(part.skipped);
        table.parquet.extend(part.parquet);
        return Ok(());
    }
    let locator = Locator::File(path);
    table.rows.push(Row { locator, label: None, group: None, split: None, attributes: Vec::new(), intervention: None });
    Ok(())
}
