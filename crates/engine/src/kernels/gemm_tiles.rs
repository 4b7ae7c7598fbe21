//! The register tiles of each instruction set: as many rows as its registers hold beside two vectors of columns, and every
//! smaller number of rows, so that the last rows of a matrix cost no more than they must.
#![allow(unsafe_code)]

use super::Isa;
use super::gemm::{Operands, Tile, tile};
use super::simd_portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::{simd_avx2::Avx2, simd_avx512::Avx512};

/// Shape and code of the register tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileShape {
    /// Values in a vector; a panel is two vectors wide, the last may be one.
    pub lanes: usize,
    /// Rows of the largest tile.
    pub rows: usize,
    /// `kernels[vectors - 1][rows - 1]`
    kernels: [&'static [Tile]; 2],
}

impl TileShape {
    /// The tiles of `isa`, or of the best variant the processor has where that is weaker.
    pub(crate) fn of(isa: Isa) -> Self {
        match isa.clamped() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Self { lanes: 16, rows: 14, kernels: [&AVX512_ONE, &AVX512_TWO] },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Self { lanes: 8, rows: 6, kernels: [&AVX2_ONE, &AVX2_TWO] },
            _ => Self { lanes: 4, rows: 6, kernels: [&PORTABLE_ONE, &PORTABLE_TWO] },
        }
    }

    /// The micro-kernel for `rows` rows of a panel of `width` columns.
    pub(crate) fn kernel(&self, rows: usize, width: usize) -> Tile {
        self.kernels[width / self.lanes - 1][rows - 1]
    }
}

macro_rules! tiles {
    ($kernel:ident, $vectors:literal, [$($rows:literal)*]) => {
        [$($kernel::<$rows, $vectors> as Tile),*]
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512<const R: usize, const V: usize>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Avx512, R, V>(Avx512::new(), operands) }
}
#[cfg(target_arch = "x86_64")]
static AVX512_ONE: [Tile; 14] = tiles!(avx512, 1, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
#[cfg(target_arch = "x86_64")]
static AVX512_TWO: [Tile; 14] = tiles!(avx512, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const R: usize, const V: usize>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Avx2, R, V>(Avx2::new(), operands) }
}
#[cfg(target_arch = "x86_64")]
static AVX2_ONE: [Tile; 6] = tiles!(avx2, 1, [1 2 3 4 5 6]);
#[cfg(target_arch = "x86_64")]
static AVX2_TWO: [Tile; 6] = tiles!(avx2, 2, [1 2 3 4 5 6]);

unsafe fn portable<const R: usize, const V: usize>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Portable, R, V>(Portable, operands) }
}
static PORTABLE_ONE: [Tile; 6] = tiles!(portable, 1, [1 2 3 4 5 6]);
static PORTABLE_TWO: [Tile; 6] = tiles!(portable, 2, [1 2 3 4 5 6]);
