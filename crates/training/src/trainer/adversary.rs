//! Adversarial training (Madry et al. 2018; in one step from a random start, Wong et al. 2020; `spec/robustness.md` section 3): the images of
//! a batch are changed, each value by at most `epsilon`, so that the loss rises, and the network learns from what they became.
//!
//! ```text
//! x_0 = clip(x + U(-e, e))      x_(t+1) = clip(project to within e of x (x_t + a sign(slope of the loss)))
//! a = 1.25 e in one step, e / 4 in several
//! ```
//!
//! Changes are centred on the image as it is. Batch norms use the statistics of the changed batch, as in the learning step; their running
//! statistics follow the last pass alone.

use heirloom_engine::{Graph, Op, Pixels};
use serde::{Deserialize, Serialize};

use super::penalty::Found;
use super::source::{BatchPixels, TrainingBatch};
use super::{Trainer, TrainingError};
use crate::divergence::Position;
use crate::random::generator;

/// How far images are changed, and in how many steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversary {
    /// Most that a value may change, as a share of the range from black to white.
    pub epsilon: f64,
    /// Steps uphill; each costs as much as a step of learning.
    pub steps: u32,
}

impl Adversary {
    /// One step from a random start.
    #[must_use]
    pub const fn one_step(epsilon: f64) -> Self {
        Self { epsilon, steps: 1 }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.epsilon > 0.0 && self.epsilon < 1.0 && self.steps > 0
    }

    fn step(&self) -> f64 {
        if self.steps == 1 { 1.25 * self.epsilon } else { self.epsilon / 4.0 }
    }
}

/// Mean and standard deviation that a network takes off the pixels of each channel.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Scale {
    pub fn of(graph: &Graph) -> Self {
        let scale = graph.nodes.iter().find_map(|node| match &node.op {
            Op::Normalize { mean, std } => Some(Self { mean: mean.clone(), std: std.clone() }),
            _ => None,
        });
        scale.unwrap_or_else(|| Self { mean: vec![0.0], std: vec![1.0] })
    }

    fn channels(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        self.mean.iter().copied().zip(self.std.iter().copied()).cycle()
    }

    pub fn normalised(&self, pixels: &BatchPixels) -> Vec<f32> {
        match pixels {
            BatchPixels::Normalized(values) => values.clone(),
            BatchPixels::Bytes(bytes) => {
                let of = |(byte, (mean, std)): (&u8, (f32, f32))| (f32::from(*byte) / 255.0 - mean) / std;
                bytes.iter().zip(self.channels()).map(of).collect()
            }
        }
    }

    /// `at` held within `epsilon` of `images`, and within black and white.
    fn hold(&self, at: &mut [f32], images: &[f32], epsilon: f32) {
        for ((value, image), (mean, std)) in at.iter_mut().zip(images).zip(self.channels()) {
            let (black, white, most) = (-mean / std, (1.0 - mean) / std, epsilon / std);
            *value = value.max(image - most).min(image + most).max(black).min(white);
        }
    }
}

impl Trainer {
    /// The normalised pixels of a batch, changed so that the loss rises.
    pub(super) fn changed(
        &mut self,
        batch: &TrainingBatch,
        adversary: Adversary,
        position: Position,
    ) -> Result<Vec<f32>, TrainingError> {
        let images = self.scale.normalised(&batch.pixels);
        let (epsilon, step) = (adversary.epsilon as f32, adversary.step() as f32);
        let mut random = generator(self.settings.seed, "adversary", &[self.steps]);
        let mut at = images.clone();
        for (value, (_, std)) in at.iter_mut().zip(self.scale.channels()) {
            *value += epsilon * (2.0 * random.uniform() as f32 - 1.0) / std;
        }
        self.scale.hold(&mut at, &images, epsilon);
        for _ in 0..adversary.steps {
            let (loss, _) = self.loss(Pixels::Normalized(&at), batch, position)?;
            self.backward(&loss, batch.images, &Found::default())?;
            let slope = self.gradients.input.as_deref().unwrap_or_default();
            for ((value, slope), (_, std)) in at.iter_mut().zip(slope).zip(self.scale.channels()) {
                let sign = if *slope == 0.0 { 0.0 } else { slope.signum() };
                *value += step * sign / std;
            }
            self.scale.hold(&mut at, &images, epsilon);
        }
        Ok(at)
    }
}
