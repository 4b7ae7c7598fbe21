//! Parquet data sets in the layout of Hugging Face `datasets`: one or more files, splits by file name, class names from the
//! `huggingface` metadata or a `labels.txt` beside the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::is_hidden;
use super::options::list;
use super::parquet::{ParquetFile, Scalars};
use super::{Locator, Row, Skipped, Split, Table, TableError, TableOptions, TableWarning};

type Found = Vec<(Option<Split>, PathBuf)>;

/// The split a file's name begins with: `train`, `train-00000-of-00002`, `test_a`, ...
pub(super) fn split_of(stem: &str) -> Option<Split> {
    Split::named(stem.split(['-', '_', '.']).next().unwrap_or_default())
}

/// The parquet files of a folder, or of its `data` folder; `None` when there are none.
pub(super) fn files(folder: &Path) -> Result<Option<Found>, TableError> {
    for place in [folder.to_path_buf(), folder.join("data")] {
        if !place.is_dir() {
            continue;
        }
        let refused = |error| TableError::io(&place, error);
        let mut found: Found = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(refused)? {
            let path = entry.map_err(refused)?.path();
            if !is_hidden(&path) && path.is_file() && path.extension().is_some_and(|extension| extension == "parquet") {
                found.push((split_of(&path.file_stem().unwrap_or_default().to_string_lossy()), path));
            }
        }
        if !found.is_empty() {
            found.sort();
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A warning for each `name-00000-of-00002` whose number of files is not the one promised.
fn missing_shards(found: &Found) -> Vec<TableWarning> {
    let mut shards: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for (_, path) in found {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some((head, expected)) = stem.rsplit_once("-of-") else { continue };
        if let (Some((name, _)), Ok(expected)) = (head.rsplit_once('-'), expected.parse()) {
            *shards.entry((name.to_owned(), expected)).or_default() += 1;
        }
    }
    let missing = shards.into_iter().filter(|((_, expected), found)| found < expected);
    missing.map(|((name, expected), found)| TableWarning::MissingShards { name, found, expected }).collect()
}

/// What one file says about its rows.
struct Part {
    split: Option<Split>,
    file: ParquetFile,
    labels: Scalars,
}

pub(super) fn open(source: &Path, mut found: Found, options: &TableOptions) -> Result<Table, TableError> {
    let mut table = Table::empty(source);
    if found.iter().any(|(split, _)| split.is_some()) {
        let beside = found.iter().filter(|(split, _)| split.is_none());
        table.warnings.extend(beside.map(|(_, path)| TableWarning::StrayFile { name: path.display().to_string() }));
        found.retain(|(split, _)| split.is_some());
    }
    table.warnings.extend(missing_shards(&found));
    let parts = found.into_iter().map(|(split, path)| part(split, &path, options)).collect::<Result<Vec<_>, _>>()?;
    let named = class_names(&parts, options)?;
    table.classes = match &named {
        Some(names) => names.clone(),
        None => classes_found(&parts, &mut table.warnings),
    };
    if let Some(first) = parts.first() {
        let used = [Some(options.label_column()), Some("split")];
        let columns = first.file.scalar_columns().into_iter();
        table.attributes = columns.filter(|column| !used.contains(&Some(column.as_str()))).collect();
    }
    for part in &parts {
        add(&mut table, part, named.is_some(), options)?;
    }
    Ok(table)
}

/// The images of one file without their labels.
pub(super) fn open_unlabelled(path: &Path, options: &TableOptions) -> Result<Table, TableError> {
    let mut table = Table::empty(path);
    table.limits = options.limits;
    let images = Arc::new(ParquetFile::open(path)?.images()?);
    table.rows = (0..images.rows())
        .map(|row| Row {
            locator: Locator::Parquet { path: images.path().clone(), row },
            label: None,
            group: None,
            split: None,
            attributes: Vec::new(),
            intervention: None,
        })
        .collect();
    table.parquet.push(images);
    Ok(table)
}

fn part(split: Option<Split>, path: &Path, options: &TableOptions) -> Result<Part, TableError> {
    let file = ParquetFile::open(path)?;
    let column = options.label_column();
    let labels = file.scalars(column)?.ok_or_else(|| no_column(&file, column))?;
    Ok(Part { split, file, labels })
}

fn no_column(file: &ParquetFile, column: &str) -> TableError {
    let found = format!("columns: {}", list(&file.scalar_columns()));
    TableError::NoColumn { path: file.path().to_path_buf(), column: column.to_owned(), found }
}

/// Class names that the data set gives; every file that gives some must give the same.
fn class_names(parts: &[Part], options: &TableOptions) -> Result<Option<Vec<String>>, TableError> {
    let mut agreed: Option<(PathBuf, Vec<String>)> = None;
    for part in parts {
        let path = part.file.path().to_path_buf();
        let Some(names) = names_in_metadata(&part.file, options.label_column()) else { continue };
        match &agreed {
            Some((other, first)) if *first != names => return Err(differ(&path, other, &names, first)),
            Some(_) => {}
            None => agreed = Some((path, names)),
        }
    }
    // `labels.txt` names the classes of the column `label`, and of no other.
    if agreed.is_none() && options.label_column() == "label" {
        agreed = names_beside(parts)?;
    }
    let Some((path, names)) = agreed else { return Ok(None) };
    for class in &names {
        let count = names.iter().filter(|name| *name == class).count();
        if count > 1 {
            return Err(TableError::DuplicateClass { path, class: class.clone(), count });
        }
    }
    Ok(Some(names))
}

fn differ(path: &Path, other: &Path, names: &[String], first: &[String]) -> TableError {
    let at = (0..names.len().max(first.len())).find(|at| names.get(*at) != first.get(*at)).unwrap_or(0);
    let show = |names: &[String]| names.get(at).map_or("nothing".to_owned(), |name| format!("`{name}`"));
    let difference = format!("class {at} is {} here and {} there", show(names), show(first));
    TableError::ClassesDiffer { path: path.to_path_buf(), other: other.to_path_buf(), difference }
}

/// Names of a `ClassLabel` feature in the metadata that `datasets` writes: a list, or an object from number to name.
pub(super) fn names_in_metadata(file: &ParquetFile, column: &str) -> Option<Vec<String>> {
    let metadata: serde_json::Value = serde_json::from_str(file.metadata("huggingface")?).ok()?;
    let text = |name: &serde_json::Value| name.as_str().map(str::to_owned);
    match metadata.get("info")?.get("features")?.get(column)?.get("names")? {
        serde_json::Value::Array(names) => names.iter().map(text).collect(),
        serde_json::Value::Object(names) => (0..names.len()).map(|at| text(names.get(&at.to_string())?)).collect(),
        _ => None,
    }
}

fn names_beside(parts: &[Part]) -> Result<Option<(PathBuf, Vec<String>)>, TableError> {
    let Some(folder) = parts.first().and_then(|part| part.file.path().parent()) else { return Ok(None) };
    let path = folder.join("labels.txt");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let names = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
            Ok(Some((path, names)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TableError::io(&path, error)),
    }
}

/// Classes of a data set that names none: the texts, or the numbers in their order.
fn classes_found(parts: &[Part], warnings: &mut Vec<TableWarning>) -> Vec<String> {
    let (mut texts, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for part in parts {
        match &part.labels {
            Scalars::Texts(values) => texts.extend(values.iter().flatten().cloned()),
            Scalars::Numbers(values) => numbers.extend(values.iter().flatten().copied().filter(|value| *value >= 0)),
        }
    }
    if !numbers.is_empty() {
        warnings.push(TableWarning::NumberedClasses { count: numbers.len() });
    }
    numbers.iter().map(i64::to_string).chain(texts).collect()
}

/// Whether a row says that it has no label: by a null or a negative number.
fn is_unlabelled(labels: &Scalars, row: usize) -> bool {
    match labels {
        Scalars::Texts(values) => values.get(row).is_some_and(Option::is_none),
        Scalars::Numbers(values) => values.get(row).is_some_and(|value| value.is_none_or(|number| number < 0)),
    }
}

/// The label of row `row`, or why it has none. With names a number is an index; without, it is its own name.
fn label(labels: &Scalars, row: usize, classes: &[String], named: bool) -> Result<usize, String> {
    match labels {
        Scalars::Texts(values) => match values.get(row).and_then(Option::as_ref) {
            None => Err("the label is null".to_owned()),
            Some(text) => classes
                .iter()
                .position(|class| class == text)
                .ok_or_else(|| format!("label `{text}` is none of the {} named classes", classes.len())),
        },
        Scalars::Numbers(values) => match values.get(row).copied().flatten() {
            None => Err("the label is null".to_owned()),
            Some(number) if named => usize::try_from(number)
                .ok()
                .filter(|label| *label < classes.len())
                .ok_or_else(|| format!("label {number} is outside the {} named classes", classes.len())),
            Some(number) => classes
                .iter()
                .position(|class| *class == number.to_string())
                .ok_or_else(|| format!("label {number} is negative, which stands for no label")),
        },
    }
}

fn add(table: &mut Table, part: &Part, named: bool, options: &TableOptions) -> Result<(), TableError> {
    let images = Arc::new(part.file.images()?);
    let attributes = table.attributes.iter().map(|column| texts(&part.file, column)).collect::<Result<Vec<_>, _>>()?;
    let splits = if part.split.is_none() { part.file.scalars("split")? } else { None };
    let groups = match &options.group {
        Some(column) => Some(texts(&part.file, column)?),
        None if part.file.scalar_columns().iter().any(|column| column == "group") => Some(texts(&part.file, "group")?),
        None => None,
    };
    for row in 0..images.rows() {
        let locator = Locator::Parquet { path: images.path().clone(), row };
        let split = part.split.or_else(|| match &splits {
            Some(Scalars::Texts(names)) => Split::named(names.get(row)?.as_deref()?),
            _ => None,
        });
        let text = |values: &Vec<Option<String>>| values.get(row).cloned().flatten();
        let label = match options.keep_unlabelled && is_unlabelled(&part.labels, row) {
            true => Ok(None),
            false => label(&part.labels, row, &table.classes, named).map(Some),
        };
        match label {
            Ok(label) => table.rows.push(Row {
                locator,
                label,
                group: groups.as_ref().and_then(text),
                split,
                attributes: attributes.iter().map(|values| text(values).unwrap_or_default()).collect(),
                intervention: None,
            }),
            Err(reason) => table.skipped.push(Skipped { locator: locator.to_string(), reason }),
        }
    }
    table.parquet.push(images);
    Ok(())
}

/// A scalar column as texts; numbers of a `ClassLabel` get their names.
fn texts(file: &ParquetFile, column: &str) -> Result<Vec<Option<String>>, TableError> {
    let names = names_in_metadata(file, column);
    Ok(match file.scalars(column)?.ok_or_else(|| no_column(file, column))? {
        Scalars::Texts(values) => values,
        Scalars::Numbers(values) => {
            let name = |number: i64| {
                let given = names.as_ref().and_then(|names| names.get(usize::try_from(number).ok()?)).cloned();
                given.unwrap_or_else(|| number.to_string())
            };
            values.into_iter().map(|value| value.map(name)).collect()
        }
    })
}
