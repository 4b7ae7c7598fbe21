//! Several backward passes after one forward pass: rows of the Jacobian.

use super::{Gradients, TrainingPlan, TrainingState};
use crate::{EngineError, Weights};

impl TrainingPlan {
    /// A backward pass for each of `seeds`, gradients at the first output for the whole batch, after a single
    /// [`forward`](Self::forward); `take` is given the number of the seed and what [`backward`](Self::backward) leaves.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_each(
        &self,
        weights: &Weights,
        state: &mut TrainingState,
        seeds: &[Vec<f32>],
        gradients: &mut Gradients,
        mut take: impl FnMut(usize, &Gradients),
    ) -> Result<(), EngineError> {
        let values = state.values.clone();
        for (at, seed) in seeds.iter().enumerate() {
            state.values.clone_from(&values);
            self.backward(weights, state, &[Some(seed)], gradients)?;
            take(at, gradients);
        }
        Ok(())
    }
}
