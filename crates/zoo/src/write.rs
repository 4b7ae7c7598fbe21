//! Writing a file so that its name never stands for half of it.

use std::fs::File;
use std::io;
use std::path::Path;

/// What temporary names start with.
const TEMPORARY: &str = ".writing-";

/// Lets `fill` write a file under a temporary name in the folder of `path`, then syncs and renames it and syncs the folder.
/// Whatever stops it, `path` is afterwards what it was or the whole new content.
pub(crate) fn atomically(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY}{}-{name}", std::process::id()));
    let written = fill(&temporary)
        .and_then(|()| File::open(&temporary)?.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of a failed attempt is of no use; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_folder(folder))
}

/// Makes a rename survive a power cut, where folders can be synced at all.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}
