//! Small files that remember what was computed: a magic word, the BLAKE3 of the body, the body. Written whole to a
//! temporary name and renamed; one that is missing, cut off or damaged reads as absent.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Table;

/// `<cache>/<kind>/<BLAKE3 of the table's path>.index`.
pub(crate) fn path_for(cache: &Path, kind: &str, table: &Table) -> PathBuf {
    let source = std::fs::canonicalize(&table.source).unwrap_or_else(|_| table.source.clone());
    let name = blake3::hash(source.as_os_str().as_encoded_bytes()).to_hex();
    cache.join(kind).join(format!("{name}.index"))
}

/// The body of an index; `None` when there is none that can be believed.
pub(crate) fn read(path: &Path, magic: &[u8; 16]) -> Option<Vec<u8>> {
    body(&std::fs::read(path).ok()?, magic).map(<[u8]>::to_vec)
}

/// The part of a file after its magic word and checksum, if both hold.
pub(crate) fn body<'a>(file: &'a [u8], magic: &[u8; 16]) -> Option<&'a [u8]> {
    let (checksum, body) = file.strip_prefix(magic)?.split_first_chunk::<32>()?;
    (blake3::hash(body).as_bytes() == checksum).then_some(body)
}

/// Writes an index so that a reader finds the old one or the new one.
pub(crate) fn write(path: &Path, magic: &[u8; 16], body: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let written = write_new(&temporary, magic, body).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of a failed attempt is of no use; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, magic: &[u8; 16], body: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(magic)?;
    file.write_all(blake3::hash(body).as_bytes())?;
    file.write_all(body)?;
    file.sync_all()
}

/// The next `N` bytes of a body.
pub(crate) fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = body.split_first_chunk::<N>()?;
    *body = rest;
    Some(*head)
}
