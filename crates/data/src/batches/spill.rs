//! Pixels on disk: one temporary file without a name, which the system removes when the program ends in whatever way (where
//! the system has no such files, it is removed when it is closed).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::BatchError;

/// A file that pixels are added to and read from by place.
#[derive(Debug)]
pub(super) struct Spill {
    folder: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl Spill {
    pub fn new(folder: &Path) -> Result<Self, BatchError> {
        let folder = folder.to_path_buf();
        match tempfile::tempfile_in(&folder) {
            Ok(file) => Ok(Self { folder, file: Mutex::new(file), length: 0 }),
            Err(source) => Err(BatchError::Spill { folder, source }),
        }
    }

    /// Adds pixels at the end and gives their place.
    pub fn add(&mut self, pixels: &[u8]) -> Result<u64, BatchError> {
        let place = self.length;
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file.seek(SeekFrom::Start(place)).and_then(|_| file.write_all(pixels));
        written.map_err(|source| BatchError::Spill { folder: self.folder.clone(), source })?;
        self.length += pixels.len() as u64;
        Ok(place)
    }

    /// Fills `pixels` from a place on.
    pub fn read(&self, place: u64, pixels: &mut [u8]) -> Result<(), BatchError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(pixels));
        read.map_err(|source| BatchError::Spill { folder: self.folder.clone(), source })
    }

    /// Bytes on disk.
    pub fn length(&self) -> u64 {
        self.length
    }
}
