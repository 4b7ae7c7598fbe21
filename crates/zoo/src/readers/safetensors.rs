//! safetensors: the header is checked by the library (length, overlap, gaps, sizes), then values are decoded from the bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::{Entry, Number};
use crate::error::ZooError;

/// Longest header that is read for its metadata alone, in bytes.
const LONGEST_HEADER: usize = 16 << 20;

/// The bytes of a file and where each tensor lies.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    ranges: BTreeMap<String, Range<usize>>,
}

impl Content {
    /// Values of a tensor; none for an unknown key.
    pub fn read(&self, key: &str, number: &Number) -> Vec<f32> {
        let bytes = self.ranges.get(key).and_then(|range| self.bytes.get(range.clone()));
        number.decode(bytes.unwrap_or_default())
    }
}

/// Entries by key, the metadata, and the bytes.
type Parts = (BTreeMap<String, Entry>, HashMap<String, String>, Content);

pub(super) fn open(path: &Path) -> Result<Parts, ZooError> {
    let bytes = std::fs::read(path).map_err(|source| ZooError::Io { path: path.to_owned(), source })?;
    let malformed = |reason: String| ZooError::Malformed { path: path.to_owned(), format: "safetensors", reason };
    let (header, metadata) =
        SafeTensors::read_metadata(&bytes).map_err(|error| malformed(explain(&error, bytes.len())))?;
    // The tensors begin after the 8 bytes of the header's length and the header itself.
    let data = 8 + header;
    let mut entries = BTreeMap::new();
    let mut ranges = BTreeMap::new();
    for (key, info) in metadata.tensors() {
        let (begin, end) = info.data_offsets;
        entries.insert(key.clone(), Entry { shape: info.shape.clone(), number: number(info.dtype) });
        ranges.insert(key, data + begin..data + end);
    }
    if entries.is_empty() {
        return Err(malformed("it holds no tensors".into()));
    }
    Ok((entries, metadata.metadata().clone().unwrap_or_default(), Content { bytes, ranges }))
}

/// The metadata of a file, from its header alone; `None` where it is no safetensors file with a header of a sane length.
pub(crate) fn metadata(path: &Path) -> Option<HashMap<String, String>> {
    let mut file = File::open(path).ok()?;
    let mut length = [0_u8; 8];
    file.read_exact(&mut length).ok()?;
    let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|&length| length <= LONGEST_HEADER)?;
    let mut header = vec![0; length];
    file.read_exact(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    serde_json::from_value(header.get("__metadata__")?.clone()).ok()
}

fn number(dtype: Dtype) -> Number {
    match dtype {
        Dtype::F32 => Number::F32,
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        other => Number::Other(format!("{other:?}").to_lowercase()),
    }
}

/// The library's error, with the length of the file where the file is cut short.
fn explain(error: &safetensors::SafeTensorError, length: usize) -> String {
    use safetensors::SafeTensorError as E;
    match error {
        E::MetadataIncompleteBuffer => {
            format!(
                "the tensors that its header lists do not end where the file ends ({length} bytes): cut short or overlong"
            )
        }
        E::InvalidHeaderLength | E::HeaderTooSmall | E::HeaderTooLarge => {
            format!("the length of its header does not fit a file of {length} bytes ({error})")
        }
        E::InvalidOffset(key) => {
            format!("the bytes of tensor '{key}' overlap its neighbour's, leave a gap or end before they begin")
        }
        E::TensorInvalidInfo => "a tensor's shape and number type do not fill its bytes".into(),
        other => other.to_string(),
    }
}
