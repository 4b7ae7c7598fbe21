//! One step: forward, loss, backward, optimiser.

use heirloom_engine::Pixels;

use super::penalty::Found;
use super::readout::ReadoutGradients;
use super::report::StepReport;
use super::source::{BatchTargets, TrainingBatch};
use super::{Trainer, TrainingError};
use crate::divergence::{Position, check_gradients, check_loss};
use crate::loss::Loss;
use crate::optimizer::clip_by_global_norm;
use crate::schedule::Length;

impl Trainer {
    pub(super) fn step(&mut self, batch: &TrainingBatch, length: Length) -> Result<StepReport, TrainingError> {
        let learning_rate = self.settings.schedule.learning_rate(self.settings.learning_rate, self.steps, length);
        let position = Position { epoch: self.epoch, step: self.steps, learning_rate };
        let (loss, right) = self.gradients(batch, position)?;
        self.plan.update_statistics(&self.state, self.settings.statistics_momentum, &mut self.weights)?;
        self.optimizer.step(&mut self.weights, &self.gradients.tensors, learning_rate)?;
        if let Some(average) = &mut self.average {
            average.update(&self.weights)?;
        }
        let report = StepReport {
            epoch: self.epoch,
            step_in_epoch: self.step_in_epoch,
            steps_per_epoch: length.steps_per_epoch,
            epochs: length.epochs,
            loss,
            right,
            images: batch.images,
            learning_rate,
        };
        self.sums.add(&report);
        self.step_in_epoch += 1;
        self.steps += 1;
        Ok(report)
    }

    /// Leaves the gradients of the batch, clipped; returns the loss with penalties and the number of right answers.
    fn gradients(&mut self, batch: &TrainingBatch, position: Position) -> Result<(f64, usize), TrainingError> {
        let changed = self.settings.adversary.map(|adversary| self.changed(batch, adversary, position)).transpose()?;
        let pixels = changed.as_deref().map_or_else(|| batch.pixels.as_pixels(), Pixels::Normalized);
        let (loss, right) = self.loss(pixels, batch, position)?;
        let found = self.penalties(pixels, batch)?;
        self.backward(&loss, batch.images, &found)?;
        let mut total = loss.mean + found.value;
        if let Some(regularizer) = &self.regularizer {
            total += regularizer.on_weights(&self.weights, &mut self.gradients.tensors)?;
        }
        check_loss(position, total)?;
        check_gradients(position, total, &self.gradients.tensors)?;
        if let Some(maximum) = self.settings.clip_norm {
            clip_by_global_norm(&mut self.gradients.tensors, maximum);
        }
        Ok((total, right))
    }

    /// Loss of some pixels with the batch's targets, and the number of right answers.
    pub(super) fn loss(
        &mut self,
        pixels: Pixels<'_>,
        batch: &TrainingBatch,
        position: Position,
    ) -> Result<(Loss, usize), TrainingError> {
        self.plan.forward(&self.weights, pixels, batch.images, &mut self.state)?;
        let own;
        let logits = match &self.readout {
            Some(readout) => {
                own = readout.logits(&self.weights, &self.read(), batch.images)?;
                own.as_slice()
            }
            None => self.plan.output(&self.state, 0).unwrap_or_default(),
        };
        check_loss(position, logits.iter().map(|&x| f64::from(x)).sum())?;
        let loss = self.settings.loss.loss(logits, self.classes, batch.targets.as_targets())?;
        let right = right_answers(logits, self.classes, &batch.targets);
        Ok((loss, right))
    }

    /// Leaves the gradients of the loss of the last forward pass, with those that penalties have.
    pub(super) fn backward(&mut self, loss: &Loss, images: usize, found: &Found) -> Result<(), TrainingError> {
        let head = match &self.readout {
            Some(readout) => readout.backward(&self.weights, &self.read(), images, &loss.gradient)?,
            None => ReadoutGradients { nodes: vec![loss.gradient.clone()], ..ReadoutGradients::default() },
        };
        let own = head.nodes.iter().map(|gradient| Some(gradient.as_slice()));
        let penalties = found.gradients.iter().map(|gradient| Some(gradient.as_slice()));
        let mut seeds: Vec<Option<&[f32]>> = own.chain(penalties).collect();
        seeds.resize(self.plan.outputs().count(), None);
        self.plan.backward(&self.weights, &mut self.state, &seeds, &mut self.gradients)?;
        self.gradients.tensors.extend(head.parameters);
        self.gradients.tensors.extend(found.parameters.iter().map(|(key, values)| (key.clone(), values.clone())));
        Ok(())
    }

    /// Values of the nodes that the head reads.
    fn read(&self) -> Vec<&[f32]> {
        (0..self.read).map(|at| self.plan.output(&self.state, at).unwrap_or_default()).collect()
    }

    fn penalties(&self, pixels: Pixels<'_>, batch: &TrainingBatch) -> Result<Found, TrainingError> {
        let Some(regularizer) = &self.regularizer else { return Ok(Found::default()) };
        let shapes = self.plan.outputs().enumerate().skip(self.read);
        let value = |at: usize| self.plan.output(&self.state, at).unwrap_or_default();
        let values: Vec<(&[f32], usize)> = shapes.map(|(at, shape)| (value(at), shape.channels())).collect();
        regularizer.on_activations(pixels, batch.images, &values, &batch.targets, &self.weights)
    }
}

/// How often the largest logit is that of the (largest) target.
fn right_answers(logits: &[f32], classes: usize, targets: &BatchTargets) -> usize {
    let largest = |values: &[f32]| {
        (0..values.len()).fold(0, |best, class| if values[class] > values[best] { class } else { best })
    };
    let rows = logits.chunks_exact(classes.max(1));
    match targets {
        BatchTargets::Labels(labels) | BatchTargets::Given { labels, .. } => {
            rows.zip(labels).filter(|(row, label)| largest(row) == **label).count()
        }
        BatchTargets::Shares(shares) => {
            rows.zip(shares.chunks_exact(classes.max(1))).filter(|(row, share)| largest(row) == largest(share)).count()
        }
    }
}
