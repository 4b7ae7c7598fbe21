//! The base of a set of blocks: everything but the images that decides a feature's bits.

use std::fs;
use std::path::Path;

use heirloom_engine::Isa;
use serde::{Deserialize, Serialize};

use super::{StoreError, write_atomically};

/// Raised whenever a change of a decoder, of the resize or of a kernel moves a stored reference value, so that features
/// computed before it are not taken for features computed after it.
pub const NUMERICS: u32 = 1;

/// File in the folder of a base that says what the base is.
const FILE: &str = "base.json";

/// What a set of feature blocks was computed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Name of the backbone, for people; not part of the digest.
    pub backbone: String,
    /// BLAKE3 of the weights' content.
    pub weights: String,
    /// BLAKE3 of the graph's canonical JSON.
    pub graph: String,
    /// The preprocessing as one canonical string.
    pub preprocess: String,
    /// Precision of the arithmetic: `f32`.
    pub precision: String,
    /// Kernel variant.
    pub kernels: Isa,
    /// [`NUMERICS`] of the program that computed them.
    pub numerics: u32,
}

impl Base {
    /// The name of the base's folder: BLAKE3 over all that decides a bit.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let kernels = format!("{:?}", self.kernels);
        let numerics = self.numerics.to_string();
        for part in [&self.weights, &self.graph, &self.preprocess, &self.precision, &kernels, &numerics] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Writes the description into `folder` unless it is there.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let path = folder.join(FILE);
        if path.exists() {
            return Ok(());
        }
        let json = serde_json::to_vec_pretty(self).map_err(|error| StoreError::corrupt(&path, error.to_string()))?;
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
        write_atomically(&path, &[&json]).map_err(StoreError::io("write", &path))
    }

    /// Reads the description in `folder`; `None` where it is missing or is none.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_but_the_name_changes_the_digest() {
        let base = Base {
            backbone: "a".into(),
            weights: "w".into(),
            graph: "g".into(),
            preprocess: "p".into(),
            precision: "f32".into(),
            kernels: Isa::Portable,
            numerics: 1,
        };
        let same = Base { backbone: "b".into(), ..base.clone() };
        assert_eq!(base.digest(), same.digest());
        let others = [
            Base { weights: "x".into(), ..base.clone() },
            Base { graph: "x".into(), ..base.clone() },
            Base { weights: "wg".into(), graph: String::new(), ..base.clone() },
            Base { preprocess: "x".into(), ..base.clone() },
            Base { precision: "bf16".into(), ..base.clone() },
            Base { kernels: Isa::Avx2, ..base.clone() },
            Base { numerics: 2, ..base.clone() },
        ];
        for other in others {
            assert_ne!(base.digest(), other.digest(), "{other:?}");
        }
    }
}
