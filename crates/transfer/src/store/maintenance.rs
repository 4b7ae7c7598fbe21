//! Looking after the store: what it holds, how large it is, dropping what is old, checking every block.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::block::Block;
use super::write::TEMPORARY;
use super::{Base, Store, StoreError};

/// Temporary files older than this were left by a process that was killed.
const STALE: Duration = Duration::from_secs(3600);

/// What the store holds of one base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSummary {
    /// Name of the base's folder.
    pub digest: String,
    /// What it stands for; `None` where the description is missing.
    pub base: Option<Base>,
    /// Bytes of all blocks.
    pub bytes: u64,
    /// Number of blocks.
    pub blocks: usize,
    /// Images with features, counted by the sets of rows that have a block.
    pub rows: usize,
    /// Folders `tap@windows`, in order.
    pub taps: Vec<String>,
    /// Latest time a block was written or read.
    pub last_use: Option<SystemTime>,
}

/// What a clean-up removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The result of checking every block.
#[derive(Debug, Default)]
pub struct Verified {
    /// Blocks that are whole.
    pub sound: usize,
    /// What is wrong with the others.
    pub faults: Vec<StoreError>,
}

/// One block's file.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    base: String,
    folder: String,
    bytes: u64,
    used: SystemTime,
}

impl Store {
    /// What the store holds, one entry per base, the most recently used first.
    ///
    /// # Errors
    /// When a folder cannot be read. A store that does not exist yet is empty.
    pub fn list(&self) -> Result<Vec<BaseSummary>, StoreError> {
        let mut bases = BTreeMap::<String, Vec<Found>>::new();
        for found in self.blocks()? {
            bases.entry(found.base.clone()).or_default().push(found);
        }
        let mut list: Vec<_> = bases.into_iter().map(|(digest, found)| self.summary(digest, &found)).collect();
        list.sort_by_key(|summary| std::cmp::Reverse(summary.last_use));
        Ok(list)
    }

    fn summary(&self, digest: String, found: &[Found]) -> BaseSummary {
        let mut taps: Vec<_> = found.iter().map(|found| found.folder.clone()).collect();
        taps.sort_unstable();
        taps.dedup();
        let mut chunks = BTreeMap::new();
        for found in found {
            chunks.entry(found.path.file_name()).or_insert(&found.path);
        }
        // A block that cannot be opened has no rows to count; `verify` names it.
        let rows =
            chunks.values().filter_map(|path| Block::open(path).ok().flatten()).map(|b| b.record().valid()).sum();
        BaseSummary {
            base: Base::read(&self.root().join(&digest)),
            bytes: found.iter().map(|found| found.bytes).sum(),
            blocks: found.len(),
            rows,
            taps,
            last_use: found.iter().map(|found| found.used).max(),
            digest,
        }
    }

    /// Bytes of all blocks.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.blocks()?.iter().map(|found| found.bytes).sum())
    }

    /// Removes blocks not used for longer than `age`, then the longest unused ones until at most `bytes` remain, then what
    /// killed processes left behind. `None` sets no bound.
    ///
    /// # Errors
    /// When a folder cannot be read or a file cannot be removed.
    pub fn prune(&self, age: Option<Duration>, bytes: Option<u64>) -> Result<Removed, StoreError> {
        let mut blocks = self.blocks()?;
        blocks.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.path.cmp(&b.path)));
        let now = SystemTime::now();
        let mut total: u64 = blocks.iter().map(|found| found.bytes).sum();
        let mut removed = Removed::default();
        for found in blocks {
            let unused = now.duration_since(found.used).unwrap_or_default();
            if age.is_some_and(|age| unused > age) || bytes.is_some_and(|bytes| total > bytes) {
                remove(&found.path)?;
                total = total.saturating_sub(found.bytes);
                removed.files += 1;
                removed.bytes += found.bytes;
            }
        }
        self.sweep(STALE)?;
        Ok(removed)
    }

    /// Removes the whole store.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn clear(&self) -> Result<Removed, StoreError> {
        let blocks = self.blocks()?;
        let removed = Removed { files: blocks.len(), bytes: blocks.iter().map(|found| found.bytes).sum() };
        match fs::remove_dir_all(self.root()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", self.root())(error)),
            _ => Ok(removed),
        }
    }

    /// Reads every block and compares its checksum; with `repair`, removes those that are not whole (they are computed anew
    /// when they are next asked for).
    ///
    /// # Errors
    /// When a folder cannot be read or a file cannot be removed.
    pub fn verify(&self, repair: bool) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for found in self.blocks()? {
            match self.verify_block(&found) {
                Ok(()) => verified.sound += 1,
                Err(fault) => {
                    if repair {
                        remove(&found.path)?;
                    }
                    verified.faults.push(fault);
                }
            }
        }
        Ok(verified)
    }

    fn verify_block(&self, found: &Found) -> Result<(), StoreError> {
        let Some(block) = Block::open(&found.path)? else { return Ok(()) };
        let record = block.record();
        let key = super::BlockKey {
            base: record.base.clone(),
            tap: record.tap.clone(),
            windows: record.windows,
            rows: record.key.clone(),
        };
        if self.path(&key) != found.path {
            return Err(StoreError::corrupt(&found.path, "its place is not the one its metadata names"));
        }
        block.read().map(|_| ())
    }

    /// Every block, in no particular order.
    fn blocks(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for base in folders(self.root())? {
            for tap in folders(&base.path())? {
                for file in entries(&tap.path())? {
                    found.extend(block_file(&base, &tap, &file)?);
                }
            }
        }
        Ok(found)
    }

    /// Removes temporary files older than `age` and folders that are empty.
    fn sweep(&self, age: Duration) -> Result<(), StoreError> {
        for base in folders(self.root())? {
            for tap in folders(&base.path())? {
                for file in entries(&tap.path())? {
                    if is_stale(&file, age) {
                        remove(&file.path())?;
                    }
                }
                // Fails on a folder that is not empty, as it should.
                let _kept = fs::remove_dir(tap.path());
            }
        }
        Ok(())
    }
}

fn is_stale(file: &DirEntry, age: Duration) -> bool {
    let temporary = file.file_name().to_string_lossy().starts_with(TEMPORARY);
    let modified = file.metadata().and_then(|data| data.modified());
    temporary && modified.is_ok_and(|time| time.elapsed().unwrap_or_default() > age)
}

fn block_file(base: &DirEntry, tap: &DirEntry, file: &DirEntry) -> Result<Option<Found>, StoreError> {
    let path = file.path();
    if path.extension().is_none_or(|extension| extension != "safetensors") {
        return Ok(None);
    }
    let data = match file.metadata() {
        Ok(data) => data,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    let [base, folder] = [base, tap].map(|folder| folder.file_name().to_string_lossy().into_owned());
    let used = data.modified().map_err(StoreError::io("read", &path))?;
    Ok(Some(Found { path, base, folder, bytes: data.len(), used }))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn folders(path: &Path) -> Result<Vec<DirEntry>, StoreError> {
    Ok(entries(path)?.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect())
}

fn entries(path: &Path) -> Result<Vec<DirEntry>, StoreError> {
    match fs::read_dir(path) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(StoreError::io("read the folder", path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("read the folder", path)(error)),
    }
}
