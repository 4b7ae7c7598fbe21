//! What happens to a kernel's accumulators before they leave the registers: stages as data, applied to a few rows of one vector
//! of channels at a time. Every kernel ends here, so a stage exists once.
#![allow(unsafe_code)]

use super::math::activate;
use super::rows::check_rows;
use super::simd::{Kernel, Simd, dispatch};
#[cfg(target_arch = "x86_64")]
use super::simd_avx512::Avx512;
use super::{Isa, Rows, RowsMut};
use crate::Activation;

/// One step of an epilogue. Vectors hold one value per output channel; rows hold the rows of the range at work.
#[derive(Debug)]
pub enum Stage<'a> {
    /// Adds a value per channel.
    Bias(&'a [f32]),
    /// `x * scale + shift` per channel: a folded batch normalisation.
    Affine {
        /// Factor per channel.
        scale: &'a [f32],
        /// Summand per channel.
        shift: &'a [f32],
    },
    /// Multiplies by a value per channel.
    Scale(&'a [f32]),
    /// Applies a function.
    Activate(Activation),
    /// Adds an activation of the same shape.
    Add(Rows<'a>),
    /// Adds an activation of the same shape that is stored as halves.
    AddBf16 {
        /// The halves, from the first of row 0.
        values: &'a [u16],
        /// Halves between the starts of two rows.
        stride: usize,
    },
    /// Multiplies by an activation of the same shape.
    Multiply(Rows<'a>),
    /// Multiplies by one value per image and channel.
    Gate(Gate<'a>),
    /// Writes the value as it is at this point, and changes nothing.
    Write(RowsMut<'a>),
}

/// Factors of the images of a whole batch (not of a range of rows): `values[row / positions * stride + channel]`, where `row`
/// counts output rows from the start of the batch.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// `[images, stride]`
    pub factors: Rows<'a>,
    /// Rows (pixels or tokens) per image.
    pub positions: usize,
}

/// Where accumulators belong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Row, counted from the start of the range.
    pub row: usize,
    /// Row of the batch at which the range starts.
    pub range_start: usize,
    /// First channel.
    pub column: usize,
}

/// Output rows of a range as a pointer, so that tiles can write side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub values: *mut f32,
    pub stride: usize,
}

/// Panics unless the output and every stage hold `rows` rows (of a range that starts at `range_start`) of `columns` channels.
pub(crate) fn check(output: &RowsMut<'_>, stages: &[Stage<'_>], range: &std::ops::Range<usize>, columns: usize) {
    output.check(range.len(), columns);
    check_stages(stages, range, columns);
}

/// Panics unless every stage holds the rows of the range, of `columns` channels.
pub(crate) fn check_stages(stages: &[Stage<'_>], range: &std::ops::Range<usize>, columns: usize) {
    let rows = range.len();
    for stage in stages {
        match stage {
            Stage::Bias(values) | Stage::Scale(values) => {
                assert!(values.len() >= columns, "{} values for {columns} channels", values.len())
            }
            Stage::Affine { scale, shift } => {
                assert!(
                    scale.len() >= columns && shift.len() >= columns,
                    "{} and {} values for {columns} channels",
                    scale.len(),
                    shift.len()
                );
            }
            Stage::Add(operand) | Stage::Multiply(operand) => operand.check(rows, columns),
            Stage::AddBf16 { values, stride } => check_rows(values.len(), *stride, rows, columns),
            Stage::Gate(gate) => gate.factors.check(range.end.div_ceil(gate.positions), columns),
            Stage::Write(tap) => tap.check(rows, columns),
            Stage::Activate(_) => {}
        }
    }
}

#[inline(always)]
unsafe fn load<S: Simd, const FULL: bool>(simd: S, from: *const f32, count: usize) -> S::Vector {
    // SAFETY: the caller promises `count` readable values, and `LANES` where `FULL`.
    unsafe { if FULL { simd.load_pointer(from) } else { simd.load_first(from, count) } }
}

#[inline(always)]
unsafe fn store<S: Simd, const FULL: bool>(simd: S, to: *mut f32, value: S::Vector, count: usize) {
    // SAFETY: the caller promises `count` writable values, and `LANES` where `FULL`.
    unsafe { if FULL { simd.store_pointer(to, value) } else { simd.store_first(to, value, count) } }
}

/// Applies `stages` to `G` rows of one vector of accumulators and writes the result.
///
/// # Safety
/// [`check`] passed for a range and a number of channels that hold rows `place.row..place.row + G` and channels
/// `place.column..place.column + count`; `count` is `LANES` where `FULL`, else less.
#[inline(always)]
unsafe fn complete<S: Simd, const G: usize, const FULL: bool>(
    simd: S,
    mut values: [S::Vector; G],
    count: usize,
    place: Place,
    target: Target,
    halves: Option<*mut u16>,
    stages: &mut [Stage<'_>],
) {
    for stage in stages {
        // SAFETY: `check` covers every operand read or written here: rows below the range's, channels below the operator's.
        unsafe {
            match stage {
                Stage::Bias(vector) => {
                    let shift = load::<S, FULL>(simd, vector.as_ptr().add(place.column), count);
                    for row in 0..G {
                        values[row] = simd.add(values[row], shift);
                    }
                }
                Stage::Affine { scale, shift } => {
                    let scale = load::<S, FULL>(simd, scale.as_ptr().add(place.column), count);
                    let shift = load::<S, FULL>(simd, shift.as_ptr().add(place.column), count);
                    for row in 0..G {
                        values[row] = simd.multiply_add(values[row], scale, shift);
                    }
                }
                Stage::Scale(vector) => {
                    let scale = load::<S, FULL>(simd, vector.as_ptr().add(place.column), count);
                    for row in 0..G {
                        values[row] = simd.multiply(values[row], scale);
                    }
                }
                Stage::Activate(function) => values = activate(simd, *function, values),
                Stage::Add(operand) => {
                    let start = operand.values.as_ptr().add(place.row * operand.stride + place.column);
                    for row in 0..G {
                        values[row] =
                            simd.add(values[row], load::<S, FULL>(simd, start.add(row * operand.stride), count));
                    }
                }
                Stage::AddBf16 { values: halves, stride } => {
                    let start = halves.as_ptr().add(place.row * *stride + place.column);
                    for row in 0..G {
                        let operand = simd.load_first_halves(start.add(row * *stride), count);
                        values[row] = simd.add(values[row], operand);
                    }
                }
                Stage::Multiply(operand) => {
                    let start = operand.values.as_ptr().add(place.row * operand.stride + place.column);
                    for row in 0..G {
                        values[row] =
                            simd.multiply(values[row], load::<S, FULL>(simd, start.add(row * operand.stride), count));
                    }
                }
                Stage::Gate(gate) => {
                    for row in 0..G {
                        let image = (place.range_start + place.row + row) / gate.positions;
                        let factors = gate.factors.values.as_ptr().add(image * gate.factors.stride + place.column);
                        values[row] = simd.multiply(values[row], load::<S, FULL>(simd, factors, count));
                    }
                }
                Stage::Write(tap) => {
                    let start = tap.values.as_mut_ptr().add(place.row * tap.stride + place.column);
                    for row in 0..G {
                        store::<S, FULL>(simd, start.add(row * tap.stride), values[row], count);
                    }
                }
            }
        }
    }
    for row in 0..G {
        let at = (place.row + row) * target.stride + place.column;
        // SAFETY: `check` covers the output.
        unsafe {
            match halves {
                None => store::<S, FULL>(simd, target.values.add(at), values[row], count),
                Some(halves) => simd.store_first_halves(halves.add(at), values[row], count),
            }
        };
    }
}

/// A block of accumulators on its way out.
pub(crate) struct Block<'a, 'b> {
    /// `rows` rows of `columns` accumulators, `stride` apart; they may lie in the target itself.
    pub source: *const f32,
    pub stride: usize,
    pub rows: usize,
    pub columns: usize,
    pub place: Place,
    pub target: Target,
    pub stages: &'a mut [Stage<'b>],
}

impl Block<'_, '_> {
    /// Applies the stages to the block and writes it to the target.
    ///
    /// # Safety
    /// [`check`] passed for a range and a number of channels that hold the block at its place, for the output that `target`
    /// points to, and the accumulators are readable at `source`.
    pub(crate) unsafe fn complete(self, isa: Isa) {
        dispatch(isa, Complete(self));
    }

    /// Applies the stages to the block and writes it, rounded, to `halves`, where `target` says.
    ///
    /// # Safety
    /// As for [`Block::complete`], with the output in `halves`, and the processor has AVX-512 with BF16.
    #[cfg(target_arch = "x86_64")]
    unsafe fn complete_bf16(self, halves: *mut u16) {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
        unsafe fn run(block: Block<'_, '_>, halves: *mut u16) {
            block.run(Avx512::with_rounding(), Some(halves));
        }
        // SAFETY: as the caller promises.
        unsafe { run(self, halves) }
    }

    /// One or the other: to `halves` where there are any.
    ///
    /// # Safety
    /// As for the one that applies.
    pub(crate) unsafe fn complete_stored(self, isa: Isa, halves: Option<*mut u16>) {
        // SAFETY: as the caller promises.
        unsafe {
            match halves {
                None => self.complete(isa),
                #[cfg(target_arch = "x86_64")]
                Some(halves) => self.complete_bf16(halves),
                #[cfg(not(target_arch = "x86_64"))]
                Some(_) => {}
            }
        }
    }

    /// What [`Block::complete`] and its sibling promise is promised here.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, halves: Option<*mut u16>) {
        let Block { source, stride, rows, columns, place, target, stages } = self;
        // A few rows at a time, so that a row's channels are visited while it is in the first-level cache.
        let mut row = 0;
        while row < rows {
            let count = (rows - row).min(14);
            let place = Place { row: place.row + row, ..place };
            // SAFETY: as the callers were promised.
            unsafe {
                complete_rows(simd, source.add(row * stride), stride, count, columns, place, target, halves, stages);
            }
            row += count;
        }
    }
}

/// Made by [`Block::complete`] alone, which has the promises.
struct Complete<'a, 'b>(Block<'a, 'b>);

impl Kernel for Complete<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.0.run(simd, None);
    }
}

