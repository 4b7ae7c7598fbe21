//! Precision of a network.

use clap::{Args, ValueEnum};
use heirloom_engine::Precision;
use heirloom_transfer::extract::PrecisionChoice;

/// What can be typed about the precision of a network.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PrecisionArguments {
    /// Precision of the network's products. `auto` runs a frozen network in bf16 where the processor has a matrix unit for it (AMX) and
    /// the features of sixteen drawn pictures keep a cosine of 0.999 to those of f32 in every layer; it trains in f32 [default: auto]
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<PrecisionName>,
}

/// What can be typed about how features are kept.
#[derive(Debug, Clone, Copy, Args)]
pub struct StorageArguments {
    /// What features are rounded to before they are used and kept: bf16 halves the cache [default: f32]
    #[arg(long, value_name = "f32|bf16")]
    pub feature_storage: Option<Precision>,
}

impl StorageArguments {
    /// What was asked for.
    pub fn storage(self) -> Precision {
        self.feature_storage.unwrap_or_default()
    }
}

/// Names of precisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionName {
    /// bf16 where it is faster and harmless
    Auto,
    /// Single precision
    F32,
    /// Operands rounded to eight bits of significand, sums in single precision; slower than f32 without a matrix unit
    Bf16,
}

impl PrecisionArguments {
    /// What training runs in: f32 unless bf16 is asked for.
    pub fn of_training(self) -> Precision {
        match self.choice() {
            PrecisionChoice::Of(precision) => precision,
            PrecisionChoice::Auto => Precision::F32,
        }
    }

    /// What was asked for.
    pub fn choice(self) -> PrecisionChoice {
        match self.precision {
            None | Some(PrecisionName::Auto) => PrecisionChoice::Auto,
            Some(PrecisionName::F32) => PrecisionChoice::Of(Precision::F32),
            Some(PrecisionName::Bf16) => PrecisionChoice::Of(Precision::Bf16),
        }
    }
}
