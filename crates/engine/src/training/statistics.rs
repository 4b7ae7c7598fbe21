//! Means and variances of a batch, and how the running statistics follow them.

use super::unit::{BatchNorm, Work};
use super::{TrainingPlan, TrainingState};
use crate::kernels::training::BatchNormAffine;
use crate::{EngineError, Tensor, Weights};

/// What a batch norm applies, and the biased variance it came from.
#[derive(Debug)]
pub(super) struct Statistics {
    pub affine: BatchNormAffine,
    pub variance: Vec<f32>,
}

impl Statistics {
    pub fn new(mean: &[f32], variance: Vec<f32>, weight: &[f32], bias: &[f32], epsilon: f64) -> Self {
        Self { affine: BatchNormAffine::new(mean, &variance, weight, bias, epsilon), variance }
    }
}

impl TrainingPlan {
    /// Moves the running statistics of the batch norms that use the batch's towards those of the last forward pass:
    /// `running = (1 - momentum) running + momentum batch`, with the unbiased variance as PyTorch has it (0.1 is its momentum).
    ///
    /// # Errors
    /// A running statistic that is missing or has another length.
    pub fn update_statistics(
        &self,
        state: &TrainingState,
        momentum: f32,
        weights: &mut Weights,
    ) -> Result<(), EngineError> {
        for (unit, statistics) in self.units.iter().zip(&state.statistics) {
            let (Work::BatchNorm { norm, .. }, Some(statistics)) = (&unit.work, statistics) else { continue };
            if norm.batch {
                let count = (state.images * self.shapes[norm.node].positions()) as f32;
                let unbiased: Vec<f32> = statistics.variance.iter().map(|v| v * (count / (count - 1.0))).collect();
                follow(weights, &norm.running_mean, &statistics.affine.mean, momentum)?;
                follow(weights, &norm.running_variance, &unbiased, momentum)?;
            }
        }
        Ok(())
    }
}

fn follow(weights: &mut Weights, name: &str, batch: &[f32], momentum: f32) -> Result<(), EngineError> {
    let missing = || EngineError::MissingParameter { name: name.to_owned() };
    let Tensor { values, .. } = weights.tensors.get_mut(name).ok_or_else(missing)?;
    values.iter_mut().zip(batch).for_each(|(running, &x)| *running = (1.0 - momentum) * *running + momentum * x);
    Ok(())
}

/// The statistics that `norm` uses where it does not use the batch's.
pub(super) fn running(norm: &BatchNorm, weights: &Weights) -> Result<Statistics, EngineError> {
    let values = |name: &str| super::forward::values(weights, name);
    let (mean, variance) = (values(&norm.running_mean)?, values(&norm.running_variance)?);
    Ok(Statistics::new(mean, variance.to_vec(), values(&norm.weight)?, values(&norm.bias)?, norm.epsilon))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector T9 of `spec/bias-transfer.md`: three batches of mean 1 move a running mean from 0 to 0.271.
    #[test]
    fn running_means_drift_to_those_of_the_batches() {
        let tensors = [("mean".to_owned(), Tensor { shape: vec![1], values: vec![0.0] })].into();
        let mut weights = Weights { tensors };
        for _ in 0..3 {
            follow(&mut weights, "mean", &[1.0], 0.1).unwrap();
        }
        assert!((weights.tensors["mean"].values[0] - 0.271).abs() < 1e-6);
        assert!(follow(&mut weights, "variance", &[1.0], 0.1).is_err());
    }
}