/// # Safety
/// As for [`Block::complete`].
#[inline(always)]
unsafe fn complete_rows<S: Simd>(
    simd: S,
    source: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    place: Place,
    target: Target,
    halves: Option<*mut u16>,
    stages: &mut [Stage<'_>],
) {
    let mut column = 0;
    while column < columns {
        let count = S::LANES.min(columns - column);
        let mut row = 0;
        macro_rules! group {
            ($rows:literal) => {
                while rows - row >= $rows {
                    let place = Place { row: place.row + row, column: place.column + column, ..place };
                    // SAFETY: the block holds these rows and channels.
                    unsafe {
                        let from = source.add(row * stride + column);
                        if count == S::LANES {
                            group::<S, $rows, true>(simd, from, stride, count, place, target, halves, stages);
                        } else {
                            group::<S, $rows, false>(simd, from, stride, count, place, target, halves, stages);
                        }
                    }
                    row += $rows;
                }
            };
        }
        group!(7);
        group!(4);
        group!(2);
        group!(1);
        column += S::LANES;
    }
}

#[inline(always)]
unsafe fn group<S: Simd, const G: usize, const FULL: bool>(
    simd: S,
    from: *const f32,
    stride: usize,
    count: usize,
    place: Place,
    target: Target,
    halves: Option<*mut u16>,
    stages: &mut [Stage<'_>],
) {
    let mut values = [simd.splat(0.0); G];
    for row in 0..G {
        // SAFETY: the caller promises `G` readable rows.
        values[row] = unsafe { load::<S, FULL>(simd, from.add(row * stride), count) };
    }
    // SAFETY: as the caller promises.
    unsafe { complete::<S, G, FULL>(simd, values, count, place, target, halves, stages) };
}
