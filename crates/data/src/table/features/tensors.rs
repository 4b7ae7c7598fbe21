//! safetensors files of features: tensors by name, names of classes and domains in the metadata.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::arrays::{Array, Content, Values};
use super::assemble::LABELS;
use crate::table::TableError;

/// Longest header that is read to tell a table from weights.
const LONGEST_HEADER: u64 = 100 << 20;

/// Whether a safetensors file holds labels beside features, by its header alone.
pub(super) fn is_table(path: &Path) -> Result<bool, TableError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut start = [0_u8; 8];
        file.read_exact(&mut start)?;
        let length = u64::from_le_bytes(start).min(LONGEST_HEADER);
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header)?;
        Ok(header)
    };
    let header = match read() {
        Ok(header) => header,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(TableError::io(path, error)),
    };
    let Ok(serde_json::Value::Object(header)) = serde_json::from_slice(&header) else { return Ok(false) };
    let sizes = |name: &str| header.get(name)?.get("shape")?.as_array().map(Vec::len);
    let pairs = header.keys().any(|name| name.strip_suffix(".x").is_some_and(|d| sizes(&format!("{d}.y")) == Some(1)));
    let labels = LABELS.iter().any(|name| sizes(name) == Some(1)) && header.keys().any(|name| sizes(name) == Some(2));
    let model = header.get("__metadata__").is_some_and(|metadata| metadata.get("heirloom").is_some());
    Ok(!model && (pairs || labels))
}

pub(super) fn read(path: &Path) -> Result<Content, TableError> {
    let refused = |reason: String| TableError::NotFeatures { path: path.to_path_buf(), reason };
    let bytes = std::fs::read(path).map_err(|error| TableError::io(path, error))?;
    let broken = |error: safetensors::SafeTensorError| refused(format!("not a whole safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let array = |(name, tensor): &(String, TensorView<'_>)| {
        let values = values(tensor).map_err(|reason| refused(format!("`{name}`: {reason}")))?;
        Ok(Array::new(name, tensor.shape().to_vec(), values))
    };
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok(Content {
        arrays: tensors.iter().map(array).collect::<Result<_, TableError>>()?,
        classes: names(&metadata, "classes").map_err(refused)?,
        domains: names(&metadata, "domains").map_err(refused)?,
    })
}

/// A JSON list of names in the metadata.
fn names(metadata: &HashMap<String, String>, key: &str) -> Result<Option<Vec<String>>, String> {
    let parse = |text: &String| serde_json::from_str(text);
    metadata
        .get(key)
        .map(parse)
        .transpose()
        .map_err(|error| format!("metadata `{key}` is no JSON list of names: {error}"))
}

fn values(tensor: &TensorView<'_>) -> Result<Values, String> {
    let wide = tensor.shape().len() != 1;
    let bytes = tensor.data();
    /// Numbers from `$size` little-endian bytes each.
    macro_rules! numbers {
        ($type:ty, $size:literal) => {
            bytes.as_chunks::<$size>().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes))
        };
    }
    macro_rules! whole {
        ($type:ty, $size:literal) => {
            if wide {
                Values::Floats(numbers!($type, $size).map(|value| value as f32).collect())
            } else {
                let large = |value: $type| format!("{value} is too large");
                let values = numbers!($type, $size).map(|value| i64::try_from(value).map_err(|_| large(value)));
                Values::Integers(values.collect::<Result<_, _>>()?)
            }
        };
    }
    Ok(match tensor.dtype() {
        Dtype::F64 => Values::Floats(numbers!(f64, 8).map(|value| value as f32).collect()),
        Dtype::F32 => Values::Floats(numbers!(f32, 4).collect()),
        Dtype::F16 => Values::Floats(numbers!(f16, 2).map(f16::to_f32).collect()),
        Dtype::BF16 => Values::Floats(numbers!(bf16, 2).map(bf16::to_f32).collect()),
        Dtype::BOOL | Dtype::U8 => whole!(u8, 1),
        Dtype::I8 => whole!(i8, 1),
        Dtype::U16 => whole!(u16, 2),
        Dtype::I16 => whole!(i16, 2),
        Dtype::U32 => whole!(u32, 4),
        Dtype::I32 => whole!(i32, 4),
        Dtype::U64 => whole!(u64, 8),
        Dtype::I64 => whole!(i64, 8),
        other => return Err(format!("type {other:?} is not read")),
    })
}
