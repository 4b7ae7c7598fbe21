//! Bringing caches together: what shards computed elsewhere is copied under the names it has there.

use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::Path;

use super::write::{TEMPORARY, write_atomically};
use super::{FOLDER, StoreError};
use crate::compare::CELLS_FOLDER;

/// What merging did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Merged {
    /// Files that were copied.
    pub copied: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were here already: names say what decides the content, so they are the same.
    pub here: usize,
}

/// Copies the features and results of the cache `from` that the cache `into` does not have.
///
/// # Errors
/// A folder that is no cache, a file that cannot be read or written.
pub fn merge(from: &Path, into: &Path) -> Result<Merged, StoreError> {
    let parts = [FOLDER, CELLS_FOLDER];
    if !parts.iter().any(|part| from.join(part).is_dir()) {
        let missing = std::io::Error::new(ErrorKind::NotFound, "it is no cache: it holds neither features nor results");
        return Err(StoreError::io("read", from)(missing));
    }
    let mut merged = Merged::default();
    for part in parts.into_iter().filter(|part| from.join(part).is_dir()) {
        copy(&from.join(part), &into.join(part), &mut merged)?;
    }
    Ok(merged)
}

fn copy(from: &Path, into: &Path, merged: &mut Merged) -> Result<(), StoreError> {
    fs::create_dir_all(into).map_err(StoreError::io("create", into))?;
    let listed = fs::read_dir(from).and_then(Iterator::collect::<std::io::Result<Vec<DirEntry>>>);
    let mut entries = listed.map_err(StoreError::io("list", from))?;
    // A network lies beside the record that says it is whole, and comes first.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let target = into.join(&name);
        if name.to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target, merged)?;
        } else if target.exists() {
            merged.here += 1;
        } else {
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            write_atomically(&target, &[&bytes]).map_err(StoreError::io("write", &target))?;
            merged.copied += 1;
            merged.bytes += bytes.len() as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Cells;

    #[test]
    fn what_is_missing_is_copied_and_what_is_here_stays() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [there, here] = [0, 1].map(|at| folders[at].path());
        Cells::new(there).write("a", &1).unwrap();
        Cells::new(there).write("b", &2).unwrap();
        Cells::new(here).write("b", &3).unwrap();
        fs::create_dir_all(there.join(FOLDER).join("base")).unwrap();
        fs::write(there.join(FOLDER).join("base").join("0.safetensors"), b"features").unwrap();
        let merged = merge(there, here).unwrap();
        assert_eq!((merged.copied, merged.bytes, merged.here), (2, 9, 1));
        let read = |name: &str| Cells::new(here).read::<u32>(name).unwrap();
        assert_eq!((read("a"), read("b")), (Some(1), Some(3)));
        assert_eq!(fs::read(here.join(FOLDER).join("base").join("0.safetensors")).unwrap(), b"features");
        assert_eq!(merge(there, here).unwrap().here, 3);
    }

    #[test]
    fn a_folder_that_is_no_cache_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = merge(folder.path(), folder.path()).unwrap_err().to_string();
        assert!(refused.contains("neither features nor results"), "{refused}");
    }
}
