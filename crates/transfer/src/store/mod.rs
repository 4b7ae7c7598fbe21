//! The feature store: pooled features on disk, keyed by content, so that nothing is computed twice.
//!
//! This module owns where a block of features lies:
//! `<cache>/features-v1/<base>/<tap>@<windows>/<rows>.safetensors` (see `docs/formats/features.md`). `base` names the network,
//! its preprocessing and its arithmetic; `rows` names the content of 256 consecutive table rows. Splits and folds are index
//! sets over rows and never part of a key. A block is written whole under a temporary name, synced and renamed, so that every
//! name that exists is a finished block: resuming, sharding and two processes at once need nothing more.

mod base;
mod block;
mod error;
mod maintenance;
mod merge;
mod names;
mod write;

use std::path::{Path, PathBuf};

use heirloom_engine::Precision;

pub use base::{Base, NUMERICS};
pub use block::{Block as StoredBlock, BlockRecord, SkippedRow};
pub use error::StoreError;
pub use maintenance::{BaseSummary, Removed, Verified};
pub use merge::{Merged, merge};
pub use names::{CHUNK_ROWS, Digest, rows_key, unreadable_row};
pub(crate) use write::write_atomically;

use crate::Windows;

/// Folder under the cache that holds the store; the version is part of the path.
const FOLDER: &str = "features-v1";

/// The feature store of one cache folder. Cheap to make: nothing is opened before it is used.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Which block of features: one tap, one set of windows, one run of rows of one base.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Digest of the [`Base`].
    pub base: String,
    /// Name of the tap.
    pub tap: String,
    /// What is averaged.
    pub windows: Windows,
    /// Key of the rows, from [`rows_key`].
    pub rows: String,
}

impl Store {
    /// The store inside the folder `cache`.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        Self { root: cache.join(FOLDER) }
    }

    /// The store in the default cache folder: `$HEIRLOOM_CACHE`, else `$XDG_CACHE_HOME/heirloom`, else `~/.cache/heirloom`.
    ///
    /// # Errors
    /// When none of the three variables (the last one is `HOME`) is set.
    pub fn open_default() -> Result<Self, StoreError> {
        Self::default_cache(|name| std::env::var_os(name)).map(|cache| Self::new(&cache))
    }

    /// The default cache folder, given the environment.
    ///
    /// # Errors
    /// When no variable that could name it is set.
    pub fn default_cache(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<PathBuf, StoreError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("HEIRLOOM_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("heirloom")))
            .or_else(|| set("HOME").map(|home| home.join(".cache").join("heirloom")))
            .ok_or(StoreError::NoFolder)
    }

    /// The cache folder that the store lies in.
    #[must_use]
    pub fn cache(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// The folder that holds the blocks.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a block lies, whether it exists or not.
    #[must_use]
    pub fn path(&self, key: &BlockKey) -> PathBuf {
        let folder = format!("{}@{}", names::escape(&key.tap), key.windows.name());
        self.root.join(&key.base).join(folder).join(format!("{}.safetensors", key.rows))
    }

    /// Whether a block of that name is there and has the form of one (header and length; the values are checked on reading).
    #[must_use]
    pub fn contains(&self, key: &BlockKey) -> bool {
        matches!(self.open(key), Ok(Some(_)))
    }

    /// Opens a block and reads its header. `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not the block its name says.
    pub fn open(&self, key: &BlockKey) -> Result<Option<StoredBlock>, StoreError> {
        let path = self.path(key);
        let Some(block) = StoredBlock::open(&path)? else { return Ok(None) };
        let record = block.record();
        if record.tap != key.tap || record.windows != key.windows || record.base != key.base || record.key != key.rows {
            return Err(StoreError::corrupt(&path, "it is a block of another tap, pooling, base or set of rows"));
        }
        Ok(Some(block))
    }

    /// Writes a block: `values` is `[valid rows, width]`. An existing block of the same name is replaced by the same content.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written; the message names the path.
    pub fn write(&self, record: BlockRecord, values: &[f32], storage: Precision) -> Result<PathBuf, StoreError> {
        let key = BlockKey {
            base: record.base.clone(),
            tap: record.tap.clone(),
            windows: record.windows,
            rows: record.key.clone(),
        };
        let path = self.path(&key);
        block::write(&path, record, values, storage)?;
        Ok(path)
    }

    /// Writes down what `base` stands for, once, so that the cache can be listed.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn describe(&self, base: &Base) -> Result<(), StoreError> {
        base.write(&self.root.join(base.digest()))
    }
}

#[cfg(test)]
mod tests;
