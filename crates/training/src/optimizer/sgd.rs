//! Stochastic gradient descent with momentum, in PyTorch's form:
//!
//! ```text
//! g <- g + decay w                      (coupled weight decay)
//! b <- momentum b + g                   (b starts at 0, so the first b is g)
//! d  = g + momentum b  (Nesterov)  or  b
//! w <- kept w - rate d                  (kept = 1 - rate decay when decoupled, else 1)
//! ```

/// The numbers of one tensor at one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sgd {
    pub(super) rate: f32,
    pub(super) momentum: f32,
    pub(super) nesterov: bool,
    pub(super) coupled: f32,
    pub(super) kept: f32,
}

impl Sgd {
    /// Moves `weights`. `momentum` is empty when no momentum is kept.
    pub(super) fn apply(self, weights: &mut [f32], gradient: &[f32], momentum: &mut [f32]) {
        let Self { rate, coupled, kept, .. } = self;
        if momentum.is_empty() {
            for (weight, &gradient) in weights.iter_mut().zip(gradient) {
                *weight = *weight * kept - rate * (gradient + coupled * *weight);
            }
            return;
        }
        for ((weight, &gradient), buffer) in weights.iter_mut().zip(gradient).zip(momentum) {
            let gradient = gradient + coupled * *weight;
            *buffer = self.momentum * *buffer + gradient;
            let direction = if self.nesterov { gradient + self.momentum * *buffer } else { *buffer };
            *weight = *weight * kept - rate * direction;
        }
    }
}
