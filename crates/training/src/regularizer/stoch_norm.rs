//! Stochastic normalisation (Kou et al. 2020): in training, each channel of a batch norm is normalised either by the statistics of
//! the batch or by the running ones as they were before the batch; the running ones are then updated as ever.

use super::RegularizerError;
use super::error::same_length;
use crate::random::Generator;

/// Mean and variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Means `[channels]`.
    pub mean: Vec<f32>,
    /// Variances `[channels]`, divided by the number of values.
    pub variance: Vec<f32>,
}

/// Draws, for each channel, whether the statistics of the batch are taken; `probability` is 1/2 in the paper. At 1 this is plain
/// batch norm, at 0 normalisation by the running statistics.
#[must_use]
pub fn branches(generator: &mut Generator, probability: f64, channels: usize) -> Vec<bool> {
    (0..channels).map(|_| generator.chance(probability)).collect()
}

/// The statistics to normalise with: those of the batch where `from_batch` says so, else the running ones. Only the former
/// depend on the batch, so only through them do gradients flow.
///
/// # Errors
/// Lengths that differ.
pub fn statistics(
    batch: &Statistics,
    running: &Statistics,
    from_batch: &[bool],
) -> Result<Statistics, RegularizerError> {
    for (what, values) in [("running means", &running.mean), ("running variances", &running.variance)] {
        same_length(what, values.len(), from_batch.len())?;
    }
    for (what, values) in [("means of the batch", &batch.mean), ("variances of the batch", &batch.variance)] {
        same_length(what, values.len(), from_batch.len())?;
    }
    let choose = |batch: &[f32], running: &[f32]| {
        let pairs = batch.iter().zip(running);
        from_batch
            .iter()
            .zip(pairs)
            .map(|(&from_batch, (&batch, &running))| if from_batch { batch } else { running })
            .collect()
    };
    Ok(Statistics { mean: choose(&batch.mean, &running.mean), variance: choose(&batch.variance, &running.variance) })
}

#[cfg(test)]
mod tests;
