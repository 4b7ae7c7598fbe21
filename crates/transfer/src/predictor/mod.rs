//! The predictor: an artifact at work on new images.
//!
//! Images take the same way as when the head was fitted (the same preparation, the same plan over the taps that are read,
//! nothing after the last of them), so that their logits are the same bits for any number of threads and any company.

mod encoded;
mod error;
mod prediction;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use heirloom_data::Preprocess;

pub use encoded::EncodedImages;
pub use error::PredictError;
pub use prediction::{Outcome, Prediction};
pub use table::predict_table;

use crate::artifact::{Artifact, ArtifactError};
use crate::extract::{Compiled, ExtractOptions, Extracted, Extraction, Images, Request};

/// Most images that are in memory as features at a time; fewer where their features are wide.
const AT_ONCE: usize = 1024;

/// How to predict.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// How many of the most probable classes to list.
    pub top: usize,
    /// Threads, block size and kernels.
    pub extract: ExtractOptions,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { top: 5, extract: ExtractOptions::default() }
    }
}

/// One complete artifact or more of one network, with that network compiled for what all of their heads read: an image passes through
/// it once, whatever the number of tasks.
#[derive(Debug)]
pub struct Predictor {
    artifact: Artifact,
    /// Further tasks, without the network's values.
    others: Vec<Artifact>,
    requests: Vec<Request>,
    preprocess: Preprocess,
    compiled: Arc<Compiled>,
    options: PredictOptions,
}

impl Predictor {
    /// Compiles the network of `artifact` for the taps its head reads.
    ///
    /// # Errors
    /// A slim artifact without its backbone, or a network that does not fit together.
    pub fn new(artifact: Artifact, options: PredictOptions) -> Result<Self, PredictError> {
        let requests = artifact.requests();
        let network = artifact.network()?;
        let compiled = Compiled::new(&network, &requests, &options.extract)?;
        let preprocess = network.preprocess.clone();
        let others = Vec::new();
        Ok(Self { compiled: Arc::new(compiled), requests, preprocess, artifact, others, options })
    }

    /// The same for further tasks whose heads read the same network; slim artifacts need nothing attached.
    ///
    /// # Errors
    /// An artifact of another network or another preparation of images, which [`PredictError::OtherNetwork`] names.
    pub fn with_tasks(mut self, others: Vec<Artifact>) -> Result<Self, PredictError> {
        for other in others {
            self.check_network(&other)?;
            let other = other.slim();
            let new: Vec<Request> = other.requests().into_iter().filter(|one| !self.requests.contains(one)).collect();
            self.requests.extend(new);
            self.others.push(other);
        }
        let compiled = Compiled::new(&self.artifact.network()?, &self.requests, &self.options.extract)?;
        self.compiled = Arc::new(compiled);
        Ok(self)
    }

    fn check_network(&self, other: &Artifact) -> Result<(), PredictError> {
        let (Some(first), Some(second)) = (&self.artifact.network, &other.network) else {
            return Err(ArtifactError::NoNetwork.into());
        };
        let what = if first.backbone.weights != second.backbone.weights {
            "weights"
        } else if first.backbone.graph != second.backbone.graph {
            "layers"
        } else if first.preprocess != second.preprocess {
            "preparation of images"
        } else {
            return Ok(());
        };
        let (first, other) = (first.backbone.name.clone(), second.backbone.name.clone());
        Err(PredictError::OtherNetwork { first, other, what })
    }

    /// Reads an artifact; a slim one is completed by `backbone` (a path or a name), or by the backbone of its own name.
    ///
    /// # Errors
    /// What is wrong with the artifact, or with the backbone.
    pub fn open(path: &Path, backbone: Option<&str>, options: PredictOptions) -> Result<Self, PredictError> {
        Self::complete(Artifact::load(path)?, backbone, options)
    }

    /// Takes an artifact; a slim one is completed as by [`Predictor::open`].
    ///
    /// # Errors
    /// What is wrong with the backbone.
    pub fn complete(
        mut artifact: Artifact,
        backbone: Option<&str>,
        options: PredictOptions,
    ) -> Result<Self, PredictError> {
        if artifact.is_slim() {
            let own = artifact.network.as_ref().map_or("", |network| &network.backbone.name);
            let name = backbone.unwrap_or(own).to_owned();
            artifact.attach(heirloom_zoo::open(&name)?)?;
        }
        Self::new(artifact, options)
    }

    /// The artifact, the first of several.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// The artifacts of all tasks, in the order in which they were given.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        std::iter::once(&self.artifact).chain(&self.others)
    }

    /// From an image to the network's input.
    #[must_use]
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Predicts `rows` of `images`, in rising order of the rows; an image that cannot be used is named in its place.
    ///
    /// # Errors
    /// A row that does not exist, or the flag to stop. Broken images are none.
    pub fn predict(&self, images: &dyn Images, rows: &[usize]) -> Result<Vec<Outcome>, PredictError> {
        let mut outcomes = Vec::with_capacity(rows.len());
        self.predict_each(images, rows, None, |outcome| outcomes.push(outcome))?;
        Ok(outcomes)
    }

    /// As [`Predictor::predict`], but hands over each outcome as soon as it and all before it are known: memory does not
    /// grow with the number of images.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_each(
        &self,
        images: &dyn Images,
        rows: &[usize],
        cancel: Option<&AtomicBool>,
        mut sink: impl FnMut(Outcome),
    ) -> Result<(), PredictError> {
        self.predict_tasks(images, rows, cancel, |task, outcome| {
            if task == 0 {
                sink(outcome);
            }
        })
    }

    /// As [`Predictor::predict_each`] for every task: the outcomes of an image follow each other in the order of the tasks, each with
    /// the place of its task.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_tasks(
        &self,
        images: &dyn Images,
        rows: &[usize],
        cancel: Option<&AtomicBool>,
        mut sink: impl FnMut(usize, Outcome),
    ) -> Result<(), PredictError> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.dedup();
        for rows in rows.chunks(self.at_once()) {
            let extracted = self.features(images, rows, cancel)?;
            let locator = |row: usize| images.locator(row);
            let Extracted { features, rows, summary } = &extracted;
            let (skipped, top) = (&summary.skipped, self.options.top);
            let outcomes = |task: &Artifact| prediction::outcomes(task, features, rows, skipped, &locator, top);
            let tasks = self.artifacts().map(outcomes).collect::<Result<Vec<_>, _>>()?;
            let mut tasks: Vec<_> = tasks.into_iter().map(Vec::into_iter).collect();
            for _ in 0..rows.len() + skipped.len() {
                for (task, outcomes) in tasks.iter_mut().enumerate() {
                    outcomes.next().into_iter().for_each(|outcome| sink(task, outcome));
                }
            }
        }
        Ok(())
    }

    /// Images whose features take at most half of the memory limit, at least one.
    fn at_once(&self) -> usize {
        let images = self.options.extract.memory_limit / (8 * self.compiled.width().max(1) as u64);
        usize::try_from(images).unwrap_or(AT_ONCE).clamp(1, AT_ONCE)
    }

    /// The features that the head reads, as at the time of fitting.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn features(
        &self,
        images: &dyn Images,
        rows: &[usize],
        cancel: Option<&AtomicBool>,
    ) -> Result<Extracted, PredictError> {
        let mut extraction = Extraction::new(self.artifact.network()?, images, rows, &self.requests);
        extraction.options = self.options.extract.clone();
        extraction.compiled = Some(Arc::clone(&self.compiled));
        extraction.cancel = cancel;
        Ok(extraction.run()?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
