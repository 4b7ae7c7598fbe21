//! Settings of one training: the usual ones first, then random ones from the ranges of DomainBed (Gulrajani, Lopez-Paz 2021, table 8),
//! those of the learning rate moved to what a linear head needs.

use heirloom_training::random::generator;
use serde::{Deserialize, Serialize};

use super::GeneralisationMethod;

/// Settings of one training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Learning rate of the first step; it falls to 0 in a straight line.
    pub rate: f64,
    /// Weight decay.
    pub decay: f64,
    /// CORAL: weight of the penalty. Group-DRO: step of the weights. Mixup: `alpha` of the shares. `None` for ERM.
    pub strength: Option<f64>,
}

impl Draw {
    /// Settings number `number`, a function of the seed, the method and the number alone.
    pub(super) fn new(method: GeneralisationMethod, seed: u64, number: usize) -> Self {
        let usual = match method {
            GeneralisationMethod::Erm => None,
            GeneralisationMethod::Coral => Some((1.0, [-1.0, 1.0])),
            GeneralisationMethod::GroupDro => Some((0.01, [-3.0, -1.0])),
            GeneralisationMethod::Mixup => Some((0.2, [-1.0, 1.0])),
        };
        if number == 0 {
            return Self { rate: 0.01, decay: 1e-3, strength: usual.map(|(strength, _)| strength) };
        }
        let mut random = generator(seed, "settings of generalisation", &[number as u64]);
        let mut power = |[low, high]: [f64; 2]| 10.0_f64.powf(low + (high - low) * random.uniform());
        let (rate, decay) = (power([-3.0, -1.5]), power([-5.0, -1.5]));
        Self { rate, decay, strength: usual.map(|(_, range)| power(range)) }
    }
}
