//! Losses for sets whose classes differ in size: weights of classes, and the prior of balanced softmax.

use super::LossError;

/// Rows of each class.
///
/// # Errors
/// A label that is no class.
pub fn class_counts(labels: &[usize], classes: usize) -> Result<Vec<usize>, LossError> {
    let mut counts = vec![0; classes];
    for (row, &label) in labels.iter().enumerate() {
        *counts.get_mut(label).ok_or(LossError::Label { row, label, classes })? += 1;
    }
    Ok(counts)
}

/// Weights that give every class the same part in the loss: `rows / (classes * count)`. A class without rows gets 0, there is
/// nothing of it to weigh.
#[must_use]
pub fn balanced_class_weights(counts: &[usize]) -> Vec<f64> {
    let rows: usize = counts.iter().sum();
    let share = rows as f64 / counts.len() as f64;
    counts.iter().map(|&count| if count == 0 { 0.0 } else { share / count as f64 }).collect()
}

/// Logarithm of each class's share of the training rows, for balanced softmax (Ren et al. 2020): added to the logits while
/// training, it makes the plain logits those of a balanced set.
///
/// # Errors
/// A class without rows, whose logarithm would be infinite.
pub fn log_prior(counts: &[usize]) -> Result<Vec<f64>, LossError> {
    let rows: usize = counts.iter().sum();
    let log = |(class, &count): (usize, &usize)| {
        if count == 0 { Err(LossError::EmptyClass { class }) } else { Ok((count as f64 / rows as f64).ln()) }
    };
    counts.iter().enumerate().map(log).collect()
}
