//! Work on rows, split over the current thread pool: every row's bits are the same however it is split.

use std::ops::Range;

use super::TrainingScratch;
use crate::kernels::{Rows, RowsMut, Scratch, Stage};

/// Rows that are worth a task of their own are multiples of this.
const BLOCK: usize = 112;

/// Tasks per thread, so that a thread that was held up can leave some to others.
const TASKS_PER_THREAD: usize = 4;

/// Calls `work` with ranges that together are `0..rows`, each with its own rows of `output` and of the stages.
pub(super) fn split_rows<'a, F>(
    rows: usize,
    output: RowsMut<'a>,
    stages: Vec<Stage<'a>>,
    scratch: &TrainingScratch,
    work: &F,
) where
    F: Fn(Range<usize>, RowsMut<'_>, &mut [Stage<'_>], &mut Scratch) + Sync,
{
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let grain = if rayon::current_num_threads() == 1 { rows } else { rows.div_ceil(tasks).next_multiple_of(BLOCK) };
    split(0..rows, grain, output, stages, scratch, work);
}

fn split<'a, F>(
    rows: Range<usize>,
    grain: usize,
    output: RowsMut<'a>,
    mut stages: Vec<Stage<'a>>,
    scratch: &TrainingScratch,
    work: &F,
) where
    F: Fn(Range<usize>, RowsMut<'_>, &mut [Stage<'_>], &mut Scratch) + Sync,
{
    if rows.len() <= grain {
        return scratch.lend(|worker| work(rows, output, &mut stages, &mut worker.kernels));
    }
    let first = (rows.len() / 2).next_multiple_of(grain).min(rows.len() - 1);
    let middle = rows.start + first;
    let (left, right) = halves(output, first);
    let (left_stages, right_stages) = stages.into_iter().map(|stage| split_stage(stage, first)).unzip();
    rayon::join(
        || split(rows.start..middle, grain, left, left_stages, scratch, work),
        || split(middle..rows.end, grain, right, right_stages, scratch, work),
    );
}

fn halves(rows: RowsMut<'_>, first: usize) -> (RowsMut<'_>, RowsMut<'_>) {
    let (left, right) = rows.values.split_at_mut(first * rows.stride);
    (RowsMut::new(left, rows.stride), RowsMut::new(right, rows.stride))
}

fn rest(rows: Rows<'_>, first: usize) -> Rows<'_> {
    Rows::new(&rows.values[first * rows.stride..], rows.stride)
}

/// A stage for the `first` rows and one for the rest.
fn split_stage(stage: Stage<'_>, first: usize) -> (Stage<'_>, Stage<'_>) {
    match stage {
        Stage::Bias(values) => (Stage::Bias(values), Stage::Bias(values)),
        Stage::Affine { scale, shift } => (Stage::Affine { scale, shift }, Stage::Affine { scale, shift }),
        Stage::Scale(values) => (Stage::Scale(values), Stage::Scale(values)),
        Stage::Activate(function) => (Stage::Activate(function), Stage::Activate(function)),
        Stage::Add(rows) => (Stage::Add(rows), Stage::Add(rest(rows, first))),
        Stage::AddBf16 { values, stride } => {
            let rest = values.get(first * stride..).unwrap_or_default();
            (Stage::AddBf16 { values, stride }, Stage::AddBf16 { values: rest, stride })
        }
        Stage::Multiply(rows) => (Stage::Multiply(rows), Stage::Multiply(rest(rows, first))),
        Stage::Gate(gate) => (Stage::Gate(gate), Stage::Gate(gate)),
        Stage::Write(rows) => {
            let (left, right) = halves(rows, first);
            (Stage::Write(left), Stage::Write(right))
        }
    }
}
