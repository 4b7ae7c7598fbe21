//! From what the user typed to a backbone. Owns where weights and their descriptions are looked for.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::backbone::Backbone;
use crate::error::ZooError;
use crate::readers::{self, TensorFile};
use crate::recipe::Recipe;
use crate::recognise::recognise;
use crate::save;
use crate::sidecar::Sidecar;
use crate::sidecar_descriptive::Descriptive;
use crate::timm_config::TimmConfig;

/// Weight files of a timm folder, the preferred one first.
const TIMM_WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// Extensions tried after a name.
const EXTENSIONS: [&str; 3] = ["safetensors", "pth", "pt"];

/// Opens a backbone by path, or by a name in the weight folders: `$HEIRLOOM_DATA/weights`, or `../shared/data/weights` where the
/// variable is not set and that folder exists.
///
/// # Errors
/// A name that is nowhere, a file that cannot be read or is refused, weights that do not fit their description.
pub fn open(path_or_name: &str) -> Result<Backbone, ZooError> {
    let path = Path::new(path_or_name);
    if path.exists() { open_path(path) } else { open_name(path_or_name, &weight_folders()) }
}

/// Opens a timm folder, or a weight file with the description beside it.
///
/// # Errors
/// As [`open`].
pub fn open_path(path: &Path) -> Result<Backbone, ZooError> {
    let path = if path.is_dir() { &timm_weights(path)? } else { path };
    let mut file = TensorFile::open(path)?;
    let recipe = match (own_description(&file)?, description(path)) {
        (Some(own), beside) => noting_beside(own, beside.as_deref()),
        (None, Some(description)) => describe(&description, &file)?,
        (None, None) => recognise(&stem(path), &file)?,
    };
    Backbone::load(recipe, &mut file)
}

/// Opens `name` in the first of `folders` that holds it.
pub(crate) fn open_name(name: &str, folders: &[PathBuf]) -> Result<Backbone, ZooError> {
    let candidates = folders.iter().flat_map(|folder| {
        let files = EXTENSIONS.map(|extension| folder.join(format!("{name}.{extension}")));
        files.into_iter().chain([folder.join(name).join("config.json")])
    });
    match candidates.into_iter().find(|path| path.is_file()) {
        Some(config) if config.ends_with("config.json") => open_path(config.parent().unwrap_or(&config)),
        Some(file) => open_path(&file),
        None => Err(ZooError::UnknownName {
            name: name.to_owned(),
            searched: folders.to_vec(),
            found: folders.iter().flat_map(|folder| names_in(folder)).collect(),
        }),
    }
}

/// Names that [`open`] finds in the weight folders, sorted.
#[must_use]
pub fn local() -> Vec<String> {
    let mut names: Vec<String> = weight_folders().iter().flat_map(|folder| names_in(folder)).collect();
    names.sort();
    names.dedup();
    names
}

fn weight_folders() -> Vec<PathBuf> {
    match std::env::var_os("HEIRLOOM_DATA") {
        Some(data) => vec![Path::new(&data).join("weights")],
        None => Some(PathBuf::from("../shared/data/weights")).filter(|folder| folder.is_dir()).into_iter().collect(),
    }
}

/// Names of the described weight files and timm folders in a folder, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| name_of(&entry.path())).collect();
    names.sort();
    names.dedup();
    names
}

fn name_of(path: &Path) -> Option<String> {
    let weights = path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
    if weights && (path.with_extension("json").is_file() || describes_itself(path)) {
        Some(stem(path))
    } else if path.join("config.json").is_file() {
        Some(path.file_name()?.to_string_lossy().into_owned())
    } else {
        None
    }
}

/// Whether a file holds its own description; one that cannot be read does not.
fn describes_itself(path: &Path) -> bool {
    readers::metadata(path).is_some_and(|metadata| metadata.contains_key(save::KEY))
}

fn timm_weights(folder: &Path) -> Result<PathBuf, ZooError> {
    let found = TIMM_WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| ZooError::Unsupported {
        path: folder.to_owned(),
        reason: format!("the folder holds neither {}", TIMM_WEIGHTS.join(" nor ")),
    })
}

/// The JSON that describes a weight file: its own, or the config of the timm folder that it lies in.
fn description(path: &Path) -> Option<PathBuf> {
    let timm = path.file_name().is_some_and(|name| TIMM_WEIGHTS.iter().any(|known| name == *known));
    let own = path.with_extension("json");
    let config = path.with_file_name("config.json");
    [Some(own), timm.then_some(config)].into_iter().flatten().find(|path| path.is_file())
}

/// The description inside of a file that [`Backbone::save`] wrote.
fn own_description(file: &TensorFile) -> Result<Option<Recipe>, ZooError> {
    let Some(text) = file.metadata().get(save::KEY) else { return Ok(None) };
    let path = file.path();
    let invalid = |error: serde_json::Error| ZooError::Description {
        path: path.to_owned(),
        reason: format!("the description in it: {error}"),
    };
    let sidecar: Sidecar = serde_json::from_str(text).map_err(invalid)?;
    sidecar.into_recipe(&stem(path), path).map(Some)
}

/// A description inside the weights cannot belong to others; one beside them can.
fn noting_beside(mut own: Recipe, beside: Option<&Path>) -> Recipe {
    if let Some(beside) = beside {
        own.notes.push(format!("{} was not read: the weights hold their own description", beside.display()));
    }
    own
}

/// Reads a description of any of the three kinds, told apart by a field that only one of them has.
fn describe(path: &Path, file: &TensorFile) -> Result<Recipe, ZooError> {
    let wrong = |reason: String| ZooError::Description { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|source| ZooError::Io { path: path.to_owned(), source })?;
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("not valid JSON: {error}")))?;
    let has = |field: &str| value.get(field).is_some();
    let invalid = |error: serde_json::Error| wrong(error.to_string());
    if has("heirloom_weights") {
        let sidecar: Sidecar = serde_json::from_value(value).map_err(invalid)?;
        sidecar.into_recipe(&stem(file.path()), path)
    } else if has("pretrained_cfg") {
        serde_json::from_value::<TimmConfig>(value).map_err(invalid)?.into_recipe(path)
    } else if has("key_naming") {
        serde_json::from_value::<Descriptive>(value).map_err(invalid)?.into_recipe(file.entries(), path)
    } else {
        Err(wrong(
            "neither a description of weights (no field 'heirloom_weights') nor a timm config (no 'pretrained_cfg')"
                .into(),
        ))
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nowhere_lists_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b.safetensors", "b.json", "a.pth", "a.json", "golden.safetensors", "c.json"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("timm")).unwrap();
        std::fs::write(folder.path().join("timm/config.json"), "{}").unwrap();
        let error = open_name("none", &[folder.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("holds a, b, timm"), "{error}");
        assert!(error.hint().is_some());
        let unset = open_name("none", &[]).unwrap_err().to_string();
        assert!(unset.contains("HEIRLOOM_DATA is not set"), "{unset}");
    }

    #[test]
    fn names_are_found_as_files_and_as_timm_folders() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        std::fs::write(folder.path().join("x.safetensors"), "").unwrap();
        let error = open_name("x", &folders).unwrap_err();
        assert!(matches!(error, ZooError::Malformed { .. }), "{error}");
        std::fs::create_dir(folder.path().join("timm")).unwrap();
        std::fs::write(folder.path().join("timm/config.json"), "{}").unwrap();
        let error = open_name("timm", &folders).unwrap_err();
        assert!(matches!(error, ZooError::Unsupported { .. }), "{error}");
    }
}
