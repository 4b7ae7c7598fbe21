//! The features that the head reads, of training and judged images, as they are and changed: read once for all remedies of the head.

use heirloom_data::{SplitInput, folds};
use heirloom_transfer::Features;
use heirloom_transfer::heads::{Head, HeadError, Method, Settings, Training, fit};

use super::left::{Answers, Judged};
use super::{RemedyError, RemedyInput};
use crate::predicted::largest;
use crate::{AuditError, ChangedImages, Fill, Patch, PreparedImages};

/// Parts of the training images; the first chooses what a remedy leaves open.
const FOLDS: usize = 5;

/// Features of training and judged images.
pub(super) struct Shown {
    pub train: Features,
    /// With the trigger, and with a patch of the same shape filled with the image's own pixels; empty without a trigger.
    pub triggered: Features,
    pub control: Features,
    pub labels: Vec<usize>,
    pub folds: Vec<usize>,
    /// Judged images as they are, with the trigger, with each control.
    judged: [Features; 2],
    judged_controls: Vec<Features>,
    pub classes: usize,
    /// Method of the heads that are fitted anew, and the block it reads.
    method: Method,
    penultimate: String,
    /// Images that went through the network for the training features.
    pub images: usize,
}

impl Shown {
    pub fn read(input: &RemedyInput<'_>, judged: &Judged<'_>) -> Result<Self, RemedyError> {
        let all: Vec<usize> = (0..input.train_labels.len()).collect();
        let none = Features::default;
        let train = features(input, input.train, &all, None)?;
        let own = judged.trigger.map(|trigger| Patch { fill: Fill::OwnPixels { draw: 0 }, ..trigger });
        let changed = |patch: Option<Patch>| {
            patch.map_or_else(|| Ok(none()), |patch| features(input, input.train, &all, Some(patch)))
        };
        let of_judged = |patch: Option<Patch>| features(input, input.subject.images, judged.images, patch);
        let (triggered, control) = (changed(judged.trigger)?, changed(own)?);
        let judged_triggered = judged.trigger.map_or_else(|| Ok(none()), |trigger| of_judged(Some(trigger)))?;
        let controls = judged.controls.iter().map(|control| of_judged(Some(*control)));
        let head = &input.subject.model.artifact().head;
        let principal = head.columns().last().map(|column| column.tap.clone()).unwrap_or_default();
        Ok(Self {
            images: all.len() * if judged.trigger.is_some() { 3 } else { 1 },
            folds: fold_of(input.train_labels)?,
            labels: input.train_labels.to_vec(),
            judged: [of_judged(None)?, judged_triggered],
            judged_controls: controls.collect::<Result<_, _>>()?,
            classes: input.subject.classes().len(),
            method: head.method(),
            penultimate: principal,
            train,
            triggered,
            control,
        })
    }

    /// From features alone: training images as they are, with the trigger, with its control; judged images as they are and with it.
    #[cfg(test)]
    pub fn of_features(train: [Features; 3], labels: Vec<usize>, judged: [Features; 2], method: Method) -> Self {
        let [train, triggered, control] = train;
        Self {
            folds: (0..train.rows).map(|row| row / 2 % FOLDS).collect(),
            classes: labels.iter().max().map_or(0, |last| last + 1),
            images: train.rows,
            penultimate: "last".to_owned(),
            judged_controls: Vec::new(),
            train,
            triggered,
            control,
            labels,
            judged,
            method,
        }
    }

    /// A head of the model's own method on some rows of features.
    pub fn fit(
        &self,
        features: &Features,
        labels: &[usize],
        rows: &[usize],
        folds: &[usize],
    ) -> Result<Head, HeadError> {
        let training = Training { features, labels, rows, folds, classes: self.classes };
        let settings = Settings { penultimate: self.penultimate.clone(), ..Settings::default() };
        Ok(fit(self.method, &training, &settings)?.head)
    }

    /// Answers of a head to the judged images; `change` is done to features before, as it was before fitting.
    pub fn answers(&self, head: &Head, change: &dyn Fn(&mut Features)) -> Result<Answers, HeadError> {
        let of = |features: &Features| -> Result<Vec<usize>, HeadError> {
            if features.rows == 0 {
                return Ok(Vec::new());
            }
            let mut features = features.clone();
            change(&mut features);
            answered(head, &features, &(0..features.rows).collect::<Vec<_>>())
        };
        Ok(Answers {
            clean: of(&self.judged[0])?,
            triggered: of(&self.judged[1])?,
            controls: self.judged_controls.iter().map(of).collect::<Result<_, _>>()?,
        })
    }

    /// Training rows to fit on, and those that choose.
    pub fn split(&self) -> [Vec<usize>; 2] {
        let (choose, fit) = (0..self.labels.len()).partition(|row| self.folds[*row] == 0);
        [fit, choose]
    }
}

/// The most probable class of some rows, the lowest of equals.
pub(super) fn answered(head: &Head, features: &Features, rows: &[usize]) -> Result<Vec<usize>, HeadError> {
    Ok(head.logits(features, rows)?.chunks(head.classes().max(1)).map(largest).collect())
}

fn features(
    input: &RemedyInput<'_>,
    images: &PreparedImages,
    rows: &[usize],
    patch: Option<Patch>,
) -> Result<Features, RemedyError> {
    let size = images.preprocess().input_size;
    let patch = patch.map(|patch| patch.prepare(size, input.subject.seed)).transpose().map_err(AuditError::from)?;
    let change = |image: usize, pixels: &mut [u8]| {
        if let Some(patch) = &patch {
            patch.apply(image, pixels);
        }
    };
    let watch = input.subject.watch();
    let shown = |more: usize| watch.shown.iter().for_each(|shown| shown(more));
    let changed = ChangedImages { images, change: &change, shown: &shown };
    let extracted = input.subject.model.features(&changed, rows, watch.cancel).map_err(AuditError::from)?;
    Ok(extracted.features)
}

fn fold_of(labels: &[usize]) -> Result<Vec<usize>, RemedyError> {
    let too_few =
        |error: heirloom_data::SplitError| RemedyError::TooFew { images: labels.len(), reason: error.to_string() };
    Ok(folds(SplitInput { labels, groups: None, keys: None }, FOLDS, 0).map_err(too_few)?.fold_of)
}
