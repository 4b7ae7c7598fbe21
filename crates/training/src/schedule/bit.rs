//! BiT-HyperRule (Kolesnikov et al. 2020): steps, milestones and mixup of fine-tuning from the size of the training set alone
//! (`spec/regularisers-and-adaptation.md` B4).

use serde::{Deserialize, Serialize};

/// Highest rate for a batch of [`BATCH`] images.
pub const PEAK: f64 = 0.003;
/// The batch that [`PEAK`] belongs to.
pub const BATCH: usize = 512;

/// What the rule says for a training set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HyperRule {
    /// Steps of linear warm-up from 0.
    pub warm_up: u64,
    /// The rate falls by ten after each of these steps.
    pub milestones: [u64; 3],
    /// All steps.
    pub steps: u64,
    /// `alpha` of mixup, 0 for none.
    pub mixup: f64,
}

impl HyperRule {
    /// The rule for `rows` training rows.
    #[must_use]
    pub const fn of(rows: u64) -> Self {
        match rows {
            0..20_000 => Self { warm_up: 100, milestones: [200, 300, 400], steps: 500, mixup: 0.0 },
            20_000..500_000 => Self { warm_up: 500, milestones: [3000, 6000, 9000], steps: 10_000, mixup: 0.1 },
            _ => Self { warm_up: 500, milestones: [6000, 12_000, 18_000], steps: 20_000, mixup: 0.1 },
        }
    }

    /// Pixels of a side: `(resize, crop)`, from the area of the original images.
    #[must_use]
    pub const fn sides(area: u64) -> (u64, u64) {
        if area < 96 * 96 { (160, 128) } else { (512, 480) }
    }

    /// The rate of a step counted from 0; 0 when training is over. As released, a milestone's own step still has the old rate.
    #[must_use]
    pub fn learning_rate(&self, peak: f64, step: u64) -> f64 {
        if step >= self.steps {
            return 0.0;
        }
        let warm = (step as f64 / self.warm_up as f64).min(1.0);
        self.milestones.iter().filter(|&&milestone| milestone < step).fold(peak * warm, |rate, _| rate / 10.0)
    }
}
