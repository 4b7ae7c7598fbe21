//! Which instruction set the kernels use. Every kernel clamps the variant it is given to what the processor has, so safe code
//! can never reach an instruction that is missing.

use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Precision};

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
    /// The matrix unit, for products in bf16; everything else as with AVX-512.
    Amx,
}

impl Isa {
    /// All variants of the `f32` kernels, weakest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The best variant of this processor for `f32`.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(probe)
    }

    /// The best variant of this processor, capped by the environment variable `HEIRLOOM_ISA`
    /// (`portable`, `avx2`, `avx512` or `amx`). A value that names no variant caps nothing; [`Isa::from_environment`] reports it.
    #[must_use]
    pub fn detect() -> Self {
        Self::from_environment().unwrap_or_else(|_| Self::best())
    }

    /// Like [`Isa::detect`], with an unknown value of `HEIRLOOM_ISA` as an error.
    ///
    /// # Errors
    /// When `HEIRLOOM_ISA` names no variant.
    pub fn from_environment() -> Result<Self, EngineError> {
        match std::env::var("HEIRLOOM_ISA") {
            Ok(cap) => Ok(cap.parse::<Self>()?.clamped()),
            Err(std::env::VarError::NotPresent) => Ok(Self::best()),
            Err(std::env::VarError::NotUnicode(value)) => value.to_string_lossy().parse(),
        }
    }

    /// The best variant of this processor for products in bf16.
    #[must_use]
    pub fn best_for_bf16() -> Self {
        if super::bf16::available() { Self::Amx } else { Self::best() }
    }

    /// The best variant of this processor for products of a precision, capped by `HEIRLOOM_ISA`.
    #[must_use]
    pub fn detect_for(precision: Precision) -> Self {
        let best = match precision {
            Precision::F32 => return Self::detect(),
            Precision::Bf16 => Self::best_for_bf16(),
        };
        let cap = std::env::var("HEIRLOOM_ISA").ok().and_then(|cap| cap.parse().ok());
        cap.map_or(best, |cap: Self| cap.min(best))
    }

    /// Whether products in bf16 run in the matrix unit.
    pub(crate) fn has_tiles(self) -> bool {
        self == Self::Amx && super::bf16::available()
    }

    /// The variant of the `f32` kernels: this one, or the best the processor has where that is weaker.
    #[must_use]
    pub fn clamped(self) -> Self {
        self.min(Self::best())
    }

    /// The variants of the `f32` kernels that this processor can run, weakest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&isa| isa <= Self::best())
    }

    /// The name used by `HEIRLOOM_ISA`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self, EngineError> {
        match name {
            "portable" => Ok(Self::Portable),
            "avx2" => Ok(Self::Avx2),
            "avx512" => Ok(Self::Avx512),
            "amx" => Ok(Self::Amx),
            other => Err(EngineError::Unsupported {
                what: format!("instruction set '{other}'; known: portable, avx2, avx512, amx"),
            }),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn probe() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        _ => Isa::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn probe() -> Isa {
    Isa::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_nothing_exceeds_the_processor() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse::<Isa>().unwrap(), isa);
            assert!(isa.clamped() <= Isa::best());
        }
        assert_eq!("amx".parse::<Isa>().unwrap(), Isa::Amx);
        assert!(Isa::Amx.clamped() <= Isa::Avx512 && Isa::detect_for(Precision::F32) <= Isa::Avx512);
        assert!("sse9".parse::<Isa>().unwrap_err().to_string().contains("sse9"));
        assert!(Isa::available().eq(Isa::ALL.into_iter().filter(|&isa| isa.clamped() == isa)));
    }
}
