//! Images for training: decoded once, augmented as the recipe says.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use heirloom_data::augment::{Augmentation, Preset};
use heirloom_data::batches::{DecodeOptions, DecodedImages};
use heirloom_data::{Preprocess, Table};

use super::super::{FitError, Watch};
use super::Recipe;
use crate::extract::{ExtractOptions, Progress};

/// Where images come from and who follows their being read.
pub(crate) struct Reading<'a> {
    pub table: &'a Table,
    pub extract: &'a ExtractOptions,
    pub watch: Watch<'a>,
    pub started: Instant,
}

impl Reading<'_> {
    /// Decodes `rows` in the form that `augmentation` starts from.
    pub fn decode(&self, rows: &[usize], augmentation: &Augmentation) -> Result<Arc<DecodedImages>, FitError> {
        let options = DecodeOptions {
            threads: self.extract.threads,
            memory_limit: self.extract.memory_limit / 2,
            ..DecodeOptions::default()
        };
        let mut watch = |done: usize, total: usize| {
            if let Some(progress) = self.watch.progress {
                let seconds = self.started.elapsed().as_secs_f64();
                let images_per_second = done as f64 / seconds.max(1e-9);
                progress(&Progress { done, total, from_store: 0, skipped: 0, images_per_second });
            }
            let stop = self.watch.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Ok(Arc::new(DecodedImages::new(self.table, rows, augmentation, &options, &mut watch)?))
    }
}

/// What is done to training images whose shorter side has typically `shorter_side` pixels.
pub(crate) fn augmentation(recipe: &Recipe, preprocess: &Preprocess, shorter_side: usize) -> Augmentation {
    let preset = Preset::ALL.into_iter().find(|preset| preset.name() == recipe.augment);
    Augmentation::preset(preset.unwrap_or(Preset::None), preprocess.clone(), shorter_side)
}
