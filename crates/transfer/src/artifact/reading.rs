//! The parts of a safetensors file: the header first, then every tensor straight into memory of its own, several at a time.
//!
//! A model is opened whenever something is predicted, and most of that time went into reading its bytes once and copying them again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::ArtifactError;

/// Bytes in front of the header, which hold its length.
const LENGTH: u64 = 8;
/// Longest header, as the reference reader has it.
const LONGEST: u64 = 100_000_000;

/// A tensor of a file.
pub(crate) struct Loaded {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub values: Values,
}

/// The values of a tensor.
pub(crate) enum Values {
    /// Of single precision.
    Floats(Vec<f32>),
    /// Of any other type, as they stand in the file.
    Bytes(Vec<u8>),
}

impl Loaded {
    /// The values as they stand in the file.
    pub fn bytes(&self) -> &[u8] {
        match &self.values {
            Values::Floats(values) => bytemuck::cast_slice(values),
            Values::Bytes(bytes) => bytes,
        }
    }
}

/// Something that has the bytes of a file.
pub(super) trait Content: Sync {
    /// How many there are.
    fn length(&self) -> std::io::Result<u64>;

    /// Those from `offset` on, as many as `into` takes.
    fn read(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()>;
}

impl Content for &[u8] {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        let part = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)?.get(..into.len()));
        into.copy_from_slice(part.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }
}

/// Each part is read by a handle of its own: handles of one file share a place in it.
impl Content for &Path {
    fn length(&self) -> std::io::Result<u64> {
        Ok(std::fs::metadata(self)?.len())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        let mut file = File::open(self)?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(into)
    }
}

/// The header of a file.
pub(super) struct Header {
    metadata: Metadata,
    /// Where the tensors begin.
    start: u64,
}

impl Header {
    pub fn read(content: &dyn Content) -> Result<Self, ArtifactError> {
        let length = content.length().map_err(io)?;
        let mut first = [0; LENGTH as usize];
        if length < LENGTH {
            return Err(broken("the header is missing"));
        }
        content.read(0, &mut first).map_err(io)?;
        let header = u64::from_le_bytes(first);
        if header > LONGEST.min(length - LENGTH) {
            return Err(broken("its header is longer than the file"));
        }
        let mut text = vec![0; header as usize];
        content.read(LENGTH, &mut text).map_err(io)?;
        let metadata: Metadata = serde_json::from_slice(&text).map_err(broken)?;
        let (start, expected) = (LENGTH + header, metadata.data_len() as u64);
        match length - start == expected {
            true => Ok(Self { metadata, start }),
            false => Err(broken(format!("{} bytes of tensors, and {expected} are described", length - start))),
        }
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> Option<&HashMap<String, String>> {
        self.metadata.metadata().as_ref()
    }

    /// All tensors by their names.
    pub fn tensors(&self, content: &dyn Content) -> Result<BTreeMap<String, Loaded>, ArtifactError> {
        let described = self.metadata.tensors();
        let loaded: Vec<(String, std::io::Result<Loaded>)> =
            described.into_par_iter().map(|(name, info)| (name, self.tensor(content, info))).collect();
        loaded.into_iter().map(|(name, loaded)| Ok((name, loaded.map_err(io)?))).collect()
    }

    fn tensor(&self, content: &dyn Content, info: &TensorInfo) -> std::io::Result<Loaded> {
        let (first, end) = info.data_offsets;
        let (offset, length) = (self.start + first as u64, end - first);
        let values = match info.dtype {
            Dtype::F32 => {
                let mut values = vec![0.0; length / size_of::<f32>()];
                content.read(offset, bytemuck::cast_slice_mut(&mut values))?;
                Values::Floats(values)
            }
            _ => {
                let mut bytes = vec![0; length];
                content.read(offset, &mut bytes)?;
                Values::Bytes(bytes)
            }
        };
        Ok(Loaded { dtype: info.dtype, shape: info.shape.clone(), values })
    }
}

fn broken(reason: impl ToString) -> ArtifactError {
    ArtifactError::NotSafetensors { path: Default::default(), reason: reason.to_string() }
}

fn io(source: Error) -> ArtifactError {
    ArtifactError::Io { action: "read", path: Default::default(), source }
}
