//! The micro-kernel: a register tile of `R` rows and `V` vectors of columns, summed over a block of the depth.
//! Every element of the tile is one chain of multiply-adds in the order of the depth; a block continues the chain of the last.
#![allow(unsafe_code)]

use super::simd::Simd;

/// Values between two gathered rows: the longest block of the depth, and a line more so that rows spread over the cache's sets.
pub(crate) const ROW_STRIDE: usize = LONGEST_BLOCK + 16;

/// The longest block of the depth.
pub(crate) const LONGEST_BLOCK: usize = 384;

/// Rows, panel, depth of the block, accumulators `[R, V * LANES]`, whether they hold the chain so far.
pub(crate) type Tile = unsafe fn(*const f32, *const f32, usize, *mut f32, bool);

/// # Safety
/// Readable: `depth` values at `a + r * ROW_STRIDE` for `r < R`, and `depth * V * LANES` values at `b`.
/// Writable: `R * V * LANES` values at `c`, initialised where `continues`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    depth: usize,
    c: *mut f32,
    continues: bool,
) {
    let mut sums = [[simd.splat(0.0); V]; R];
    // SAFETY: all accesses are those the caller promises.
    unsafe {
        if continues {
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = simd.load_pointer(c.add((r * V + v) * S::LANES));
                }
            }
        }
        for k in 0..depth {
            let mut columns = [simd.splat(0.0); V];
            for v in 0..V {
                columns[v] = simd.load_pointer(b.add((k * V + v) * S::LANES));
            }
            for r in 0..R {
                let row = simd.splat(*a.add(r * ROW_STRIDE + k));
                for v in 0..V {
                    sums[r][v] = simd.multiply_add(row, columns[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                simd.store_pointer(c.add((r * V + v) * S::LANES), sums[r][v]);
            }
        }
    }
}
