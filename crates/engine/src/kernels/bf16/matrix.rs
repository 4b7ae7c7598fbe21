//! The right-hand matrix of a product, packed once into tiles of the matrix unit.

use rayon::prelude::*;

use super::rounding::bits;
use super::tile::{DEPTH, SIDE, TILE};
use crate::kernels::AlignedBuffer;

/// Bytes of a matrix that stays in the second-level cache.
const RESIDENT: usize = 640 * 1024;

/// A matrix `[depth, columns]` in panels of two tiles of columns, the last one or two: for each block of the depth the panel's tiles. A
/// tile holds pairs of the depth side by side, 16 columns of them in a row. The depth is made of runs, each filled up with zeros.
#[derive(Debug, Clone)]
pub(super) struct TileMatrix {
    pub columns: usize,
    /// Blocks of the depth, over all runs.
    pub blocks: usize,
    values: AlignedBuffer,
}

/// Some columns of a packed matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel<'a> {
    /// First column.
    pub column: usize,
    /// Tiles of columns, one or two.
    pub tiles: usize,
    /// Columns that are there.
    pub width: usize,
    pub values: &'a [u16],
}

impl TileMatrix {
    /// Packs the transpose of a weight `[columns, depth]`; row `k` of the matrix, counted over the runs without their filling, is value
    /// `order(k)` of each row of the weight. Panels are packed side by side on the threads at hand.
    pub fn new(runs: &[usize], columns: usize, weight: &[f32], order: impl Fn(usize) -> usize) -> Self {
        let (depth, blocks) = (runs.iter().sum::<usize>(), runs.iter().map(|run| run.div_ceil(DEPTH)).sum());
        assert_eq!(weight.len(), columns * depth, "weight of {columns} columns of {depth} values");
        // For each value of a column its place in the weight, and in a panel of one tile the place of its pair.
        let mut places = Vec::with_capacity(depth);
        let (mut row, mut block) = (0, 0);
        for run in runs {
            places.extend((0..*run).map(|k| (order(row + k), block + k / DEPTH, k % DEPTH)));
            (row, block) = (row + run, block + run.div_ceil(DEPTH));
        }
        let mut values = AlignedBuffer::zeroed(halves(blocks, columns) / 2);
        let packed = &mut values.halves_mut()[..halves(blocks, columns)];
        packed.par_chunks_mut((2 * TILE * blocks).max(1)).enumerate().for_each(|(panel, to)| {
            let first = panel * 2 * SIDE;
            let tiles = to.len() / (TILE * blocks);
            for n in first..columns.min(first + 2 * SIDE) {
                let column = &weight[n * depth..(n + 1) * depth];
                let start = (n - first) / SIDE * TILE + n % SIDE * 2;
                for &(source, block, k) in &places {
                    to[start + block * tiles * TILE + k / 2 * DEPTH + k % 2] = bits(column[source]);
                }
            }
        });
        Self { columns, blocks, values }
    }

    /// The panels in order, to be packed anew side by side: first column, columns that are there, and the tiles.
    pub fn panels_mut(&mut self) -> impl IndexedParallelIterator<Item = (usize, usize, &mut [u16])> {
        let (blocks, columns) = (self.blocks, self.columns);
        let packed = &mut self.values.halves_mut()[..halves(blocks, columns)];
        packed.par_chunks_mut((2 * TILE * blocks).max(1)).enumerate().map(move |(panel, to)| {
            let column = panel * 2 * SIDE;
            (column, (columns - column).min(2 * SIDE), to)
        })
    }

    /// Bytes of the packed values.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * self.values.len()
    }

    /// Whether it stays in the second-level cache beside the rows it is multiplied with.
    pub fn stays_cached(&self) -> bool {
        self.bytes() <= RESIDENT
    }

    /// The panels in order.
    pub fn panels(&self) -> impl Iterator<Item = Panel<'_>> {
        panels(self.values.halves(), self.blocks, self.columns)
    }
}

/// Halves that a packed matrix takes.
pub(super) fn halves(blocks: usize, columns: usize) -> usize {
    blocks * columns.div_ceil(SIDE) * TILE
}

/// The panels of a packed matrix in borrowed memory.
pub(super) fn panels(values: &[u16], blocks: usize, columns: usize) -> impl Iterator<Item = Panel<'_>> {
    (0..columns).step_by(2 * SIDE).map(move |column| {
        let tiles = (columns - column).div_ceil(SIDE).min(2);
        let start = column / SIDE * TILE * blocks;
        let width = (columns - column).min(2 * SIDE);
        Panel { column, tiles, width, values: &values[start..][..blocks * tiles * TILE] }
    })
}

/// Where the value in row `k` of a block of the depth and column `n` lies.
pub(super) fn place(blocks: usize, columns: usize, block: usize, k: usize, n: usize) -> usize {
    let panel = n / (2 * SIDE) * 2 * SIDE;
    let tiles = (columns - panel).div_ceil(SIDE).min(2);
    let tile = (n - panel) / SIDE;
    panel / SIDE * TILE * blocks + (block * tiles + tile) * TILE + k / 2 * DEPTH + n % SIDE * 2 + k % 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_place_of_its_own_and_the_filling_is_zero() {
        for (runs, columns) in [(&[5][..], 3), (&[32, 32], 16), (&[40, 7, 64], 33), (&[21; 7], 64), (&[3, 3], 49)] {
            let depth: usize = runs.iter().sum();
            let weight: Vec<f32> = (0..depth * columns).map(|at| (1 + at % 100) as f32).collect();
            let matrix = TileMatrix::new(runs, columns, &weight, |k| depth - 1 - k);
            let total: f32 = matrix.values.halves().iter().map(|half| f32::from_bits(u32::from(*half) << 16)).sum();
            let expected: usize = (0..depth * columns).map(|at| 1 + at % 100).sum();
            assert_eq!(total, expected as f32, "{runs:?} {columns}");
            let (mut row, mut block) = (0, 0);
            for run in runs {
                for (k, n) in (0..*run).flat_map(|k| (0..columns).map(move |n| (k, n))) {
                    let found = matrix.values.halves()[place(matrix.blocks, columns, block + k / DEPTH, k % DEPTH, n)];
                    assert_eq!(found, bits(weight[n * depth + depth - 1 - row - k]), "{runs:?} {columns}: {k} {n}");
                }
                (row, block) = (row + run, block + run.div_ceil(DEPTH));
            }
            assert_eq!(matrix.panels().map(|panel| panel.width).sum::<usize>(), columns);
            assert_eq!(matrix.panels().map(|panel| panel.values.len()).sum::<usize>(), 2 * matrix.values.len());
        }
    }
}
