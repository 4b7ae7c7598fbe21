//! Where predictions go: one of the formats, to a file that appears whole or to standard output as they come.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::csv::Csv;
use super::line::{Layout, Line};
use super::parquet::Parquet;
use crate::arguments::PredictionFormat;

/// What can go wrong while predictions are written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The format's writer refused.
    #[error("{0}")]
    Format(String),
}

impl From<parquet::errors::ParquetError> for WriteError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(other) => Self::Format(other.to_string()),
            },
            other => Self::Format(other.to_string()),
        }
    }
}

type Out = BufWriter<Box<dyn Write + Send>>;

/// A writer of one of the formats.
pub enum Writer {
    /// Comma-separated values.
    Csv(Csv<Out>),
    /// One JSON object a line.
    Jsonl(Out),
    /// A parquet table.
    Parquet(Parquet<Out>),
}

impl Writer {
    /// Begins the output.
    pub fn new(format: PredictionFormat, out: Box<dyn Write + Send>, layout: Layout) -> Result<Self, WriteError> {
        let out = BufWriter::new(out);
        Ok(match format {
            PredictionFormat::Csv => Self::Csv(Csv::new(out, layout)?),
            PredictionFormat::Jsonl => Self::Jsonl(out),
            PredictionFormat::Parquet => Self::Parquet(Parquet::new(out, layout)?),
        })
    }

    /// Appends lines.
    pub fn write(&mut self, lines: &[Line]) -> Result<(), WriteError> {
        match self {
            Self::Csv(csv) => csv.write(lines),
            Self::Jsonl(out) => {
                for line in lines {
                    let text = serde_json::to_string(line).map_err(|error| WriteError::Format(error.to_string()))?;
                    writeln!(out, "{text}")?;
                }
                Ok(out.flush()?)
            }
            Self::Parquet(parquet) => parquet.write(lines),
        }
    }

    /// Ends the output.
    pub fn finish(self) -> Result<(), WriteError> {
        let mut out = match self {
            Self::Csv(csv) => csv.finish()?,
            Self::Jsonl(out) => out,
            Self::Parquet(parquet) => parquet.finish()?,
        };
        Ok(out.flush()?)
    }
}

/// A file under a temporary name beside its own; [`Pending::keep`] renames it, dropping it removes it.
#[derive(Debug)]
pub struct Pending {
    temporary: PathBuf,
    path: PathBuf,
}

impl Pending {
    /// Opens the temporary file.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".partial-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary)?;
        Ok((Self { temporary, path: path.to_path_buf() }, file))
    }

    /// Gives the file its name.
    pub fn keep(self) -> io::Result<()> {
        File::open(&self.temporary)?.sync_all()?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After `keep` there is nothing left under this name.
        let _gone = fs::remove_file(&self.temporary);
    }
}
