//! The limit of the matrix unit: products of tiles that stay in the first-level cache.
#![allow(unsafe_code)]

use super::tile::{self, Operands, Run, SIDE, TILE};
use super::unit::{Tiles, available};

/// Blocks of the depth in one product: two tiles of rows and two of columns of each are 16 KiB.
const BLOCKS: usize = 4;

/// Runs `steps` times four products of tiles and returns how many floating-point operations that were (two for each multiply-add); 0
/// where the processor has no matrix unit.
#[must_use]
pub fn tile_multiply_adds(steps: u64) -> u64 {
    if !available() {
        return 0;
    }
    let (rows, panel) = (vec![0_u16; 2 * TILE * BLOCKS], vec![0_u16; 2 * TILE * BLOCKS]);
    let mut sums = [0.0_f32; 4 * SIDE * SIDE];
    let runs = [Run { offset: 0, blocks: BLOCKS }];
    let tiles = Tiles::configure();
    let operands = Operands {
        rows: rows.as_ptr(),
        stride: 2 * tile::DEPTH * BLOCKS,
        runs: runs.as_ptr(),
        count: 1,
        panel: panel.as_ptr(),
        sums: sums.as_mut_ptr(),
        sums_stride: size_of::<f32>() * 2 * SIDE,
    };
    for _ in 0..steps.div_ceil(BLOCKS as u64) {
        // SAFETY: 32 rows of four blocks, as many tiles of the panel, and two by two tiles of sums are there.
        unsafe { tile::multiply(&tiles, [2, 2], &operands) };
    }
    steps.div_ceil(BLOCKS as u64) * (BLOCKS * 4 * 2 * SIDE * SIDE * tile::DEPTH) as u64
}
