//! The model under audit with the images it is shown: answers to images as they are and to the same images changed.

use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_transfer::predictor::Predictor;

use crate::{Attack, AuditError, ChangedImages, Patch, PrepareError, PreparedImages, predicted_classes};

/// What an audit tells and asks while it runs.
#[derive(Clone, Copy, Default)]
pub struct AuditWatch<'a> {
    /// Told how many more images went to the model.
    pub shown: Option<&'a (dyn Fn(usize) + Sync)>,
    /// Stops the audit when set.
    pub cancel: Option<&'a AtomicBool>,
}

impl AuditWatch<'_> {
    /// Ends the work where the flag to stop is set.
    ///
    /// # Errors
    /// [`PrepareError::Cancelled`].
    pub fn check(&self) -> Result<(), AuditError> {
        let stop = self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        if stop { Err(PrepareError::Cancelled.into()) } else { Ok(()) }
    }
}

/// A model, images, the class of each, and the model's answers to them as they are.
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Predictor,
    /// The images.
    pub images: &'a PreparedImages,
    /// Class of each image, among the classes of the model.
    pub labels: &'a [usize],
    /// Answer to each image as it is.
    pub clean: Vec<usize>,
    /// Fixes everything drawn.
    pub seed: u64,
    watch: AuditWatch<'a>,
}

impl<'a> Subject<'a> {
    /// Asks the model about all images as they are.
    ///
    /// # Errors
    /// A model that cannot answer, or the flag to stop.
    pub fn new(
        model: &'a Predictor,
        images: &'a PreparedImages,
        labels: &'a [usize],
        seed: u64,
        watch: AuditWatch<'a>,
    ) -> Result<Self, AuditError> {
        let mut subject = Self { model, images, labels, clean: Vec::new(), seed, watch };
        let all: Vec<usize> = (0..labels.len()).collect();
        subject.clean = subject.answers(&all, &|_, _| {})?;
        Ok(subject)
    }

    /// Answers to some images, changed by `change`, in their order; numbers rise.
    ///
    /// # Errors
    /// A model that cannot answer, or the flag to stop.
    pub fn answers(
        &self,
        images: &[usize],
        change: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) -> Result<Vec<usize>, AuditError> {
        let shown = |more: usize| self.watch.shown.iter().for_each(|shown| shown(more));
        let changed = ChangedImages { images: self.images, change, shown: &shown };
        let answers = predicted_classes(self.model, &changed, images, self.watch.cancel)?;
        Ok(answers.into_iter().map(|(_, class)| class).collect())
    }

    /// Answers to some images with a patch on them.
    ///
    /// # Errors
    /// As [`Subject::answers`].
    pub fn patched(&self, images: &[usize], patch: &Patch) -> Result<Vec<usize>, AuditError> {
        let prepared = patch.prepare(self.images.preprocess().input_size, self.seed)?;
        self.answers(images, &|image, pixels| prepared.apply(image, pixels))
    }

    /// What changed answers to some images amount to.
    ///
    /// # Errors
    /// Lists of different length.
    pub fn attack(&self, images: &[usize], answers: &[usize]) -> Result<Attack, AuditError> {
        Ok(Attack::of(&self.of(self.labels, images), &self.of(&self.clean, images), answers)?)
    }

    /// For each of `images` that is answered right as it is, whether the changed answer is wrong: 1 or 0.
    #[must_use]
    pub fn broken(&self, images: &[usize], answers: &[usize]) -> Vec<f64> {
        let right = images.iter().zip(answers).filter(|(image, _)| self.is_right(**image));
        right.map(|(image, answer)| f64::from(u8::from(*answer != self.labels[*image]))).collect()
    }

    /// Whether an image is answered right as it is.
    #[must_use]
    pub fn is_right(&self, image: usize) -> bool {
        self.clean.get(image) == self.labels.get(image)
    }

    /// The entries of a list that belong to some images.
    pub(crate) fn of(&self, list: &[usize], images: &[usize]) -> Vec<usize> {
        images.iter().filter_map(|image| list.get(*image).copied()).collect()
    }

    /// The model's classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.model.artifact().classes
    }

    /// Told and asked while it runs.
    pub(crate) fn watch(&self) -> &AuditWatch<'a> {
        &self.watch
    }
}
