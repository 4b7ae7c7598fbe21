//! Weight files as named tensors. Owns the rule that a file is data: it is parsed within bounds and never executed.

mod pickle;
mod safetensors;
mod torch;

pub(crate) use safetensors::metadata;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use heirloom_engine::Tensor;

use crate::error::ZooError;

/// The type of a stored number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// A type that cannot be a weight, by its name.
    Other(String),
}

impl Number {
    /// Bytes of one value; `None` for types that are not read.
    pub(crate) fn bytes(&self) -> Option<usize> {
        match self {
            Self::F32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::Other(_) => None,
        }
    }

    /// Little-endian bytes as single precision; exact for every type read.
    fn decode(&self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        match self {
            Self::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Self::F16 => pairs().map(|bits| f16::from_bits(bits).to_f32()).collect(),
            Self::Bf16 => pairs().map(|bits| bf16::from_bits(bits).to_f32()).collect(),
            Self::Other(_) => Vec::new(),
        }
    }
}

/// What a file says about one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Length of every axis.
    pub shape: Vec<usize>,
    /// Type of its values.
    pub number: Number,
}

#[derive(Debug)]
enum Source {
    Safetensors(safetensors::Content),
    Torch(torch::Checkpoint),
}

/// An open weight file: its table of contents, values on demand.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    metadata: HashMap<String, String>,
    source: Source,
}

impl TensorFile {
    /// Opens a safetensors file or a PyTorch zip checkpoint, told apart by content.
    ///
    /// # Errors
    /// A file that cannot be read, is of another kind, is damaged, or holds more than tensors.
    pub fn open(path: &Path) -> Result<Self, ZooError> {
        let io = |source| ZooError::Io { path: path.to_owned(), source };
        let mut start = [0_u8; 16];
        let read = read_up_to(&mut File::open(path).map_err(io)?, &mut start).map_err(io)?;
        let start = &start[..read];
        let (entries, metadata, source) = match start {
            [b'P', b'K', 3, 4, ..] => {
                let (entries, checkpoint) = torch::open(path)?;
                (entries, HashMap::new(), Source::Torch(checkpoint))
            }
            // A bare pickle of protocol 2 and above opens the legacy format.
            [0x80, 2..=5, ..] => return Err(ZooError::LegacyCheckpoint { path: path.to_owned() }),
            _ if path.extension().is_some_and(|extension| extension == "onnx") => {
                let reason = "ONNX files are not read; give a .safetensors or .pth file or a timm folder".into();
                return Err(ZooError::Unsupported { path: path.to_owned(), reason });
            }
            _ => {
                let (entries, metadata, content) = safetensors::open(path)?;
                (entries, metadata, Source::Safetensors(content))
            }
        };
        Ok(Self { path: path.to_owned(), entries, metadata, source })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors by key.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The texts that stand beside the tensors; only safetensors files have any.
    #[must_use]
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// The values of one tensor.
    ///
    /// # Errors
    /// An unknown key, a number type that cannot be a weight, values that are not finite, or a damaged file.
    pub fn read(&mut self, key: &str) -> Result<Tensor, ZooError> {
        let malformed = |reason: String| ZooError::Malformed { path: self.path.clone(), format: "weight", reason };
        let entry = self.entries.get(key).ok_or_else(|| malformed(format!("it holds no tensor '{key}'")))?;
        if let Number::Other(found) = &entry.number {
            return Err(malformed(format!("tensor '{key}' holds {found} values, expected f32, f16 or bf16")));
        }
        let values = match &mut self.source {
            Source::Safetensors(content) => content.read(key, &entry.number),
            Source::Torch(checkpoint) => checkpoint.read(&self.path, key)?,
        };
        self.finite(key, &values)?;
        Tensor::new(entry.shape.clone(), values)
            .ok_or_else(|| malformed(format!("tensor '{key}' does not hold the values of its shape {:?}", entry.shape)))
    }

    fn finite(&self, key: &str, values: &[f32]) -> Result<(), ZooError> {
        let mut wrong = values.iter().enumerate().filter(|(_, value)| !value.is_finite());
        match wrong.next() {
            None => Ok(()),
            Some((index, &value)) => Err(ZooError::NotFinite {
                path: self.path.clone(),
                key: key.to_owned(),
                index,
                value,
                count: 1 + wrong.count(),
            }),
        }
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
