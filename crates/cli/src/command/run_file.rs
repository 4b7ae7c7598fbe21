//! `run.json`: what was done, by what, on what, and what came of it; enough to repeat the run and to compare.

use std::path::{Path, PathBuf};

use heirloom_engine::Isa;
use heirloom_transfer::artifact::tensors_digest;
use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::failure::Failure;

/// The format's name.
const FORMAT: &str = "heirloom-run-1";

/// The record of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// `heirloom-run-1`.
    pub format: String,
    /// Version of the program.
    pub version: String,
    /// What was typed after the program's name.
    pub command: Vec<String>,
    /// The folder it was typed in.
    pub directory: PathBuf,
    /// Kernels that did the arithmetic.
    pub kernels: Isa,
    /// What went in.
    pub inputs: Inputs,
    /// What came out.
    pub result: RunResult,
}

/// What went into a run, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// BLAKE3 over the content digests of the rows used, in order; `None` where one could not be read again.
    pub data: Option<String>,
    /// Digest of the weights that the run began with; `None` where it began with a table of features.
    pub backbone: Option<String>,
}

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The file, as it was typed.
    pub file: PathBuf,
    /// BLAKE3 over its tensors in order of their names: name, number type, shape and bytes.
    pub tensors: String,
    /// Accuracy on held-out rows, where there were any.
    pub accuracy: Option<f64>,
    /// Log loss on them.
    pub log_loss: Option<f64>,
}

impl RunFile {
    /// The record of a run that has just written `file`.
    pub fn new(
        command: Vec<String>,
        inputs: Inputs,
        file: &Path,
        accuracy: Option<f64>,
        log_loss: Option<f64>,
    ) -> Result<Self, Failure> {
        let directory =
            std::env::current_dir().map_err(|error| Failure::input(format!("the current folder: {error}")))?;
        let result = RunResult { file: file.to_path_buf(), tensors: tensors_digest(file)?, accuracy, log_loss };
        Ok(Self {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            directory,
            kernels: Isa::detect(),
            inputs,
            result,
        })
    }

    /// `photos.heirloom` -> `photos.run.json`.
    pub fn path(file: &Path) -> PathBuf {
        file.with_extension("run.json")
    }

    /// Writes it beside the file that the run made.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::internal)?;
        write_whole(path, (text + "\n").as_bytes())
    }

    /// Reads a record.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |reason: String| {
            Failure::input(format!("{}: {reason}", path.display()))
                .hint("give the .run.json that fit or pretrain wrote beside its result")
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let record: Self =
            serde_json::from_str(&text).map_err(|error| unusable(format!("no record of a run ({error})")))?;
        if record.format != FORMAT {
            return Err(unusable(format!("format '{}', expected '{FORMAT}'", record.format)));
        }
        Ok(record)
    }

    /// In what the repeated run `again` differs, in words.
    pub fn differences(&self, again: &Self) -> Vec<String> {
        let text = |value: &Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
        let kernels = |record: &Self| format!("{:?}", record.kernels).to_lowercase();
        let all = [
            ("tensors", self.result.tensors.clone(), again.result.tensors.clone()),
            ("accuracy", text(&self.result.accuracy), text(&again.result.accuracy)),
            ("log loss", text(&self.result.log_loss), text(&again.result.log_loss)),
            ("data", known(&self.inputs.data), known(&again.inputs.data)),
            ("backbone", known(&self.inputs.backbone), known(&again.inputs.backbone)),
            ("version", self.version.clone(), again.version.clone()),
            ("kernels", kernels(self), kernels(again)),
        ];
        let differ = all.into_iter().filter(|(_, before, now)| before != now);
        differ.map(|(what, before, now)| format!("{what}: {before}, now {now}")).collect()
    }

    /// Whether tensors and scores are the same to the last bit.
    pub fn same_result(&self, again: &Self) -> bool {
        let scores = |result: &RunResult| (result.accuracy.map(f64::to_bits), result.log_loss.map(f64::to_bits));
        self.result.tensors == again.result.tensors && scores(&self.result) == scores(&again.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RunFile {
        RunFile {
            format: FORMAT.into(),
            version: "1".into(),
            command: vec!["fit".into(), "photos".into()],
            directory: "/tmp".into(),
            kernels: Isa::Portable,
            inputs: Inputs { data: Some("d".into()), backbone: Some("b".into()) },
            result: RunResult { file: "m".into(), tensors: "t".into(), accuracy: Some(0.1 + 0.2), log_loss: None },
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.run.json");
        record().save(&path).unwrap();
        assert_eq!(RunFile::load(&path).unwrap(), record());
        assert!(record().same_result(&RunFile::load(&path).unwrap()));
    }

    #[test]
    fn what_differs_is_named() {
        let mut again = record();
        again.inputs.data = Some("e".into());
        again.result.accuracy = Some(0.3);
        assert_eq!(record().differences(&again), ["accuracy: 0.30000000000000004, now 0.3", "data: d, now e"]);
        assert!(!record().same_result(&again));
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, "{}").unwrap();
        assert!(RunFile::load(&path).unwrap_err().to_string().contains("no record of a run"));
    }
}
