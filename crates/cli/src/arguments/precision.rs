//! Precision of a frozen network.

use clap::{Args, ValueEnum};
use heirloom_engine::Precision;
use heirloom_transfer::extract::PrecisionChoice;

/// What can be typed about the precision of a frozen network.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PrecisionArguments {
    /// Precision of a frozen network's products. `auto` takes bf16 where the processor has a matrix unit for it (AMX) and the features of
    /// sixteen drawn pictures keep a cosine of 0.999 to those of f32 in every layer [default: auto]
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<PrecisionName>,
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
    /// What was asked for.
    pub fn choice(self) -> PrecisionChoice {
        match self.precision {
            None | Some(PrecisionName::Auto) => PrecisionChoice::Auto,
            Some(PrecisionName::F32) => PrecisionChoice::Of(Precision::F32),
            Some(PrecisionName::Bf16) => PrecisionChoice::Of(Precision::Bf16),
        }
    }
}
