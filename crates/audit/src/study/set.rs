//! A table with the digest of everything in it that decides a result.

use heirloom_data::{Split, Table};
use heirloom_transfer::extract::Images;

use super::StudyError;

/// A data set of the study.
#[derive(Debug, Clone)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What is in the pictures.
    pub about: String,
    /// Its rows.
    pub table: Table,
    /// BLAKE3 over images with what they carry, labels, splits and classes.
    pub(super) digest: String,
}

impl Set {
    /// Reads every image once for the digest.
    ///
    /// # Errors
    /// An image that cannot be read, a row without a label.
    pub fn new(name: &str, about: &str, table: Table) -> Result<Self, StudyError> {
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        let refuse = |reason: String| StudyError::Data { set: name.to_owned(), reason };
        let mut hasher = blake3::Hasher::new();
        for class in &table.classes {
            hasher.update(class.as_bytes()).update(&[0]);
        }
        let images = table.digests(&rows);
        for (row, digest) in table.rows.iter().zip(images) {
            let digest = digest.map_err(|problem| refuse(format!("{}: {problem}", row.locator)))?;
            let label = row.label.ok_or_else(|| refuse(format!("{} has no label", row.locator)))?;
            hasher.update(&digest).update(&(label as u64).to_le_bytes());
            hasher.update(&[u8::from(row.split == Some(Split::Test))]);
        }
        let digest = hasher.finalize().to_hex().to_string();
        Ok(Self { name: name.to_owned(), about: about.to_owned(), table, digest })
    }

    /// Label of a class.
    pub(super) fn class(&self, name: &str) -> Result<usize, StudyError> {
        let found = self.table.classes.iter().position(|class| class == name);
        let reason = || format!("there is no class '{name}' among {}", self.table.classes.join(", "));
        found.ok_or_else(|| StudyError::Data { set: self.name.clone(), reason: reason() })
    }

    /// Rows to train on, and test rows.
    pub(super) fn split(&self) -> [Vec<usize>; 2] {
        let is_test = |row: &usize| self.table.rows[*row].split == Some(Split::Test);
        let (test, train) = (0..self.table.rows.len()).partition(is_test);
        [train, test]
    }
}
