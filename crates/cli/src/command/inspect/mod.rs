//! `inspect`: says what a thing is. What it is, is decided by what it holds, not by its name.

mod backbone;
mod data;
mod features;
mod memory;
mod model;
mod profile;
mod table;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use heirloom_data::FeatureTable;

use super::Outcome;
use crate::arguments::{InspectArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;

/// What a path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Backbone,
    Data,
    Features,
    Model,
    Table,
}

/// Runs `inspect`.
pub fn run(arguments: &InspectArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let path = Path::new(&arguments.thing);
    let kind = kind(path)?;
    if arguments.profile && kind != Kind::Backbone {
        let fact = format!("{}: --profile runs a backbone, and this is none", arguments.thing);
        return Err(Failure::input(fact).hint("name a weight file or a backbone"));
    }
    match kind {
        Kind::Backbone => backbone::run(arguments, shared, console),
        Kind::Data => data::run(path, arguments.strict, shared, console),
        Kind::Features => features::run(path, console),
        Kind::Model => model::run(path, console),
        Kind::Table => table::run(path, console),
    }
}

/// Folders: features by their `features-v1`, weights by a timm `config.json`, else images. Files: a model by its header, a table of features by what it
/// holds, a table of images by its ending, else weights. What is no path is the name of a backbone.
fn kind(path: &Path) -> Result<Kind, Failure> {
    if path.is_dir() {
        let features = path.ends_with("features-v1") || path.join("features-v1").is_dir();
        let timm = path.join("config.json").is_file();
        return Ok(if features {
            Kind::Features
        } else if timm {
            Kind::Backbone
        } else {
            Kind::Data
        });
    }
    if !path.is_file() {
        // A name has no folders in it, and no ending that a file would have.
        let ending = path.extension().is_some_and(|ending| {
            ["heirloom", "csv", "parquet", "safetensors", "npz", "npy"].iter().any(|known| ending == *known)
        });
        if ending || path.components().count() > 1 {
            return Err(Failure::input(format!("{}: no such file or folder", path.display())));
        }
        return Ok(Kind::Backbone);
    }
    if is_model(path)? {
        return Ok(Kind::Model);
    }
    if FeatureTable::recognise(path).unwrap_or(false) {
        return Ok(Kind::Table);
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    Ok(if matches!(ending.as_str(), "csv" | "parquet") { Kind::Data } else { Kind::Backbone })
}

/// Whether the file is a safetensors file whose header carries the key `heirloom`, and does not describe weights alone, as the networks
/// of `pretrain` do under the same key.
pub fn is_model(path: &Path) -> Result<bool, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut start = Vec::new();
        File::open(path)?.take(64).read_to_end(&mut start)?;
        Ok(start)
    };
    let start = read().map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    let header: &[u8] = b"{\"__metadata__\":{\"heirloom\":";
    let described = start.get(8..).and_then(|start| start.strip_prefix(header));
    let weights = described.is_some_and(|start| start.starts_with(b"\"{\\\"heirloom_weights\\\""));
    Ok(described.is_some() && !weights || path.extension().is_some_and(|ending| ending == "heirloom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_told_apart_by_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["cache/features-v1", "timm", "photos/oak"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("timm/config.json"), "{}").unwrap();
        std::fs::write(at("labels.csv"), "path,label\n").unwrap();
        std::fs::write(at("w.safetensors"), "").unwrap();
        std::fs::write(at("numbers.csv"), "label,a\nx,1\n").unwrap();
        std::fs::write(at("m.bin"), b"\x20\0\0\0\0\0\0\0{\"__metadata__\":{\"heirloom\":\"x\"}}").unwrap();
        let weights = b"\x20\0\0\0\0\0\0\0{\"__metadata__\":{\"heirloom\":\"{\\\"heirloom_weights\\\":1}\"}}";
        std::fs::write(at("source.safetensors"), weights).unwrap();
        let cases = [
            ("cache", Kind::Features),
            ("cache/features-v1", Kind::Features),
            ("timm", Kind::Backbone),
            ("photos", Kind::Data),
            ("labels.csv", Kind::Data),
            ("w.safetensors", Kind::Backbone),
            ("m.bin", Kind::Model),
            ("source.safetensors", Kind::Backbone),
            ("numbers.csv", Kind::Table),
        ];
        for (name, expected) in cases {
            assert_eq!(kind(&at(name)).unwrap(), expected, "{name}");
        }
        assert_eq!(kind(Path::new("resnet18.a1_in1k")).unwrap(), Kind::Backbone);
        assert!(kind(&at("nowhere")).is_err() && kind(Path::new("gone.heirloom")).is_err());
    }
}
