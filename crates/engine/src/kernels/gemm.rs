//! The micro-kernel: a register tile of `R` rows and `V` vectors of columns, summed over a block of the depth.
//! Every element of the tile is one chain of multiply-adds in the order of the depth; a block continues the chain of the last.
#![allow(unsafe_code)]

use super::simd::{Simd, prefetch};

/// Values between two gathered rows: the longest block of the depth, and a line more so that rows spread over the cache's sets.
pub(crate) const ROW_STRIDE: usize = LONGEST_BLOCK + 16;

/// The longest block of the depth.
pub(crate) const LONGEST_BLOCK: usize = 384;

/// What a micro-kernel works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands {
    /// The first row's values, `depth` of them, and the distance of the rows.
    pub rows: *const f32,
    pub stride: usize,
    /// The panel's values, `depth` rows of the panel's width.
    pub panel: *const f32,
    pub depth: usize,
    /// Rows of sums, as wide as the panel, and their distance.
    pub sums: *mut f32,
    pub sums_stride: usize,
    /// Whether they hold the chain so far.
    pub continues: bool,
    /// What will be read soon: values to ask for at each step of the depth, `pace` more each time.
    pub ahead: *const f32,
    pub pace: usize,
}

/// Values in a cache line.
pub(crate) const LINE: usize = 16;

/// A micro-kernel for fixed numbers of rows and columns.
pub(crate) type Tile = unsafe fn(Operands);

/// # Safety
/// Readable: `depth` values in each of `R` rows, and `depth * V * LANES` values of the panel.
/// Writable: `V * LANES` sums in each of `R` rows, initialised where `continues`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const R: usize, const V: usize>(simd: S, operands: Operands) {
    let Operands { rows, stride, panel, depth, sums: held, sums_stride, continues, mut ahead, pace } = operands;
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
        // One step at a time: unrolled by hand, the compiler moves loads so far ahead that sums leave the registers.
        for k in 0..depth {
            prefetch(ahead);
            ahead = ahead.wrapping_add(pace);
            let mut columns = [simd.splat(0.0); V];
            for v in 0..V {
                columns[v] = simd.load_pointer(panel.add((k * V + v) * S::LANES));
            }
            for r in 0..R {
                let row = simd.splat(*rows.add(r * stride + k));
                for v in 0..V {
                    sums[r][v] = simd.multiply_add(row, columns[v], sums[r][v]);
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
