//! How much is drawn and trained.

use heirloom_data::HalvesSize;

use crate::arguments::DemoSize;

/// Numbers of images and epochs.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Images of both halves.
    pub halves: HalvesSize,
    /// Epochs of pretraining.
    pub source_epochs: u64,
    /// Epochs of `full` and of `scratch`.
    pub target_epochs: [u64; 2],
}

impl Size {
    /// What the name stands for.
    pub fn of(name: DemoSize) -> Self {
        let side = 32;
        match name {
            DemoSize::Whole => Self {
                halves: HalvesSize { side, source_train: 160, source_test: 20, target_train: 20, target_test: 40 },
                source_epochs: 10,
                target_epochs: [20, 60],
            },
            DemoSize::Smoke => Self {
                halves: HalvesSize { side, source_train: 4, source_test: 1, target_train: 10, target_test: 2 },
                source_epochs: 1,
                target_epochs: [1, 1],
            },
        }
    }
}
