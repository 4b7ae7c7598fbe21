//! One block of images through the network on one thread: prepare, run, pool.

use std::ops::Range;

use heirloom_engine::kernels::{Stored, round_in_place};
use heirloom_engine::{Pixels, Precision, Workspace};

use super::chunks::Chunk;
use super::compute::Compiled;
use super::{ExtractError, Extraction, Prepared, Scratch};
use crate::store::{SkippedRow, unreadable_row};
use crate::{PoolingError, Windows, pool_into};

/// What one thread keeps from block to block.
#[derive(Debug, Default)]
pub(super) struct Bench {
    pixels: Vec<u8>,
    scratch: Scratch,
    workspace: Workspace,
}

/// The features of one block of images.
#[derive(Debug, Default)]
pub(super) struct Pooled {
    /// For every column compiled for `[valid rows, width]`.
    pub values: Vec<Vec<f32>>,
    /// Rows without features, by their position in the chunk, rising.
    pub skipped: Vec<SkippedRow>,
    /// Whether a row was skipped for a reason that lies in the moment, not in its content.
    pub unsettled: bool,
}

impl Bench {
    /// Takes the images at `positions` of `chunk` through the network and pools the taps of `compiled`.
    pub fn run(
        &mut self,
        extraction: &Extraction<'_>,
        compiled: &Compiled,
        chunk: &Chunk,
        positions: Range<usize>,
    ) -> Result<Pooled, ExtractError> {
        let mut pooled = Pooled::default();
        let valid = self.prepare(extraction, chunk, positions, &mut pooled);
        self.forward(compiled, extraction.network.preprocess.output_length(), valid.len(), &mut pooled)?;
        if extraction.options.storage == Precision::Bf16 {
            pooled.values.iter_mut().for_each(|values| round_in_place(values));
        }
        drop_infinite(compiled, &valid, &mut pooled);
        pooled.skipped.sort_unstable_by_key(|skipped| skipped.row);
        Ok(pooled)
    }

    /// Prepares the images and moves those that can be used together; gives their positions.
    fn prepare(
        &mut self,
        extraction: &Extraction<'_>,
        chunk: &Chunk,
        positions: Range<usize>,
        pooled: &mut Pooled,
    ) -> Vec<usize> {
        let (preprocess, length) = (extraction.network.preprocess, extraction.network.preprocess.output_length());
        self.pixels.resize(positions.len() * length, 0);
        let rows = &chunk.rows[positions.clone()];
        let prepared = extraction.images.prepare(rows, preprocess, &mut self.scratch, &mut self.pixels);
        let mut valid = Vec::with_capacity(rows.len());
        for (index, (position, outcome)) in positions.zip(prepared).enumerate() {
            match settle(outcome, chunk.digests.get(position)) {
                Outcome::Usable => {
                    self.pixels.copy_within(index * length..(index + 1) * length, valid.len() * length);
                    valid.push(position);
                }
                Outcome::Skipped { reason, lasting } => {
                    pooled.unsettled |= !lasting;
                    pooled.skipped.push(SkippedRow { row: position, reason });
                }
            }
        }
        valid
    }

    /// Runs the network on the first `images` images and pools every tap as soon as it is known.
    fn forward(
        &mut self,
        compiled: &Compiled,
        length: usize,
        images: usize,
        pooled: &mut Pooled,
    ) -> Result<(), ExtractError> {
        let mut by_tap: Vec<Vec<Vec<f32>>> = (compiled.taps.iter())
            .map(|columns| columns.iter().map(|column| vec![0.0; images * column.width]).collect())
            .collect();
        let mut fault = None;
        if images > 0 {
            let pixels = Pixels::Bytes(&self.pixels[..images * length]);
            compiled.plan.run_stored(pixels, images, &mut self.workspace, |tap, values| {
                fault = fault.or(pool_tap(&compiled.taps[tap], values, images, &mut by_tap[tap]).err());
            })?;
        }
        pooled.values = by_tap.into_iter().flatten().collect();
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }
}

fn pool_tap(
    columns: &[super::columns::Column],
    values: Stored<'_>,
    images: usize,
    out: &mut [Vec<f32>],
) -> Result<(), PoolingError> {
    let Some(shape) = columns.first().map(|column| column.shape) else { return Ok(()) };
    let windows: Vec<Windows> = columns.iter().map(|column| column.windows).collect();
    for image in 0..images {
        let mut rows: Vec<&mut [f32]> = (out.iter_mut().zip(columns))
            .map(|(values, column)| &mut values[image * column.width..(image + 1) * column.width])
            .collect();
        pool_into(shape, values.part(image * shape.len()..(image + 1) * shape.len()), &windows, &mut rows)?;
    }
    Ok(())
}

enum Outcome {
    Usable,
    /// `lasting`: whether the reason follows from the content that the key names.
    Skipped {
        reason: String,
        lasting: bool,
    },
}

/// Compares what was read with the content that the key names (`None` where there is no key).
fn settle(outcome: Result<Prepared, String>, digest: Option<&[u8; 32]>) -> Outcome {
    match outcome {
        Err(reason) => Outcome::Skipped { reason, lasting: digest.is_none_or(|digest| *digest == unreadable_row()) },
        Ok(prepared) if digest.is_some_and(|digest| *digest != prepared.digest) => {
            Outcome::Skipped { reason: "it changed while it was being read".into(), lasting: false }
        }
        Ok(Prepared { problem: Some(reason), .. }) => Outcome::Skipped { reason, lasting: true },
        Ok(_) => Outcome::Usable,
    }
}

/// Skips the images for which the network gave a value that is not finite: no head can be fitted on it.
fn drop_infinite(compiled: &Compiled, valid: &[usize], pooled: &mut Pooled) {
    let columns: Vec<_> = compiled.taps.iter().flatten().collect();
    let fault = |row: usize| {
        columns.iter().zip(&pooled.values).find_map(|(column, values)| {
            let values = &values[row * column.width..(row + 1) * column.width];
            (!values.iter().all(|value| value.is_finite())).then_some(&column.tap)
        })
    };
    let faults: Vec<_> = (0..valid.len()).map(fault).collect();
    let keep: Vec<bool> = faults.iter().map(Option::is_none).collect();
    let skipped = valid.iter().zip(faults).filter_map(|(row, tap)| {
        let reason = format!("the network gives a value at '{}' that is not finite", tap?);
        Some(SkippedRow { row: *row, reason })
    });
    pooled.skipped.extend(skipped.collect::<Vec<_>>());
    for (column, values) in columns.iter().zip(&mut pooled.values) {
        super::outputs::compact(values, column.width, &keep);
    }
}
