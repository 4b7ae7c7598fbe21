//! Image folders: `class/image` or `split/class/image`. Class names are folder names in sorted order; everything below a
//! class folder, to any depth, belongs to the class; hidden files and folders do not exist.

use std::path::{Path, PathBuf};

use super::files::{below, is_hidden};
use super::{Locator, Row, Split, Table, TableError, TableOptions, TableWarning};

/// What lies directly in a folder, hidden entries left out, sorted by path.
struct Listing {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

pub(super) fn open(root: &Path, options: &TableOptions) -> Result<Table, TableError> {
    options.refuse_columns(root)?;
    let mut table = Table::empty(root);
    let top = list(root)?;
    let splits = splits(root, &top)?;
    let mut classes: Vec<(Option<Split>, PathBuf)> = Vec::new();
    stray(&mut table, root, &top.files);
    if splits.is_empty() {
        classes.extend(top.folders.into_iter().map(|folder| (None, folder)));
    } else {
        let beside = top.folders.iter().filter(|folder| !splits.iter().any(|(_, split)| split == *folder));
        table.warnings.extend(beside.map(|folder| TableWarning::StrayFolder { name: name(folder) }));
        for (split, folder) in splits {
            let inside = list(&folder)?;
            stray(&mut table, &folder, &inside.files);
            classes.extend(inside.folders.into_iter().map(|class| (Some(split), class)));
        }
    }
    if classes.is_empty() {
        let reason = format!("it holds {} files and no class folders", top.files.len());
        return Err(TableError::NotATable { path: root.to_path_buf(), reason });
    }
    table.classes = classes.iter().map(|(_, folder)| name(folder)).collect();
    table.classes.sort();
    table.classes.dedup();
    for (split, folder) in classes {
        add_class(&mut table, split, &folder);
    }
    Ok(table)
}

fn add_class(table: &mut Table, split: Option<Split>, folder: &Path) {
    let label = table.classes.binary_search(&name(folder)).ok();
    let (files, warnings) = below(folder);
    table.warnings.extend(warnings);
    table.rows.extend(files.into_iter().map(|file| Row {
        locator: Locator::File(file),
        label,
        group: None,
        split,
        attributes: Vec::new(),
        intervention: None,
    }));
}

/// The folders that stand for splits, in the order train, validation, test; none when the top level holds classes. They
/// are splits when each is named like one and the first holds folders, other folders being allowed beside two or more of
/// them: a lone `train` beside `bus` and `car` is a class.
fn splits(root: &Path, top: &Listing) -> Result<Vec<(Split, PathBuf)>, TableError> {
    let mut found: Vec<(Split, PathBuf)> =
        top.folders.iter().filter_map(|folder| Some((Split::named(&name(folder))?, folder.clone()))).collect();
    found.sort();
    let only_splits = found.len() == top.folders.len();
    let Some((_, first)) = found.first() else { return Ok(found) };
    if !only_splits && found.len() < 2 {
        return Ok(Vec::new());
    }
    if !list(first)?.folders.is_empty() {
        return Ok(found);
    }
    if only_splits {
        let folders: Vec<String> = found.iter().map(|(_, folder)| name(folder)).collect();
        let reason = format!("its folders are named as splits ({}) and hold no class folders", folders.join(", "));
        return Err(TableError::NotATable { path: root.to_path_buf(), reason });
    }
    Ok(Vec::new())
}

fn list(folder: &Path) -> Result<Listing, TableError> {
    let refused = |error| TableError::io(folder, error);
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() { folders.push(path) } else { files.push(path) }
    }
    folders.sort();
    files.sort();
    Ok(Listing { folders, files })
}

fn stray(table: &mut Table, place: &Path, files: &[PathBuf]) {
    if let Some(first) = files.first() {
        let place = place.display().to_string();
        table.warnings.push(TableWarning::StrayFiles { place, count: files.len(), first: name(first) });
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
