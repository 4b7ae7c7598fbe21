//! PyTorch checkpoints since version 1.6: a zip archive of stored files, a pickle of the dictionary and one file per storage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::Entry;
use super::pickle::{self, Failure, View};
use crate::error::ZooError;

/// Longest pickle read, in bytes; that of a large network has some hundred thousand.
const LONGEST_PICKLE: u64 = 16 << 20;

/// An open archive and where each tensor lies in it.
pub(super) struct Checkpoint {
    archive: ZipArchive<BufReader<File>>,
    /// Folder inside the archive, with its slash.
    folder: String,
    views: BTreeMap<String, View>,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("folder", &self.folder).field("views", &self.views.len()).finish()
    }
}

pub(super) fn open(path: &Path) -> Result<(BTreeMap<String, Entry>, Checkpoint), ZooError> {
    let file = File::open(path).map_err(|source| ZooError::Io { path: path.to_owned(), source })?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| malformed(path, error.to_string()))?;
    let folder = folder(path, &archive)?;
    let order = stored(path, &mut archive, &format!("{folder}byteorder"), 16)?;
    if order.is_some_and(|order| order != b"little") {
        return Err(malformed(path, "its values are not little-endian".into()));
    }
    let pickle = stored(path, &mut archive, &format!("{folder}data.pkl"), LONGEST_PICKLE)?.unwrap_or_default();
    let tensors = pickle::state_dict(&pickle).map_err(|failure| match failure {
        Failure::Refused(what) => ZooError::Refused { path: path.to_owned(), what },
        Failure::Malformed(reason) => malformed(path, reason),
    })?;
    let views: BTreeMap<String, View> = tensors.into_iter().collect();
    let entries =
        views.iter().map(|(key, view)| (key.clone(), Entry { shape: view.shape.clone(), number: view.number.clone() }));
    Ok((entries.collect(), Checkpoint { archive, folder, views }))
}

impl Checkpoint {
    /// Values of a tensor in row-major order; none for an unknown key.
    pub fn read(&mut self, path: &Path, key: &str) -> Result<Vec<f32>, ZooError> {
        let Some(view) = self.views.get(key) else { return Ok(Vec::new()) };
        let Some(width) = view.number.bytes() else { return Ok(Vec::new()) };
        let name = format!("{}data/{}", self.folder, view.storage);
        let needed = view.length.saturating_mul(width);
        let bytes = stored(path, &mut self.archive, &name, needed as u64)?
            .ok_or_else(|| malformed(path, format!("the storage '{name}' of tensor '{key}' is missing")))?;
        if bytes.len() != needed {
            let reason = format!("the storage '{name}' of tensor '{key}' has {} bytes, expected {needed}", bytes.len());
            return Err(malformed(path, reason));
        }
        Ok(gather(view, &view.number.decode(&bytes)))
    }
}

/// The folder whose `data.pkl` is the checkpoint.
fn folder(path: &Path, archive: &ZipArchive<BufReader<File>>) -> Result<String, ZooError> {
    let names = archive.file_names().flatten();
    let pickles: Vec<String> = names.filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned)).collect();
    match pickles.as_slice() {
        [folder] if folder.is_empty() || folder.ends_with('/') => Ok(folder.clone()),
        found => Err(malformed(path, format!("it holds {} files called data.pkl, expected one", found.len()))),
    }
}

/// A file of the archive, which must be stored without compression (so that it is no longer than the archive) and no longer than
/// `most` bytes; `None` when it is not there.
fn stored(
    path: &Path,
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    most: u64,
) -> Result<Option<Vec<u8>>, ZooError> {
    if archive.index_for_name(name).is_none() {
        return Ok(None);
    }
    let file = archive.by_name(name).map_err(|error| malformed(path, format!("'{name}': {error}")))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(malformed(path, format!("'{name}' is compressed; PyTorch stores its files as they are")));
    }
    if file.size() > most {
        return Err(malformed(path, format!("'{name}' has {} bytes, expected at most {most}", file.size())));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| malformed(path, format!("'{name}': {error}")))?;
    Ok(Some(bytes))
}

/// The view's values in row-major order.
fn gather(view: &View, storage: &[f32]) -> Vec<f32> {
    let mut values = Vec::with_capacity(view.count());
    let mut index = vec![0_usize; view.shape.len()];
    for _ in 0..view.count() {
        let place: usize = index.iter().zip(&view.strides).map(|(&index, &stride)| index * stride).sum();
        values.extend(storage.get(view.offset + place));
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < view.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    values
}

fn malformed(path: &Path, reason: String) -> ZooError {
    ZooError::Malformed { path: path.to_owned(), format: "PyTorch checkpoint", reason }
}
