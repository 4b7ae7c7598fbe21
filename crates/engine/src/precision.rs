//! Precision of the products of matrices.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::EngineError;

/// What the operands of convolutions, linear layers and attention are rounded to before they are multiplied. Sums are `f32`
/// either way; in bf16 some of the values between the products are kept as 16 bits, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// As they are: 24 bits of significand.
    #[default]
    F32,
    /// Eight bits of significand and the range of `f32`, as matrix units take them. Depthwise convolutions stay in `f32`.
    Bf16,
}

impl Precision {
    /// The name on the command line and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self, EngineError> {
        [Self::F32, Self::Bf16]
            .into_iter()
            .find(|precision| precision.name() == name)
            .ok_or_else(|| EngineError::Unsupported { what: format!("precision '{name}'; known: f32, bf16") })
    }
}
