//! One block of features as a file: a safetensors file with the tensor `values` and one metadata key, `heirloom`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use heirloom_engine::{Precision, Shape};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use super::{StoreError, write_atomically};
use crate::Windows;

/// Version of the block's metadata.
const VERSION: u32 = 1;
/// Name of the tensor `[valid rows, width]`.
const TENSOR: &str = "values";
/// The one metadata key.
const KEY: &str = "heirloom";
/// Longest header that is read, in bytes: 256 rows with long reasons need far less.
const LONGEST_HEADER: u64 = 1 << 24;

const _: () = assert!(cfg!(target_endian = "little"), "features are stored as they lie in memory, least byte first");

/// A row of a chunk that has no features, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedRow {
    /// Position in the chunk.
    pub row: usize,
    /// Why it has none.
    pub reason: String,
}

/// What a block is, apart from its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRecord {
    /// Version of this record.
    pub version: u32,
    /// Digest of the base.
    pub base: String,
    /// Key of the rows.
    pub key: String,
    /// Name of the tap.
    pub tap: String,
    /// Shape of the tap before pooling.
    pub shape: Shape,
    /// What is averaged.
    pub windows: Windows,
    /// Rows in the chunk, skipped ones included.
    pub rows: usize,
    /// Rows without features, in order; all others have one row of values each, in order.
    pub skipped: Vec<SkippedRow>,
    /// BLAKE3 over this record with an empty checksum, then the values' bytes.
    pub checksum: String,
}

impl BlockRecord {
    /// A record of the current version whose checksum is filled in on writing.
    #[must_use]
    pub fn new(
        base: &str,
        key: &str,
        tap: &str,
        shape: Shape,
        windows: Windows,
        rows: usize,
        skipped: Vec<SkippedRow>,
    ) -> Self {
        let [base, key, tap] = [base, key, tap].map(String::from);
        Self { version: VERSION, base, key, tap, shape, windows, rows, skipped, checksum: String::new() }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.windows.width(self.shape)
    }

    /// Rows that have features.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.rows.saturating_sub(self.skipped.len())
    }

    /// Number of values.
    fn len(&self) -> usize {
        self.valid().saturating_mul(self.width())
    }

    fn checksum_of(&self, values: &[u8]) -> Result<String, serde_json::Error> {
        let bare = Self { checksum: String::new(), ..self.clone() };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&serde_json::to_vec(&bare)?);
        hasher.update(values);
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Whether the skipped rows are distinct rows of the chunk, in order.
    fn is_sound(&self) -> bool {
        self.version == VERSION
            && self.skipped.windows(2).all(|pair| pair[0].row < pair[1].row)
            && self.skipped.last().is_none_or(|last| last.row < self.rows)
    }
}

