//! One method on one backbone, fitted on one draw and judged: the unit that is computed, kept and never computed again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CompareError, Cost};
use crate::calibration::Answer;
use crate::fit::judge::Judged;
use crate::fit::scores::most_probable;
use crate::heads::LayerShare;
use crate::store::write_atomically;

/// Folder below the cache.
pub(crate) const FOLDER: &str = "cells-v1";
/// Raised whenever a change of a method or of a measure changes what a cell holds.
const CELLS: u32 = 2;

/// Everything that decides the content of a cell.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Key<'a> {
    /// Version of this program.
    pub version: &'a str,
    /// Digest of the backbone, its preprocessing and the kernels.
    pub base: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// Its settings.
    pub settings: &'a str,
    /// BLAKE3 over the images and labels of the training rows, their folds, and the images and labels of the judged rows.
    pub rows: &'a str,
    /// Seed of what the method draws.
    pub seed: u64,
}

impl Key<'_> {
    /// Name of the cell's file.
    fn name(&self) -> Result<String, CompareError> {
        name_of(self)
    }
}

/// Name of the file of a result that `key` decides.
///
/// # Errors
/// A key that JSON has no form for.
pub fn name_of(key: &impl Serialize) -> Result<String, CompareError> {
    let json = serde_json::to_vec(&(CELLS, key)).map_err(|error| CompareError::Cell { reason: error.to_string() })?;
    Ok(blake3::hash(&json).to_hex().to_string())
}

/// What is kept of a cell. Lists run over the judged rows in the order of the draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    /// Settings that were chosen, in words.
    pub choice: String,
    /// The class given to each row.
    pub predicted: Vec<usize>,
    /// What was said of each row.
    pub calibrated: Said,
    /// The same with a temperature of 1.
    pub uncalibrated: Said,
    /// What it cost.
    pub cost: Cost,
    /// What `head2toe` kept of each layer, by depth; empty for other methods, and where it took the last layer alone.
    #[serde(default)]
    pub layers: Vec<LayerShare>,
}

/// What was said of every row, as [`Answer`] has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub confidence: Vec<f64>,
    pub label_probability: Vec<f64>,
    pub brier: Vec<f64>,
}

impl Said {
    fn of(answers: &[Answer]) -> Self {
        let column = |value: &dyn Fn(&Answer) -> f64| answers.iter().map(value).collect();
        Self {
            confidence: column(&|answer| answer.confidence),
            label_probability: column(&|answer| answer.label_probability),
            brier: column(&|answer| answer.brier),
        }
    }

    fn lengths(&self) -> [usize; 3] {
        [self.confidence.len(), self.label_probability.len(), self.brier.len()]
    }
}

impl Cell {
    /// The cell of rows judged, whose classes are `labels` of `classes`.
    pub fn new(choice: String, judged: &Judged, labels: &[usize], classes: usize, cost: Cost) -> Self {
        let answers = |probabilities: &[f32]| -> Vec<Answer> {
            probabilities.chunks(classes.max(1)).zip(labels).map(|(row, label)| Answer::of(row, *label)).collect()
        };
        let calibrated = answers(&judged.probabilities);
        Self {
            choice,
            predicted: judged.probabilities.chunks(classes.max(1)).map(most_probable).collect(),
            calibrated: Said::of(&calibrated),
            uncalibrated: Said::of(&answers(&judged.uncalibrated)),
            cost,
            layers: Vec::new(),
        }
    }

    /// Answers for judged rows of the classes `labels`, after or before calibration.
    pub fn answers(&self, labels: &[usize], calibrated: bool) -> Vec<Answer> {
        let said = if calibrated { &self.calibrated } else { &self.uncalibrated };
        let rows =
            labels.iter().zip(&self.predicted).zip(&said.confidence).zip(&said.label_probability).zip(&said.brier);
        rows.map(|((((label, predicted), &confidence), &label_probability), &brier)| Answer {
            confidence,
            right: predicted == label,
            label_probability,
            brier,
        })
        .collect()
    }
}

/// Results in a cache folder, each under a name that everything which decides it gives it ([`name_of`]).
#[derive(Debug, Clone)]
pub struct Cells {
    folder: PathBuf,
}

