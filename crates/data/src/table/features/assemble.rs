//! From named arrays to a table: which array is what, by its name and shape.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::arrays::{Array, Content, Values};
use super::{FeatureBlock, FeatureTable};
use crate::table::options::list;
use crate::table::{Locator, Row, Skipped, Split, Table, TableError, TableOptions, TableWarning};

/// Names of the array of labels; the first that exists is taken.
pub(super) const LABELS: [&str; 3] = ["label", "labels", "y"];
const DOMAINS: [&str; 2] = ["domain", "domains"];
const GROUPS: [&str; 2] = ["group", "groups"];
const SPLITS: [&str; 2] = ["split", "splits"];
/// Names that are never features.
pub(super) const ROLES: [&str; 11] =
    ["label", "labels", "y", "domain", "domains", "group", "groups", "split", "splits", "id", "classes"];

pub(super) fn labelled(path: &Path, content: Content, options: &TableOptions) -> Result<FeatureTable, TableError> {
    let content = join_domains(path, content)?;
    let parts = Parts::of(path, content)?;
    let labels = parts.labels(options)?;
    let mut warnings = Vec::new();
    let (classes, labels) = classes(path, labels, parts.classes.as_deref(), &mut warnings)?;
    let mut made = parts.table(options, classes)?;
    made.table.warnings = warnings;
    for (row, label) in made.table.rows.iter_mut().zip(labels) {
        row.label = label;
    }
    if !options.keep_unlabelled {
        let missing: Vec<Row> = made.table.rows.extract_if(.., |row| row.label.is_none()).collect();
        let skipped = missing
            .into_iter()
            .map(|row| Skipped { locator: row.locator.to_string(), reason: "it has no label".to_owned() });
        made.table.skipped.extend(skipped);
    }
    Ok(made)
}

pub(super) fn unlabelled(path: &Path, content: Content) -> Result<FeatureTable, TableError> {
    let parts = Parts::of(path, join_domains(path, content)?)?;
    parts.table(&TableOptions::default(), Vec::new())
}

/// `NAME.x` and `NAME.y` for every domain become one block, one list of labels and one of domains.
fn join_domains(path: &Path, mut content: Content) -> Result<Content, TableError> {
    let names: Vec<String> =
        content.arrays.iter().filter_map(|array| array.name.strip_suffix(".x").map(str::to_owned)).collect();
    let find = |name: String| content.arrays.iter().find(|array| array.name == name);
    let pairs: Option<Vec<(&Array, &Array)>> =
        names.iter().map(|name| Some((find(format!("{name}.x"))?, find(format!("{name}.y"))?))).collect();
    let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) else { return Ok(content) };
    let (mut values, mut labels, mut domains, mut width) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (name, (x, y)) in names.iter().zip(&pairs) {
        let (rows, columns) = matrix(path, x)?;
        if *width.get_or_insert(columns) != columns {
            let reason =
                format!("`{}` has {columns} columns, `{}` has {}", x.name, pairs[0].0.name, width.unwrap_or(0));
            return Err(refused(path, reason));
        }
        one_each(path, y, rows, &x.name)?;
        let Values::Floats(part) = &x.values else { return Err(refused(path, format!("`{}` holds texts", x.name))) };
        let Values::Integers(part_labels) = &y.values else {
            return Err(refused(path, format!("`{}` holds {}, expected whole numbers", y.name, y.values.kind())));
        };
        values.extend_from_slice(part);
        labels.extend_from_slice(part_labels);
        domains.extend(std::iter::repeat_n(name.clone(), rows));
    }
    let rows = labels.len();
    content.arrays = vec![
        Array::new("features", vec![rows, width.unwrap_or(0)], Values::Floats(values)),
        Array::new("label", vec![rows], Values::Integers(labels)),
        Array::texts("domain", domains),
    ];
    Ok(content)
}

/// Rows and columns of an array of features.
fn matrix(path: &Path, array: &Array) -> Result<(usize, usize), TableError> {
    match array.shape[..] {
        [rows, columns] if columns > 0 => Ok((rows, columns)),
        _ => {
            let reason = format!("`{}` has shape {:?}; features are [rows, columns]", array.name, array.shape);
            Err(refused(path, reason))
        }
    }
}

/// Refuses a list that is not one value a row.
fn one_each(path: &Path, array: &Array, rows: usize, features: &str) -> Result<(), TableError> {
    if array.shape[..] == [rows] {
        return Ok(());
    }
    let reason = format!("`{}` has shape {:?}; `{features}` has {rows} rows", array.name, array.shape);
    Err(refused(path, reason))
}