/// Writes a block to `path`, making its folder; in bf16 the upper halves of values that are rounded already.
pub(super) fn write(
    path: &Path,
    mut record: BlockRecord,
    values: &[f32],
    storage: Precision,
) -> Result<(), StoreError> {
    let (expected, found) = (record.len(), values.len());
    if expected != found {
        return Err(StoreError::corrupt(path, format!("{found} values to be written, its rows need {expected}")));
    }
    let halves: Vec<u16>;
    let bytes: &[u8] = match storage {
        Precision::F32 => bytemuck::cast_slice(values),
        Precision::Bf16 => {
            halves = values.iter().map(|value| (value.to_bits() >> 16) as u16).collect();
            bytemuck::cast_slice(&halves)
        }
    };
    let header = (|| {
        record.checksum = record.checksum_of(bytes)?;
        header(&record, bytes.len(), storage)
    })()
    .map_err(|error: serde_json::Error| StoreError::corrupt(path, error.to_string()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
    }
    let length = (header.len() as u64).to_le_bytes();
    write_atomically(path, &[&length, &header, bytes]).map_err(StoreError::io("write", path))
}

/// The JSON header of a safetensors file, padded so that the values start at a multiple of 64 bytes.
fn header(record: &BlockRecord, bytes: usize, storage: Precision) -> Result<Vec<u8>, serde_json::Error> {
    let metadata = HashMap::from([(KEY.into(), serde_json::to_string(record)?)]);
    let shape = vec![record.valid(), record.width()];
    let dtype = if storage == Precision::Bf16 { Dtype::BF16 } else { Dtype::F32 };
    let tensor = TensorInfo { dtype, shape, data_offsets: (0, bytes) };
    let metadata = Metadata::new(Some(metadata), vec![(TENSOR.into(), tensor)]).map_err(serde::ser::Error::custom)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize((header.len() + 8).next_multiple_of(64) - 8, b' ');
    Ok(header)
}

/// A block whose header has been read and checked; its values have not.
#[derive(Debug)]
pub struct Block {
    path: PathBuf,
    file: File,
    record: BlockRecord,
    storage: Precision,
}

impl Block {
    /// Opens the block at `path`; `None` where there is no such file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(StoreError::io("open", path)(error)),
        };
        let length = file.metadata().map_err(StoreError::io("read", path))?.len();
        let header = read_header(&mut file, length).map_err(|reason| StoreError::corrupt(path, reason))?;
        let (record, storage) = parse(&header, length).map_err(|reason| StoreError::corrupt(path, reason))?;
        Ok(Some(Self { path: path.into(), file, record, storage }))
    }

    /// What the block is.
    #[must_use]
    pub fn record(&self) -> &BlockRecord {
        &self.record
    }

    /// Reads the values, `[valid rows, width]`, straight into `out` and compares their checksum. Marks the block as used.
    ///
    /// # Errors
    /// When the file cannot be read, has changed, or `out` has another length.
    pub fn read_into(mut self, out: &mut [f32]) -> Result<BlockRecord, StoreError> {
        let (expected, found) = (self.record.valid() * self.record.width(), out.len());
        if expected != found {
            return Err(StoreError::corrupt(
                &self.path,
                format!("it holds {expected} values where {found} are needed"),
            ));
        }
        let mut halves = vec![0u16; if self.storage == Precision::Bf16 { out.len() } else { 0 }];
        let bytes: &mut [u8] = match self.storage {
            Precision::F32 => bytemuck::cast_slice_mut(out),
            Precision::Bf16 => bytemuck::cast_slice_mut(&mut halves),
        };
        self.file.read_exact(bytes).map_err(StoreError::io("read", &self.path))?;
        let checksum =
            self.record.checksum_of(bytes).map_err(|error| StoreError::corrupt(&self.path, error.to_string()))?;
        if checksum != self.record.checksum {
            return Err(StoreError::corrupt(&self.path, "its checksum is not that of its content"));
        }
        let widened = halves.iter().map(|half| f32::from_bits(u32::from(*half) << 16));
        out.iter_mut().zip(widened).for_each(|(to, value)| *to = value);
        // The time of last use serves `prune` alone; a cache that cannot be written is used without it.
        let _unmarked = self.file.set_modified(SystemTime::now());
        Ok(self.record)
    }

    /// Reads the values into a new vector; see [`Block::read_into`].
    ///
    /// # Errors
    /// As [`Block::read_into`].
    pub fn read(self) -> Result<(BlockRecord, Vec<f32>), StoreError> {
        let mut values = vec![0.0; self.record.valid() * self.record.width()];
        let record = self.read_into(&mut values)?;
        Ok((record, values))
    }
}

fn read_header(file: &mut File, length: u64) -> Result<Vec<u8>, String> {
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| format!("{length} bytes are too few for a safetensors file"))?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER || size + 8 > length {
        return Err(format!("its header claims {size} bytes of a file of {length}"));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(|error| format!("its header cannot be read: {error}"))?;
    Ok(header)
}

/// Checks a header against the length of the file and takes the record out of it.
fn parse(header: &[u8], length: u64) -> Result<(BlockRecord, Precision), String> {
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(|error| format!("its header is not safetensors: {error}"))?;
    let expected = 8 + header.len() as u64 + metadata.data_len() as u64;
    if expected != length {
        return Err(format!("{length} bytes long, its header needs {expected}"));
    }
    let json = metadata.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or("it has no 'heirloom' metadata")?;
    let record: BlockRecord =
        serde_json::from_str(json).map_err(|error| format!("its metadata cannot be read: {error}"))?;
    if !record.is_sound() {
        return Err(format!("its metadata contradicts itself or has a version other than {VERSION}"));
    }
    match metadata.info(TENSOR) {
        Some(TensorInfo { dtype: dtype @ (Dtype::F32 | Dtype::BF16), shape, .. })
            if *shape == [record.valid(), record.width()] =>
        {
            let storage = if *dtype == Dtype::BF16 { Precision::Bf16 } else { Precision::F32 };
            Ok((record, storage))
        }
        other => Err(format!("its tensor is {other:?}, its metadata says {} x {}", record.valid(), record.width())),
    }
}
