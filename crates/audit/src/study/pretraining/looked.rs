//! What a finished network of the first target makes of images that belong to no class, and of images changed against it.

use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::gradient::Differentiable;
use serde::{Deserialize, Serialize};

use super::{Run, Study, StudyError};
use crate::robustness::{Attacker, Outliers, under_attack};
use crate::{AuditWatch, balanced};

/// Steps of the search for changes.
const STEPS: usize = 20;
/// One image of no class for so many test images.
const BASE: usize = 5;

/// Logits of images that belong to no class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Strange {
    /// By name of the images, `[images, classes]`.
    pub sets: Vec<(String, Vec<f32>)>,
}

/// Answers to images changed against the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attacked {
    /// Test images that were attacked.
    pub images: Vec<usize>,
    /// Whether each is still answered right.
    pub right: Vec<bool>,
    /// The same with changes as large by chance.
    pub by_chance: Vec<bool>,
}

impl Study<'_> {
    pub fn strange_name(&self, run: &Run) -> Result<String, StudyError> {
        let version = env!("CARGO_PKG_VERSION");
        let digests: Vec<&str> = self.data.outliers.iter().map(|set| set.digest.as_str()).collect();
        Ok(name_of(&("pretraining strange", version, self.run_name(run)?, digests, self.options.seed))?)
    }

    pub fn attacked_name(&self, run: &Run) -> Result<String, StudyError> {
        let (version, options) = (env!("CARGO_PKG_VERSION"), self.options);
        let how = (options.epsilon, STEPS, options.attacked, options.seed);
        Ok(name_of(&("pretraining attacked", version, self.run_name(run)?, how))?)
    }

    /// Logits of a fifth as many images of no class as there are test images: drawn ones of each kind, and of each set.
    pub fn strange(&self, run: &Run) -> Result<Strange, StudyError> {
        self.kept(&self.strange_name(run)?, || {
            let network = self.network(run)?;
            let judged = self.test_images(run.target)?;
            let each = (judged.1.len() / BASE).max(1);
            let (size, seed) = (self.source.preprocess.input_size, self.options.seed);
            let some = judged.0.only(&(0..each).collect::<Vec<usize>>());
            let mut sets = Vec::new();
            for kind in Outliers::ALL {
                let draw = |image: usize, pixels: &mut [u8]| kind.draw(size, image, seed, pixels);
                sets.push((kind.name().to_owned(), self.logits(&network, &some, &draw)?));
            }
            for set in &self.data.outliers {
                let rows = set.split()[1].clone();
                let labels: Vec<usize> = rows.iter().map(|row| set.table.rows[*row].label.unwrap_or(0)).collect();
                let rows: Vec<usize> = balanced(&labels, each, seed).into_iter().map(|at| rows[at]).collect();
                let (images, _) = self.images(&set.table, &rows)?;
                sets.push((set.name.clone(), self.logits(&network, &images, &|_, _| {})?));
            }
            Ok(Strange { sets })
        })
    }

    /// Answers to some test images, the same for every run, changed against the network.
    pub fn attacked(&self, run: &Run) -> Result<Attacked, StudyError> {
        self.kept(&self.attacked_name(run)?, || {
            let network = self.network(run)?;
            let judged = self.test_images(run.target)?;
            let images = balanced(&judged.1, self.options.attacked, self.options.seed);
            let model = Artifact::of_classifier(&network, self.options.seed)?;
            let refuse = |reason: String| StudyError::Data { set: network.name.clone(), reason };
            let isa = self.options.extract.isa;
            let mut model = Differentiable::new(&model, isa).map_err(|error| refuse(error.to_string()))?;
            let attacker = Attacker { epsilon: self.options.epsilon, steps: STEPS, seed: self.options.seed };
            let watch = AuditWatch { shown: None, cancel: self.watch.cancel };
            let found = under_attack(&mut model, (&judged.0, &judged.1), &images, &attacker, watch);
            let found = found.map_err(|error| match error {
                crate::AuditError::Prepare(crate::PrepareError::Cancelled) => StudyError::Interrupted,
                other => refuse(other.to_string()),
            })?;
            let [right, by_chance] = [0, 1].map(|side| found.iter().map(|answer| answer[side]).collect());
            Ok(Attacked { images, right, by_chance })
        })
    }
}