fn refused(path: &Path, reason: String) -> TableError {
    TableError::NotFeatures { path: path.to_path_buf(), reason }
}

/// The arrays by what they are.
struct Parts {
    path: Arc<Path>,
    rows: usize,
    blocks: Vec<FeatureBlock>,
    /// Lists with one value a row.
    lists: Vec<Array>,
    classes: Option<Vec<String>>,
    domains: Option<Vec<String>>,
}

impl Parts {
    fn of(path: &Path, content: Content) -> Result<Self, TableError> {
        let Content { arrays, mut classes, domains } = content;
        let names: Vec<String> = arrays.iter().map(|array| array.name.clone()).collect();
        let (mut blocks, mut lists, mut rows) = (Vec::new(), Vec::new(), None);
        for array in arrays {
            match (array.name.as_str(), &array.values) {
                ("classes", Values::Texts(names)) => classes = Some(names.clone()),
                (name, _) if ROLES.contains(&name) && array.shape.len() != 1 => {
                    let reason = format!("`{name}` has shape {:?}, expected one value a row", array.shape);
                    return Err(refused(path, reason));
                }
                (_, Values::Floats(values)) if array.shape.len() != 1 => {
                    let (count, width) = matrix(path, &array)?;
                    finite(path, &array, values, width)?;
                    if *rows.get_or_insert(count) != count {
                        let reason =
                            format!("`{}` has {count} rows, the block before it {}", array.name, rows.unwrap_or(0));
                        return Err(refused(path, reason));
                    }
                    let Values::Floats(values) = array.values else { continue };
                    blocks.push(FeatureBlock { name: array.name, width, values });
                }
                _ => lists.push(array),
            }
        }
        let (Some(rows), Some(first)) = (rows, blocks.first()) else {
            let reason =
                format!("no features: none of its arrays is [rows, columns] of numbers (found {})", list(&names));
            return Err(refused(path, reason));
        };
        lists.iter().try_for_each(|array| one_each(path, array, rows, &first.name))?;
        Ok(Self { path: Arc::from(path), rows, blocks, lists, classes, domains })
    }

    fn find(&self, names: &[&str]) -> Option<&Array> {
        names.iter().find_map(|name| self.lists.iter().find(|array| array.name == *name))
    }

    fn need(&self, name: &str) -> Result<&Array, TableError> {
        self.find(&[name]).ok_or_else(|| TableError::NoColumn {
            path: self.path.to_path_buf(),
            column: name.to_owned(),
            found: format!("lists with one value a row: {}", list(&self.names())),
        })
    }

    fn names(&self) -> Vec<String> {
        self.lists.iter().map(|array| array.name.clone()).collect()
    }

    fn labels(&self, options: &TableOptions) -> Result<&Array, TableError> {
        match &options.label {
            Some(name) => self.need(name),
            None => match self.find(&LABELS) {
                Some(labels) => Ok(labels),
                None => self.need(LABELS[0]),
            },
        }
    }

    /// The table without labels.
    fn table(self, options: &TableOptions, classes: Vec<String>) -> Result<FeatureTable, TableError> {
        let label = options.label.as_deref();
        let is_label = |array: &&Array| label.map_or(LABELS.contains(&array.name.as_str()), |name| array.name == name);
        let group = match &options.group {
            Some(name) => Some(self.need(name)?),
            None => self.find(&GROUPS),
        };
        let group = group.map(|array| self.texts(array)).transpose()?;
        let splits = self.find(&SPLITS).map(|array| self.splits(array)).transpose()?;
        let attributes = self.lists.iter().filter(|array| !is_label(array) && !SPLITS.contains(&array.name.as_str()));
        let attributes: Vec<(String, Vec<String>)> = attributes
            .map(|array| Ok((plain_name(&array.name), self.texts(array)?)))
            .collect::<Result<_, TableError>>()?;
        let mut table = Table::empty(&self.path);
        table.classes = classes;
        table.attributes = attributes.iter().map(|(name, _)| name.clone()).collect();
        table.rows = (0..self.rows)
            .map(|row| Row {
                locator: Locator::Row { path: self.path.clone(), row },
                label: None,
                group: group.as_ref().map(|values| values[row].clone()).filter(|group| !group.is_empty()),
                split: splits.as_ref().and_then(|splits| splits[row]),
                attributes: attributes.iter().map(|(_, values)| values[row].clone()).collect(),
                intervention: None,
            })
            .collect();
        Ok(FeatureTable { table, blocks: self.blocks })
    }

