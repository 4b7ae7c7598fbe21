//! The scan for triggers nobody told us about: for each class, the smallest patch that turns images of other classes into it, found by
//! following the model's gradients (Wang et al. 2019, Neural Cleanse; `spec/bias-transfer.md` section 3).
//!
//! ```text
//! x' = x (1 - M) + P M        minimise  mean over images of -log f(x')_c  +  weight * sum of M      over mask M and pattern P
//! ```
//!
//! Any network has such a patch: it says something only beside those of references that nothing was planted in. A planted trigger shows
//! as a patch that is much smaller than theirs.

mod search;

use heirloom_transfer::fit::Share;
use heirloom_transfer::gradient::{Differentiable, GradientError};
use serde::{Deserialize, Serialize};

use search::Search;

/// How long and on how many images is searched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScanOptions {
    /// Steps for every class.
    pub screening: usize,
    /// Further steps for the classes with the smallest patches.
    pub refining: usize,
    /// How many classes those are.
    pub refined: usize,
    /// Images in a step.
    pub batch: usize,
    /// Share of images that must turn before a patch counts.
    pub success: f64,
    /// Fixes the first mask and pattern and the order of images.
    pub seed: u64,
}

impl Default for ScanOptions {
    /// 60 steps of 32 images for each class, 120 more for two; three quarters of the images must turn.
    fn default() -> Self {
        Self { screening: 60, refining: 120, refined: 2, batch: 32, success: 0.75, seed: 0 }
    }
}

/// Images to search and to judge on, at the network's input size.
#[derive(Debug, Clone, Copy)]
pub struct ScanImages<'a> {
    /// `[images, height, width, 3]`, 0 to 1.
    pub pixels: &'a [f32],
    /// The model's answer to each image as it is.
    pub clean: &'a [usize],
}

/// The smallest patch found for one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UniversalPatch {
    /// The class that images turn into.
    pub class: usize,
    /// What of the image it covers: the sum of its mask over the number of pixels, 0 to 1. 1 where no patch turned enough images.
    pub size: f64,
    /// Share of the images it was searched on that turned, at that size.
    pub searched: f64,
    /// Share of other images that it turns into the class.
    pub judged: Share,
    /// Steps that were made.
    pub steps: usize,
    /// Mask `[height, width]`, 0 to 1.
    #[serde(skip)]
    pub mask: Vec<f32>,
    /// Pattern `[height, width, 3]`, 0 to 1.
    #[serde(skip)]
    pub pattern: Vec<f32>,
}

/// The patches of all classes, the smallest first. `done` is told steps made and steps in all, and stops the scan by `false`; the classes
/// that were reached are judged then.
///
/// # Errors
/// Pixels that do not fit the model, an operator that cannot be run.
pub fn scan(
    model: &mut Differentiable<'_>,
    images: ScanImages<'_>,
    options: &ScanOptions,
    mut done: impl FnMut(usize, usize) -> bool,
) -> Result<Vec<UniversalPatch>, GradientError> {
    let classes = model.classes();
    let all = classes * options.screening + options.refined.min(classes) * options.refining;
    let (searched, judged) = halves(images.clean.len());
    let mut searches = Vec::new();
    for class in 0..classes {
        let mut search = Search::new(class, images, &searched, options, model.image_length());
        search.run(model, options.screening)?;
        searches.push(search);
        if !done(searches.len() * options.screening, all) {
            break;
        }
    }
    searches.sort_by(|a, b| a.size().total_cmp(&b.size()));
    let stopped = searches.len() < classes;
    for at in 0..if stopped { 0 } else { options.refined.min(classes) } {
        searches[at].run(model, options.refining)?;
        if !done(classes * options.screening + (at + 1) * options.refining, all) {
            break;
        }
    }
    let found = searches.into_iter().map(|search| search.judged(model, &judged));
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    found.sort_by(|a, b| a.size.total_cmp(&b.size).then(a.class.cmp(&b.class)));
    Ok(found)
}

/// Even images to search on, odd ones to judge on.
fn halves(images: usize) -> (Vec<usize>, Vec<usize>) {
    (0..images).partition(|image| image % 2 == 0)
}

#[cfg(test)]
mod tests;
