//! Weights rounded and packed anew every step: once in the checkpoint's order but with the taps before the input channels, from there
//! into the tiles of the forward product and of the input's gradient.

use rayon::prelude::*;

use super::shuffle::{PairRows, rows_to_tile};
use crate::kernels::AlignedBuffer;
use crate::kernels::Isa;
use crate::kernels::bf16::matrix::TileMatrix;
use crate::kernels::bf16::rounding::convert;
use crate::kernels::bf16::stored::Stored;
use crate::kernels::bf16::tile::{DEPTH, SIDE, TILE};

/// Values of a weight that are brought into order by one task.
const TASK: usize = 64 * 1024;

/// A weight `[output, taps, input / groups]` in halves.
#[derive(Debug, Clone)]
pub(super) struct OrderedWeight {
    isa: Isa,
    taps: usize,
    /// Channels of the input and of the output in each group.
    input: usize,
    output: usize,
    values: AlignedBuffer,
}

impl OrderedWeight {
    /// For `groups` groups of `output` and `input` channels each.
    pub fn new(isa: Isa, taps: usize, input: usize, output: usize, groups: usize) -> Self {
        Self { isa, taps, input, output, values: AlignedBuffer::zeroed((taps * input * output * groups).div_ceil(2)) }
    }

    /// Takes the weight `[output, input / groups, taps]`.
    pub fn set(&mut self, weight: &[f32]) {
        let (isa, taps, row) = (self.isa, self.taps, self.taps * self.input);
        let rows = (TASK / row.max(1)).max(1) * row.max(1);
        let halves = &mut self.values.halves_mut()[..weight.len()];
        halves.par_chunks_mut(rows).zip(weight.par_chunks(rows)).for_each(|(to, from)| {
            if taps == 1 {
                return convert(isa, from, to);
            }
            let mut rounded = vec![0; row];
            for (to, from) in to.chunks_exact_mut(row).zip(from.chunks_exact(row)) {
                convert(isa, from, &mut rounded);
                for (tap, to) in to.chunks_exact_mut(row / taps).enumerate() {
                    to.iter_mut().zip(rounded[tap..].iter().step_by(taps)).for_each(|(to, from)| *to = *from);
                }
            }
        });
    }

    /// Packs a group for the forward product, whose depth is made of `runs`.
    pub fn pack_forward(&self, group: usize, runs: &[usize], matrix: &mut TileMatrix) {
        let depth = self.taps * self.input;
        let from = &self.values.halves()[group * self.output * depth..][..self.output * depth];
        let blocks: Vec<(usize, usize)> =
            blocks(runs).map(|(run, first, count)| (runs[..run].iter().sum::<usize>() + first, count)).collect();
        matrix.panels_mut().for_each(|(column, width, to)| {
            let tiles = width.div_ceil(SIDE);
            for (to, &(first, count)) in to.chunks_exact_mut(tiles * TILE).zip(&blocks) {
                for (tile, to) in to.chunks_exact_mut(TILE).enumerate() {
                    let n = column + tile * SIDE;
                    let rows = (column + width - n).min(SIDE);
                    rows_to_tile(&from[n * depth + first..], depth, rows, count, to);
                }
            }
        });
    }

    /// Packs a group for the input's gradient: columns are input channels, the depth is `chosen` taps, each of all output channels, in
    /// `runs`.
    pub fn pack_backward(&self, group: usize, chosen: &[usize], runs: &[usize], matrix: &mut TileMatrix) {
        let Self { taps, input, output, .. } = *self;
        let taps_each = chosen.len() / runs.len().max(1);
        let blocks: Vec<_> = blocks(runs).collect();
        let start = |block: usize, k: usize| {
            let (run, first, count) = blocks[block];
            let at = first + k;
            let row = |tap: usize| ((group * output + at % output) * taps + tap) * input;
            (k < count).then(|| row(chosen[run * taps_each + at / output]))
        };
        let from = Stored::Bf16(self.values.halves());
        matrix
            .panels_mut()
            .for_each(|(first, width, to)| PairRows { from, start, first, width, apart: input }.pack(blocks.len(), to));
    }
}

/// The blocks of the depth that runs of these lengths are cut into: the run, the first value there, and how many are in the block.
fn blocks(runs: &[usize]) -> impl Iterator<Item = (usize, usize, usize)> {
    let block =
        |run: usize, len: usize| (0..len).step_by(DEPTH).map(move |first| (run, first, (len - first).min(DEPTH)));
    runs.iter().enumerate().flat_map(move |(run, len)| block(run, *len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_packings_are_those_of_inference() {
        if !crate::kernels::bf16::available() {
            return println!("skipped: this processor has no matrix unit");
        }
        for (taps, input, output, groups, joined) in
            [(9, 5, 37, 1, true), (9, 5, 37, 1, false), (1, 64, 40, 1, true), (4, 33, 6, 2, false), (2, 8, 16, 3, true)]
        {
            let len = taps * input * output * groups;
            let weight: Vec<f32> = (0..len).map(|at| (at * 37 % 251) as f32 / 16.0 - 7.0).collect();
            let mut ordered = OrderedWeight::new(Isa::Amx, taps, input, output, groups);
            ordered.set(&weight);
            for group in 0..groups {
                let part = &weight[group * len / groups..][..len / groups];
                let runs = |count: usize, taps: usize| if joined { vec![taps * count] } else { vec![count; taps] };
                let forward = runs(input, taps);
                let expected = TileMatrix::new(&forward, output, part, |k| k % input * taps + k / input);
                let mut found = TileMatrix::new(&forward, output, &vec![1.0; part.len()], |k| k);
                ordered.pack_forward(group, &forward, &mut found);
                assert!(expected.panels().zip(found.panels()).all(|(a, b)| a.values == b.values));

                let chosen: Vec<usize> = (0..taps).rev().step_by(2).collect();
                let backward = runs(output, chosen.len());
                // Row `c` of the transposed weight: for each chosen tap all output channels.
                let turned: Vec<f32> = (0..input * chosen.len() * output)
                    .map(|at| (at / (chosen.len() * output), chosen[at / output % chosen.len()], at % output))
                    .map(|(c, tap, n)| part[(n * input + c) * taps + tap])
                    .collect();
                let expected = TileMatrix::new(&backward, input, &turned, |k| k);
                let mut found = TileMatrix::new(&backward, input, &vec![1.0; turned.len()], |k| k);
                ordered.pack_backward(group, &chosen, &backward, &mut found);
                assert!(expected.panels().zip(found.panels()).all(|(a, b)| a.values == b.values));
            }
        }
    }
}
