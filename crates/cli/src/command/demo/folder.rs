//! The folder of a demonstration.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Says whose folder it is, so that `--force` empties no other.
const MARK: &str = "made-by-heirloom-demo.txt";
const MARK_TEXT: &str =
    "Everything in this folder was made by `heirloom demo`; `heirloom demo --force` makes it anew.\n";

/// What a demonstration makes.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder, or, under `force`, that of an earlier demonstration without what it held.
    pub fn prepare(path: &Path, force: bool) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::input(format!("{}: {error}", path.display()));
        let used = path.is_dir() && std::fs::read_dir(path).map_err(failed)?.next().is_some();
        let marked = path.join(MARK).is_file();
        if used && !marked {
            let fact = format!("{} holds files that no demo made", path.display());
            return Err(Failure::input(fact).hint("--output names another folder"));
        }
        if used && !force {
            let fact = format!("{} is already there", path.display());
            return Err(Failure::input(fact).hint("--force makes it anew; --output names another folder"));
        }
        if used {
            std::fs::remove_dir_all(path).map_err(failed)?;
        }
        std::fs::create_dir_all(path.join("models")).map_err(failed)?;
        std::fs::write(path.join(MARK), MARK_TEXT).map_err(failed)?;
        Ok(Self(path.to_path_buf()))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Images of the source half.
    pub fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    /// Images of the target half.
    pub fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    /// A network or a model.
    pub fn model(&self, name: &str) -> PathBuf {
        self.0.join("models").join(name)
    }

    /// The page.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_of_a_demonstration_is_emptied() {
        let scene = tempfile::tempdir().unwrap();
        let path = scene.path().join("demo");
        let refused = |force| Folder::prepare(&path, force).unwrap_err().to_string();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("mine.txt"), "mine").unwrap();
        assert!(refused(false).contains("no demo made") && refused(true).contains("no demo made"));
        std::fs::remove_file(path.join("mine.txt")).unwrap();
        let folder = Folder::prepare(&path, false).unwrap();
        std::fs::write(folder.report(), "old").unwrap();
        assert!(refused(false).contains("already there"));
        let again = Folder::prepare(&path, true).unwrap();
        assert!(!again.report().exists() && again.model("").is_dir());
    }
}
