//! Common corruptions at five severities (Hendrycks and Dietterich 2019), on images that are judged as they are, too.

use heirloom_data::augment::Key;
use heirloom_data::corruption::CommonCorruption;
use heirloom_transfer::calibration::Answer;
use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use super::Asked;
use super::scores::Said;
use crate::{AuditError, Difference, Level, balanced, paired_difference};

/// Accuracy under a kind of corruption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptedRecord {
    /// The kind.
    pub kind: CommonCorruption,
    /// Accuracy at each severity.
    pub accuracies: Vec<Share>,
    /// What it costs on the mean over severities, images paired.
    pub drop: Difference,
}

/// Accuracy under all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptionRecord {
    /// Accuracy on the same images as they are.
    pub accuracy: Share,
    /// By kind; empty where there is nothing to corrupt.
    pub kinds: Vec<CorruptedRecord>,
    /// What they cost on the mean over kinds and severities, images paired.
    pub drop: Option<Difference>,
}

impl Asked<'_> {
    /// Accuracy on some judged images, corrupted in every way.
    pub(super) fn corrupted(&self) -> Result<CorruptionRecord, AuditError> {
        let (images, labels) = self.input.judged;
        let chosen = balanced(labels, self.options.corrupted, self.options.seed);
        let (some, size) = (images.only(&chosen), images.preprocess().input_size);
        let labels: Vec<usize> = chosen.iter().map(|image| labels[*image]).collect();
        let classes = self.input.model.artifact().classes.len().max(1);
        let right = |said: &Said| -> Vec<f64> {
            let rows = said.probabilities.chunks(classes).zip(&labels);
            rows.map(|(row, label)| f64::from(u8::from(Answer::of(row, *label).right))).collect()
        };
        let own = right(&self.said(&some, labels.len(), None, &|_, _| {})?);
        let (mut kinds, mut all) = (Vec::new(), vec![0.0; labels.len()]);
        for kind in CommonCorruption::ALL {
            let (mut accuracies, mut lost) = (Vec::new(), vec![0.0; labels.len()]);
            for severity in 1..=CommonCorruption::SEVERITIES {
                let key = |row| Key { seed: self.options.seed, epoch: severity as u64, row };
                let change = |image: usize, pixels: &mut [u8]| kind.apply(size, severity, key(image), pixels);
                let right = right(&self.said(&some, labels.len(), None, &change)?);
                accuracies.push(Share::rate(mean(&right), right.len()));
                let share = CommonCorruption::SEVERITIES as f64;
                lost.iter_mut()
                    .zip(own.iter().zip(&right))
                    .for_each(|(lost, (own, right))| *lost += (own - right) / share);
            }
            all.iter_mut().zip(&lost).for_each(|(all, lost)| *all += lost / CommonCorruption::ALL.len() as f64);
            if let Some(drop) = paired_difference(&lost, Level::of(1), self.options.seed) {
                kinds.push(CorruptedRecord { kind, accuracies, drop });
            }
        }
        let drop = paired_difference(&all, Level::of(1), self.options.seed);
        Ok(CorruptionRecord { accuracy: Share::rate(mean(&own), own.len()), kinds, drop })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