impl Cells {
    /// Those in the folder `cache`.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        Self { folder: cache.join(FOLDER) }
    }

    /// The cell, if it has been computed; its lists must run over `rows` rows.
    pub(super) fn load(&self, key: &Key<'_>, rows: usize) -> Result<Option<Cell>, CompareError> {
        let name = key.name()?;
        let Some(cell) = self.read::<Cell>(&name)? else { return Ok(None) };
        let lengths = [[cell.predicted.len(); 3], cell.calibrated.lengths(), cell.uncalibrated.lengths()];
        if let Some(other) = lengths.as_flattened().iter().find(|length| **length != rows) {
            let reason = format!("a list holds {other} rows, {rows} expected");
            return Err(CompareError::Broken { path: self.path(&name), reason });
        }
        Ok(Some(cell))
    }

    pub(super) fn save(&self, key: &Key<'_>, cell: &Cell) -> Result<(), CompareError> {
        self.write(&key.name()?, cell)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Where a network of this name lies, whether it is there or not. The folder is.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn network(&self, name: &str) -> Result<PathBuf, CompareError> {
        let path = self.folder.join(format!("{name}.safetensors"));
        fs::create_dir_all(&self.folder).map_err(|error| CompareError::Io { path: path.clone(), error })?;
        Ok(path)
    }

    /// Whether a result of this name has been computed.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Any result by its name, if it has been computed.
    ///
    /// # Errors
    /// A file that cannot be read, or is no such result.
    pub fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CompareError> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CompareError::Io { path, error }),
        };
        let result = serde_json::from_slice(&bytes);
        result.map(Some).map_err(|error| CompareError::Broken { path, reason: error.to_string() })
    }

    /// Keeps any result under its name.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write<T: Serialize>(&self, name: &str, result: &T) -> Result<(), CompareError> {
        let path = self.path(name);
        let json = serde_json::to_vec(result).map_err(|error| CompareError::Cell { reason: error.to_string() })?;
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_atomically(&path, &[&json]))
            .map_err(|error| CompareError::Io { path, error })
    }
}

/// Results of comparisons in a cache folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Kept {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What comparisons have kept in the folder `cache`.
///
/// # Errors
/// A folder that cannot be read. One that does not exist holds nothing.
pub fn kept(cache: &Path) -> Result<Kept, CompareError> {
    let folder = cache.join(FOLDER);
    let failed = |error| CompareError::Io { path: folder.clone(), error };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
        other => other.map_err(failed)?,
    };
    let mut kept = Kept::default();
    for entry in entries {
        let bytes = entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
        kept = Kept { files: kept.files + 1, bytes: kept.bytes + bytes };
    }
    Ok(kept)
}

/// Removes what comparisons have kept in the folder `cache`.
///
/// # Errors
/// A folder that cannot be removed.
pub fn forget(cache: &Path) -> Result<Kept, CompareError> {
    let removed = kept(cache)?;
    let folder = cache.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CompareError::Io { path: folder, error }),
        _ => Ok(removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rows: &str) -> Key<'_> {
        Key { version: "1", base: "b", method: "linear", settings: "s", rows, seed: 0 }
    }

    fn cell() -> Cell {
        let probabilities = vec![0.1, 0.9, 1.0 / 3.0, 2.0 / 3.0];
        let judged = Judged { rows: vec![0, 1], uncalibrated: probabilities.clone(), probabilities };
        Cell::new("penalty 1".into(), &judged, &[1, 0], 2, Cost::default())
    }

    #[test]
    fn answers_are_those_of_the_probabilities() {
        let answers = cell().answers(&[1, 0], true);
        assert_eq!(answers, [Answer::of(&[0.1, 0.9], 1), Answer::of(&[1.0 / 3.0, 2.0 / 3.0], 0)]);
    }

    #[test]
    fn what_is_kept_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(folder.path());
        assert_eq!(cells.load(&key("r"), 2).unwrap(), None);
        cells.save(&key("r"), &cell()).unwrap();
        assert_eq!(cells.load(&key("r"), 2).unwrap(), Some(cell()));
        assert_eq!(cells.load(&key("other"), 2).unwrap(), None, "another key is another cell");
    }

    #[test]
    fn what_is_kept_can_be_counted_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(folder.path()).unwrap(), Kept::default());
        let cells = Cells::new(folder.path());
        cells.save(&key("r"), &cell()).unwrap();
        assert_eq!(forget(folder.path()).unwrap().files, 1);
        assert_eq!(cells.load(&key("r"), 2).unwrap(), None);
    }

    #[test]
    fn a_cell_that_is_none_is_named_and_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(folder.path());
        cells.save(&key("r"), &cell()).unwrap();
        assert!(matches!(cells.load(&key("r"), 3), Err(CompareError::Broken { .. })));
        let path = folder.path().join(FOLDER).join(format!("{}.json", key("r").name().unwrap()));
        fs::write(&path, b"{\"choice\":").unwrap();
        let message = cells.load(&key("r"), 2).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
}
