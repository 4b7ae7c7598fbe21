//! Adam (Kingma and Ba 2015, algorithm 1) with PyTorch's placement of epsilon; with decoupled decay it is AdamW (Loshchilov and
//! Hutter 2019, algorithm 2):
//!
//! ```text
//! g <- g + decay w                                    (coupled weight decay)
//! m <- m + (1 - beta1) (g - m)
//! v <- beta2 v + (1 - beta2) g^2
//! w <- kept w - rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
//! ```

/// The numbers of one tensor at one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adam {
    /// `rate / (1 - beta1^t)`.
    size: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    correction: f32,
    /// `1 - beta1`.
    share1: f32,
    beta2: f32,
    /// `1 - beta2`.
    share2: f32,
    epsilon: f32,
    coupled: f32,
    kept: f32,
}

impl Adam {
    /// The numbers at step `steps` (counted from 1) of a tensor.
    pub(super) fn at(steps: u64, rate: f64, betas: [f64; 2], epsilon: f64, coupled: f32, kept: f32) -> Self {
        // Far out both corrections are 1 to the last bit, so a capped exponent changes nothing.
        let exponent = i32::try_from(steps).unwrap_or(i32::MAX);
        let [beta1, beta2] = betas;
        Self {
            size: (rate / (1.0 - beta1.powi(exponent))) as f32,
            correction: (1.0 / (1.0 - beta2.powi(exponent)).sqrt()) as f32,
            share1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            share2: (1.0 - beta2) as f32,
            epsilon: epsilon as f32,
            coupled,
            kept,
        }
    }

    /// Moves `weights` and updates the mean of gradients and the mean of their squares.
    pub(super) fn apply(self, weights: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
        for (((weight, &gradient), mean), square) in weights.iter_mut().zip(gradient).zip(mean).zip(square) {
            let gradient = gradient + self.coupled * *weight;
            *mean += self.share1 * (gradient - *mean);
            *square = self.beta2 * *square + self.share2 * gradient * gradient;
            let root = square.sqrt() * self.correction + self.epsilon;
            *weight = *weight * self.kept - self.size * (*mean / root);
        }
    }
}
