//! The predictor: an artifact at work on new images.
//!
//! Images take the same way as when the head was fitted (the same preparation, the same plan over the taps that are read,
//! nothing after the last of them), so that their logits are the same bits for any number of threads and any company.

mod encoded;
mod error;
mod prediction;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use encoded::EncodedImages;
pub use error::PredictError;
pub use prediction::{Outcome, Prediction};

use crate::artifact::{Artifact, ArtifactError};
use crate::extract::{Compiled, ExtractOptions, Extracted, Extraction, Images, Network, Request};

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

/// A complete artifact with its compiled network.
#[derive(Debug)]
pub struct Predictor {
    artifact: Artifact,
    requests: Vec<Request>,
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
        let network = network(&artifact)?;
        let compiled = Compiled::new(&network, &requests, options.extract.isa)?;
        let predictor = Self { compiled: Arc::new(compiled), requests, artifact, options };
        Ok(predictor)
    }

    /// Reads an artifact; a slim one is completed by `backbone` (a path or a name), or by the backbone of its own name.
    ///
    /// # Errors
    /// What is wrong with the artifact, or with the backbone.
    pub fn open(path: &Path, backbone: Option<&str>, options: PredictOptions) -> Result<Self, PredictError> {
        let mut artifact = Artifact::load(path)?;
        if artifact.is_slim() {
            let name = backbone.unwrap_or(&artifact.backbone.name).to_owned();
            artifact.attach(heirloom_zoo::open(&name)?)?;
        }
        Self::new(artifact, options)
    }

    /// The artifact.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
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
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.dedup();
        for rows in rows.chunks(self.at_once()) {
            let extracted = self.features(images, rows, cancel)?;
            prediction::outcomes(&self.artifact, images, &extracted, self.options.top)?.into_iter().for_each(&mut sink);
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
        let mut extraction = Extraction::new(network(&self.artifact)?, images, rows, &self.requests);
        extraction.options = self.options.extract.clone();
        extraction.compiled = Some(Arc::clone(&self.compiled));
        extraction.cancel = cancel;
        Ok(extraction.run()?)
    }
}

fn network(artifact: &Artifact) -> Result<Network<'_>, ArtifactError> {
    artifact.network().ok_or_else(|| ArtifactError::NeedsBackbone {
        name: artifact.backbone.name.clone(),
        digest: artifact.backbone.weights.clone(),
    })
}

#[cfg(test)]
mod tests;
