//! A folder of features: which backbones, how many images, how large.

use std::path::Path;

use heirloom_transfer::store::Store;
use serde_json::json;

use crate::command::{Outcome, cache};
use crate::console::Console;
use crate::failure::Failure;

pub fn run(path: &Path, console: Console) -> Result<Outcome, Failure> {
    let folder = if path.ends_with("features-v1") { path.parent().unwrap_or(path) } else { path };
    let list = Store::new(folder).list()?;
    console.answer(&format!("features in {}\n{}", path.display(), cache::text(&list)))?;
    let backbones: Vec<_> = list.iter().map(cache::object).collect();
    Ok(Outcome::done(json!({ "command": "inspect", "kind": "features", "path": path, "backbones": backbones })))
}
