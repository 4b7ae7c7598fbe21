//! Parts of a comparison that are finished, kept under everything that decides them: a comparison that was broken off goes on with the
//! others, and shards with one cache make up the whole.

use heirloom_transfer::compare::{Cells, name_of};
use heirloom_transfer::extract::Images;
use heirloom_transfer::store::NUMERICS;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sides::Sides;
use crate::arguments::{DiffArguments, SharedArguments};
use crate::command::cache_folder;
use crate::failure::Failure;

/// Finished parts of one comparison.
pub struct Kept {
    cells: Cells,
    base: String,
}

impl Kept {
    /// Those of two models on their images.
    pub fn of(sides: &Sides, arguments: &DiffArguments, shared: &SharedArguments) -> Result<Self, Failure> {
        let mut decided =
            vec![sides.first.ready.model.artifact().digest()?, sides.second.ready.model.artifact().digest()?];
        let train = sides.train.as_ref().map(|(images, labels)| (images, labels));
        let judged = [(&sides.first.images, &sides.first.labels), (&sides.second.images, &sides.second.labels)];
        for (images, labels) in judged.into_iter().chain(train) {
            let rows: Vec<usize> = (0..labels.len()).collect();
            let digests = images.digests(&rows).into_iter().collect::<Result<Vec<_>, String>>();
            decided.push(name_of(&(digests.map_err(Failure::internal)?, labels))?);
            decided.push(format!("{:?}", images.preprocess()));
        }
        let (version, isa) = (env!("CARGO_PKG_VERSION"), sides.extract.isa);
        decided.push(format!("{version} {NUMERICS} {isa:?} {}", arguments.seed));
        Ok(Self { cells: Cells::new(&cache_folder(shared)?), base: name_of(&decided)? })
    }

    fn name(&self, part: &str, settings: &Value) -> Result<String, Failure> {
        Ok(name_of(&("diff", &self.base, part, settings))?)
    }

    /// A part that is finished, if it is.
    pub fn find<T: DeserializeOwned>(&self, part: &str, settings: &Value) -> Result<Option<T>, Failure> {
        Ok(self.cells.read(&self.name(part, settings)?)?)
    }

    /// A part, from the cache or made and kept.
    pub fn part<T: Serialize + DeserializeOwned>(
        &self,
        part: &str,
        settings: &Value,
        make: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(kept) = self.find(part, settings)? {
            return Ok(kept);
        }
        let made = make()?;
        self.cells.write(&self.name(part, settings)?, &made)?;
        Ok(made)
    }
}
