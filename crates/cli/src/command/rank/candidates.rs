//! The candidates, each opened once.

use std::path::{Path, PathBuf};

use heirloom_zoo::Backbone;

use super::LeftOut;
use crate::backbone;
use crate::failure::Failure;

/// Endings of weight files.
const ENDINGS: [&str; 5] = ["safetensors", "pth", "pt", "bin", "onnx"];

/// What was named, or what a folder holds; in a folder, what cannot be opened is left out and named, and so is a second copy of the same
/// weights.
pub fn open(names: &[String], folder: Option<&Path>) -> Result<(Vec<Backbone>, Vec<LeftOut>), Failure> {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        add(backbone::open(Some(name))?, name, &mut found, &mut left_out);
    }
    let listed: Vec<String> = match (folder, names.is_empty()) {
        (Some(folder), _) => files(folder)?,
        (None, true) => heirloom_zoo::local(),
        (None, false) => Vec::new(),
    };
    for name in listed {
        match heirloom_zoo::open(&name) {
            Ok(opened) => add(opened, &name, &mut found, &mut left_out),
            Err(error) => left_out.push(LeftOut { name, reason: error.to_string() }),
        }
    }
    if found.is_empty() {
        let fact = format!("there is no candidate to rank\n{}", backbone::list());
        return Err(Failure::input(fact).hint("name candidates with --backbone, or a folder of them with --backbones"));
    }
    Ok((found, left_out))
}

fn add(opened: Backbone, name: &str, found: &mut Vec<Backbone>, left_out: &mut Vec<LeftOut>) {
    match found.iter().find(|other| other.weights_digest == opened.weights_digest) {
        Some(other) => {
            left_out.push(LeftOut { name: name.to_owned(), reason: format!("the weights of {}", other.name) })
        }
        None => found.push(opened),
    }
}

/// Weight files and timm folders of a folder, in order of their names.
fn files(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| Failure::input(format!("{}: {error}", folder.display())))?;
    let is_candidate = |path: &PathBuf| {
        let ending = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        ending || path.join("config.json").is_file()
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_candidate).collect();
    paths.sort();
    Ok(paths.into_iter().map(|path| path.display().to_string()).collect())
}
