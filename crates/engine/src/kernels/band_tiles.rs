//! The micro-kernel of convolutions on padded rows: a register tile of `R` neighbouring output pixels and `V` vectors of output
//! channels, summed over some rows of the window, each row of it contiguous in memory.
//! Every element of the tile is one chain of multiply-adds in the order of the depth, as in the blocked product.
#![allow(unsafe_code)]

use super::Isa;
use super::simd::Simd;
use super::simd_portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::{simd_avx2::Avx2, simd_avx512::Avx512};

/// What a micro-kernel works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    /// The first value under the first pixel's window, and the distance of the pixels.
    pub pixels: *const f32,
    pub stride: usize,
    /// Rows of the window, the values in each and their distance.
    pub rows: usize,
    pub len: usize,
    pub distance: usize,
    /// The panel's values, `rows * len` rows of the panel's width.
    pub panel: *const f32,
    /// Rows of sums, as wide as the panel, and their distance.
    pub sums: *mut f32,
    pub sums_stride: usize,
    /// Whether they hold the chain so far.
    pub continues: bool,
}

/// A micro-kernel for fixed numbers of pixels and columns.
type Tile = unsafe fn(Operands);

/// # Safety
/// Readable: `len` values in each of `rows` rows of `R` pixels, and `rows * len * V * LANES` values of the panel.
/// Writable: `V * LANES` sums in each of `R` rows, initialised where `continues`.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(simd: S, operands: Operands) {
    let Operands { pixels, stride, rows, len, distance, mut panel, sums: held, sums_stride, continues } = operands;
    let mut sums = [[simd.splat(0.0); V]; R];
    // SAFETY: all accesses are those the caller promises.
    unsafe {
        if continues {
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = simd.load_pointer(held.add(r * sums_stride + v * S::LANES));
                }
            }
        }
        for row in 0..rows {
            let from = pixels.add(row * distance);
            for k in 0..len {
                let mut columns = [simd.splat(0.0); V];
                for v in 0..V {
                    columns[v] = simd.load_pointer(panel.add(v * S::LANES));
                }
                panel = panel.add(V * S::LANES);
                for r in 0..R {
                    let value = simd.splat(*from.add(r * stride + k));
                    for v in 0..V {
                        sums[r][v] = simd.multiply_add(value, columns[v], sums[r][v]);
                    }
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                simd.store_pointer(held.add(r * sums_stride + v * S::LANES), sums[r][v]);
            }
        }
    }
}

/// The register tiles of an instruction set: a panel is two vectors wide, the last may be one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub lanes: usize,
    /// `kernels[vectors - 1][pixels - 1]`
    kernels: [&'static [Tile]; 2],
}

impl Tiles {
    /// The tiles of `isa`, or of the best variant the processor has where that is weaker.
    pub fn of(isa: Isa) -> Self {
        match isa.clamped() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Self { lanes: 16, kernels: [&AVX512_ONE, &AVX512_TWO] },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Self { lanes: 8, kernels: [&AVX2_ONE, &AVX2_TWO] },
            _ => Self { lanes: 4, kernels: [&PORTABLE_ONE, &PORTABLE_TWO] },
        }
    }

    /// Pixels of the largest tile of a panel.
    pub fn pixels(&self, width: usize) -> usize {
        self.kernels[width / self.lanes - 1].len()
    }

    /// The micro-kernel for `pixels` pixels and a panel of `width` columns.
    pub fn kernel(&self, pixels: usize, width: usize) -> Tile {
        self.kernels[width / self.lanes - 1][pixels - 1]
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
static AVX512_ONE: [Tile; 16] = tiles!(avx512, 1, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]);
#[cfg(target_arch = "x86_64")]
static AVX512_TWO: [Tile; 14] = tiles!(avx512, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const R: usize, const V: usize>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Avx2, R, V>(Avx2::new(), operands) }
}
#[cfg(target_arch = "x86_64")]
static AVX2_ONE: [Tile; 8] = tiles!(avx2, 1, [1 2 3 4 5 6 7 8]);
#[cfg(target_arch = "x86_64")]
static AVX2_TWO: [Tile; 6] = tiles!(avx2, 2, [1 2 3 4 5 6]);

unsafe fn portable<const R: usize, const V: usize>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Portable, R, V>(Portable, operands) }
}
static PORTABLE_ONE: [Tile; 8] = tiles!(portable, 1, [1 2 3 4 5 6 7 8]);
static PORTABLE_TWO: [Tile; 6] = tiles!(portable, 2, [1 2 3 4 5 6]);