    /// A list as texts; numbers of domains get their names.
    fn texts(&self, array: &Array) -> Result<Vec<String>, TableError> {
        let names = if DOMAINS.contains(&array.name.as_str()) { self.domains.as_deref() } else { None };
        match (&array.values, names) {
            (Values::Texts(texts), _) => Ok(texts.clone()),
            (Values::Integers(numbers), None) => Ok(numbers.iter().map(i64::to_string).collect()),
            (Values::Integers(numbers), Some(names)) => numbers
                .iter()
                .enumerate()
                .map(|(row, number)| {
                    let name = usize::try_from(*number).ok().and_then(|at| names.get(at)).cloned();
                    let reason = format!("row {row}: domain {number} is outside the {} named domains", names.len());
                    name.ok_or_else(|| refused(&self.path, reason))
                })
                .collect(),
            (Values::Floats(_), _) => {
                let reason = format!("`{}` holds numbers with fractions, expected texts or whole numbers", array.name);
                Err(refused(&self.path, reason))
            }
        }
    }

    fn splits(&self, array: &Array) -> Result<Vec<Option<Split>>, TableError> {
        let split = |(row, name): (usize, String)| {
            if name.is_empty() {
                return Ok(None);
            }
            let reason = format!("row {row}: split `{name}` is none of train, validation, test");
            Split::named(&name).map(Some).ok_or_else(|| refused(&self.path, reason))
        };
        self.texts(array)?.into_iter().enumerate().map(split).collect()
    }
}

/// `domains` is the column `domain`.
fn plain_name(name: &str) -> String {
    match name {
        "domains" => "domain".to_owned(),
        "groups" => "group".to_owned(),
        other => other.to_owned(),
    }
}

fn finite(path: &Path, array: &Array, values: &[f32], width: usize) -> Result<(), TableError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(TableError::NotFinite {
            path: path.to_path_buf(),
            row: at / width,
            column: array.column_name(at % width),
            value: values[at],
        }),
    }
}

type Labels = Vec<Option<usize>>;

/// Class names and the label of each row. With names a number is an index; without, it is its own name. Empty texts and negative
/// numbers stand for no label.
fn classes(
    path: &Path,
    labels: &Array,
    named: Option<&[String]>,
    warnings: &mut Vec<TableWarning>,
) -> Result<(Vec<String>, Labels), TableError> {
    match (&labels.values, named) {
        (Values::Texts(texts), None) => {
            let names: BTreeSet<&String> = texts.iter().filter(|text| !text.is_empty()).collect();
            let names: Vec<String> = names.into_iter().cloned().collect();
            let labels = texts.iter().map(|text| names.binary_search(text).ok()).collect();
            Ok((names, labels))
        }
        (Values::Texts(texts), Some(names)) => {
            let label = |(row, text): (usize, &String)| match names.iter().position(|name| name == text) {
                None if !text.is_empty() => {
                    let reason = format!("row {row}: label `{text}` is none of the {} named classes", names.len());
                    Err(refused(path, reason))
                }
                found => Ok(found),
            };
            Ok((distinct(path, names)?, texts.iter().enumerate().map(label).collect::<Result<_, _>>()?))
        }
        (Values::Integers(numbers), Some(names)) => {
            let label = |(row, number): (usize, &i64)| match usize::try_from(*number) {
                Ok(label) if label >= names.len() => {
                    let reason = format!("row {row}: label {number} is outside the {} named classes", names.len());
                    Err(refused(path, reason))
                }
                label => Ok(label.ok()),
            };
            Ok((distinct(path, names)?, numbers.iter().enumerate().map(label).collect::<Result<_, _>>()?))
        }
        (Values::Integers(numbers), None) => {
            let found: BTreeSet<i64> = numbers.iter().copied().filter(|number| *number >= 0).collect();
            let found: Vec<i64> = found.into_iter().collect();
            warnings.push(TableWarning::NumberedClasses { count: found.len() });
            let labels = numbers.iter().map(|number| found.binary_search(number).ok()).collect();
            Ok((found.iter().map(i64::to_string).collect(), labels))
        }
        (Values::Floats(_), _) => {
            let reason =
                format!("`{}` holds numbers with fractions, expected class names or whole numbers", labels.name);
            Err(refused(path, reason))
        }
    }
}

fn distinct(path: &Path, names: &[String]) -> Result<Vec<String>, TableError> {
    let count = |name: &String| names.iter().filter(|other| *other == name).count();
    match names.iter().find(|name| count(name) > 1) {
        Some(class) => {
            Err(TableError::DuplicateClass { path: path.to_path_buf(), class: class.clone(), count: count(class) })
        }
        None => Ok(names.to_vec()),
    }
}
