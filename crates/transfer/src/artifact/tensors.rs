//! One digest for all tensors of a file, whatever else is written in it.

use std::path::Path;

use safetensors::SafeTensors;

use super::ArtifactError;

/// BLAKE3 over the tensors of a safetensors file in order of their names, in hexadecimal: name, number type, shape and bytes. Two runs that
/// came to the same weights have the same digest, whatever their files say about times and paths.
///
/// # Errors
/// A file that cannot be read or is no safetensors file.
pub fn tensors_digest(path: &Path) -> Result<String, ArtifactError> {
    let bytes =
        std::fs::read(path).map_err(|source| ArtifactError::Io { action: "read", path: path.into(), source })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| ArtifactError::NotSafetensors { path: path.into(), reason: error.to_string() })?;
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = blake3::Hasher::new();
    for (name, tensor) in tensors {
        let head = format!("{name} {:?} {:?}", tensor.dtype(), tensor.shape());
        hasher.update(&(head.len() as u64).to_le_bytes());
        hasher.update(head.as_bytes());
        hasher.update(&(tensor.data().len() as u64).to_le_bytes());
        hasher.update(tensor.data());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
