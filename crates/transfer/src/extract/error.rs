//! What can go wrong while features are extracted.

use heirloom_engine::EngineError;

use crate::store::StoreError;
use crate::{Pooling, PoolingError};

/// An error that ends an extraction. A broken image is none: it is skipped and named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A row that the table does not have.
    #[error("row {row} is asked for, the table has {rows}")]
    Row {
        /// The row asked for.
        row: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// Features that would not fit into memory, found before the run.
    #[error(
        "features pooled to {pooling} need {rows} rows x {columns} columns x 4 bytes = {}, more than the memory limit of {}",
        size(*bytes), size(*limit)
    )]
    TooLarge {
        /// The pooling target at fault.
        pooling: Pooling,
        /// Rows.
        rows: usize,
        /// Columns `D` of that target over all its taps.
        columns: usize,
        /// Bytes needed.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// All targets together would not fit.
    #[error(
        "features of {rows} rows x {columns} columns x 4 bytes = {} over all pooling targets exceed the memory limit of {}",
        size(*bytes), size(*limit)
    )]
    TooLargeTogether {
        /// Rows.
        rows: usize,
        /// Columns over all targets.
        columns: usize,
        /// Bytes needed.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A shard that does not exist.
    #[error("shard {index}/{count} does not exist: count from 1 to {count}")]
    Shard {
        /// Which shard, counted from 1.
        index: usize,
        /// Number of shards.
        count: usize,
    },
    /// A graph or tap that cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store cannot be written and the features were to be stored.
    #[error("{blocks} blocks of features could not be stored; the first: {source}")]
    Store {
        /// Blocks that are missing in the store.
        blocks: usize,
        /// Why the first one is.
        source: StoreError,
    },
    /// The flag to stop was set. Everything finished before is in the store.
    #[error("stopped after {done} of {rows} images; finished parts are kept and the next run goes on from there")]
    Cancelled {
        /// Rows done.
        done: usize,
        /// Rows asked for.
        rows: usize,
    },
    /// A fault of the program, not of its input.
    #[error("internal error: {what}")]
    Internal {
        /// What happened.
        what: String,
    },
}

impl From<PoolingError> for ExtractError {
    fn from(error: PoolingError) -> Self {
        Self::Internal { what: error.to_string() }
    }
}

/// Bytes as people read them, in binary units.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = "bytes";
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        value /= 1024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let cases = [(0, "0 bytes"), (1023, "1023 bytes"), (1 << 20, "1.0 MiB"), (3 << 29, "1.5 GiB")];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }
}
