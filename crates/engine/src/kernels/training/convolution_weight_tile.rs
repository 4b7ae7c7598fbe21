//! The micro-kernel of weight gradients: `R` rows and `V` vectors of columns of `sum over pixels of row value * column value`,
//! both operands read where they lie, one pixel after the other.
//!
//! A table says where each pixel's values start in both operands, so that strides, padding, dilation and the edges of a map
//! cost nothing in the loop: a pixel whose window leaves the map is not in the table.
#![allow(unsafe_code)]

use crate::kernels::Isa;
use crate::kernels::simd::Simd;
use crate::kernels::simd_portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::kernels::{simd_avx2::Avx2, simd_avx512::Avx512};

/// Where the values of one pixel start, counted from the operands' first values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub row: u32,
    pub column: u32,
}

/// What a micro-kernel works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    pub rows: *const f32,
    pub columns: *const f32,
    pub steps: *const Step,
    pub count: usize,
    /// Columns in the last vector, if that is not full.
    pub last: usize,
    /// Sums `[rows, width]`.
    pub sums: *mut f32,
    /// Whether they hold the sum so far.
    pub continues: bool,
}

/// A micro-kernel for fixed numbers of rows and columns.
type Tile = unsafe fn(Operands);

/// # Safety
/// Readable: `count` steps, and for each `R` values of the rows and all columns; `V` vectors where `FULL`, else `V - 1` vectors
/// and `last` values. Writable: `R * V * LANES` sums, initialised where `continues`.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize, const FULL: bool>(simd: S, operands: Operands) {
    let Operands { rows, columns, mut steps, count, last, sums: held, continues } = operands;
    let mut sums = [[simd.splat(0.0); V]; R];
    // SAFETY: all accesses are those the caller promises.
    unsafe {
        for _ in 0..count {
            let Step { row, column } = *steps;
            steps = steps.add(1);
            let (row, column) = (rows.add(row as usize), columns.add(column as usize));
            let mut values = [simd.splat(0.0); V];
            for v in 0..V {
                let from = column.add(v * S::LANES);
                let full = FULL || v + 1 < V;
                values[v] = if full { simd.load_pointer(from) } else { simd.load_first(from, last) };
            }
            for r in 0..R {
                let factor = simd.splat(*row.add(r));
                for v in 0..V {
                    sums[r][v] = simd.multiply_add(factor, values[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                let to = held.add((r * V + v) * S::LANES);
                // A block's sum starts at zero and is added as a whole: long sums lose less.
                let sum = if continues { simd.add(simd.load_pointer(to), sums[r][v]) } else { sums[r][v] };
                simd.store_pointer(to, sum);
            }
        }
    }
}

/// The register tiles of an instruction set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    /// Values in a vector.
    pub lanes: usize,
    /// `kernels[vectors - 1][full][rows - 1]`
    kernels: [[&'static [Tile]; 2]; 3],
}

impl Tiles {
    /// The tiles of `isa`, or of the best variant the processor has where that is weaker.
    pub fn of(isa: Isa) -> Self {
        match isa.clamped() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Self { lanes: 16, kernels: AVX512 },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Self { lanes: 8, kernels: AVX2 },
            _ => Self { lanes: 4, kernels: PORTABLE },
        }
    }

    /// Rows of the largest tile of a panel.
    pub fn rows(&self, width: usize) -> usize {
        self.kernels[width / self.lanes - 1][0].len()
    }

    /// The micro-kernel for `rows` rows and a panel of `width` columns, the last vector of it full or not.
    pub fn kernel(&self, rows: usize, width: usize, full: bool) -> Tile {
        self.kernels[width / self.lanes - 1][usize::from(full)][rows - 1]
    }
}

macro_rules! tiles {
    ($kernel:ident, $vectors:literal, [$($rows:literal)*]) => {
        [&[$($kernel::<$rows, $vectors, false> as Tile),*], &[$($kernel::<$rows, $vectors, true> as Tile),*]]
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512<const R: usize, const V: usize, const FULL: bool>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Avx512, R, V, FULL>(Avx512::new(), operands) }
}
#[cfg(target_arch = "x86_64")]
const AVX512: [[&[Tile]; 2]; 3] = [
    tiles!(avx512, 1, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    tiles!(avx512, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]),
    tiles!(avx512, 3, [1 2 3 4 5 6 7 8 9]),
];

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const R: usize, const V: usize, const FULL: bool>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Avx2, R, V, FULL>(Avx2::new(), operands) }
}
#[cfg(target_arch = "x86_64")]
const AVX2: [[&[Tile]; 2]; 3] =
    [tiles!(avx2, 1, [1 2 3 4 5 6 7 8]), tiles!(avx2, 2, [1 2 3 4 5 6]), tiles!(avx2, 3, [1 2 3 4])];

unsafe fn portable<const R: usize, const V: usize, const FULL: bool>(operands: Operands) {
    // SAFETY: the contract of `tile` is passed on to the caller.
    unsafe { tile::<Portable, R, V, FULL>(Portable, operands) }
}
const PORTABLE: [[&[Tile]; 2]; 3] =
    [tiles!(portable, 1, [1 2 3 4 5 6 7 8]), tiles!(portable, 2, [1 2 3 4 5 6]), tiles!(portable, 3, [1 2 3 4])];
