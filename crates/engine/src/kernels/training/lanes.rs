//! What most training kernels are: values of one or several activations in, values out, perhaps with a number per channel, and
//! perhaps sums over all rows, in one pass over memory.
//!
//! Rows are taken a few at a time, so that what is read together is a whole number of vectors whatever the number of channels.
//! Sums run in `f32` over a bounded number of rows and in `f64` from there on.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::super::bf16;
use super::super::simd::{Kernel, Simd, dispatch, dispatch_rounding};
use super::super::{AlignedBuffer, Isa, Stored, StoredMut};
use super::tasks::{CHUNKS, TASK};

/// The vectors of `M` targets and `K` sums.
pub(super) type Results<S, const G: usize, const M: usize, const K: usize> =
    ([[<S as Simd>::Vector; G]; M], [[<S as Simd>::Vector; G]; K]);

/// The arithmetic of a kernel: `N` activations and `P` values per channel in, `M` activations out, `K` terms of sums.
pub(super) trait Step<const N: usize, const P: usize, const M: usize, const K: usize>: Sync {
    /// Must be `#[inline(always)]`. Works on `G` vectors at once, so that a choice of function costs little.
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        inputs: [[S::Vector; G]; N],
        parameters: [[S::Vector; G]; P],
    ) -> Results<S, G, M, K>;
}

/// An activation that is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand<'a> {
    /// From memory of its own.
    From(Stored<'a>),
    /// What the target of this index holds before it is overwritten.
    Target(usize),
    /// Nothing: a summand that changes no value.
    Nothing,
}

impl<'a> Operand<'a> {
    /// The values, if there are any.
    pub(super) fn perhaps(values: Option<Stored<'a>>) -> Self {
        values.map_or(Self::Nothing, Self::From)
    }

    /// Values as they are.
    pub(super) fn of(values: &'a [f32]) -> Self {
        Self::From(Stored::F32(values))
    }
}

/// Added to a value, negative zero leaves its bits as they are.
static NOTHING: Nothing = Nothing([-0.0; ALIGNMENT]);

#[repr(align(64))]
struct Nothing([f32; ALIGNMENT]);

/// A kernel and its operands, all of `[rows, channels]`.
pub(super) struct Lanes<'a, T, const N: usize, const P: usize, const M: usize, const K: usize> {
    pub isa: Isa,
    pub step: T,
    pub channels: usize,
    pub parameters: [&'a [f32]; P],
    pub inputs: [Operand<'a>; N],
    pub targets: [StoredMut<'a>; M],
}

/// Values that are a whole number of vectors and of groups of them on every processor.
const ALIGNMENT: usize = 64;
/// Most values taken as one row.
const LONGEST_ROW: usize = 4096;
/// Values visited group of channels by group of channels, while they are in the first-level cache.
const TILE: usize = 4096;
/// Most terms summed in `f32`.
const TERMS: usize = 128;

impl<T: Step<N, P, M, K>, const N: usize, const P: usize, const M: usize, const K: usize> Lanes<'_, T, N, P, M, K> {
    /// Writes the targets and returns the sums of each channel.
    pub(super) fn run(mut self) -> [Vec<f64>; K] {
        let len = self.len();
        let Self { isa, channels, .. } = self;
        if len == 0 || channels == 0 {
            return std::array::from_fn(|_| vec![0.0; channels]);
        }
        // Without anything per channel there are no rows.
        let channels = if P == 0 && K == 0 { LONGEST_ROW } else { channels };
        let columns = channels * together(channels);
        let parameters = self.parameters.map(|values| repeat(&values[..self.channels], columns));
        let targets = self.targets.each_mut().map(|values| match values {
            StoredMut::F32(values) => Place::F32(values.as_mut_ptr()),
            StoredMut::Bf16(halves) => Place::Bf16(halves.as_mut_ptr()),
        });
        let inputs = self.inputs.map(|operand| match operand {
            Operand::From(Stored::F32(values)) => (Place::F32(values.as_ptr().cast_mut()), 1),
            Operand::From(Stored::Bf16(halves)) => (Place::Bf16(halves.as_ptr().cast_mut()), 1),
            Operand::Target(index) => (targets[index], 1),
            Operand::Nothing => (Place::F32(NOTHING.0.as_ptr().cast_mut()), 0),
        });
        let rounds = bf16::available()
            && isa.clamped() == Isa::Avx512
            && targets.iter().any(|target| matches!(target, Place::Bf16(_)));
        let job = Job { step: &self.step, columns, parameters, inputs, targets };
        let per_task = if K > 0 { len.div_ceil(CHUNKS).max(TASK) } else { TASK }.next_multiple_of(columns);
        let tasks = len.div_ceil(per_task);
        let work = |task: usize| {
            let mut sums = [(); K].map(|()| vec![0.0; columns]);
            let start = task * per_task;
            let range = (start, (len - start).min(per_task));
            let piece = Piece { job: &job, range, sums: &mut sums };
            if rounds {
                dispatch_rounding(piece)
            } else {
                dispatch(isa, piece)
            }
            sums
        };
        let partial: Vec<[Vec<f64>; K]> = if K == 0 {
            (0..tasks).into_par_iter().for_each(|task| drop(work(task)));
            Vec::new()
        } else {
            (0..tasks).into_par_iter().map(work).collect()
        };
        let mut totals: [Vec<f64>; K] = std::array::from_fn(|_| vec![0.0; channels]);
        for sums in &partial {
            for (total, sums) in totals.iter_mut().zip(sums) {
                for row in sums.chunks_exact(channels) {
                    total.iter_mut().zip(row).for_each(|(total, sum)| *total += sum);
                }
            }
        }
        totals
    }

    /// Values of every operand; panics where they differ or a channel has no parameter.
    fn len(&self) -> usize {
        let sources = self.inputs.iter().filter_map(|operand| match operand {
            Operand::From(values) => Some(values.len()),
            Operand::Target(_) | Operand::Nothing => None,
        });
        let mut lens = sources.chain(self.targets.iter().map(|values| values.len()));
        let len = lens.next().unwrap_or_default();
        assert!(lens.all(|other| other == len), "activations of different sizes");
        assert!(
            self.channels > 0 && len.is_multiple_of(self.channels) || len == 0,
            "{len} values of {} channels",
            self.channels
        );
        for values in self.parameters {
            assert!(values.len() >= self.channels, "{} values for {} channels", values.len(), self.channels);
        }
        len
    }
}

/// Rows that are taken together: as many as make whole groups of vectors, or one where that would be too long.
fn together(channels: usize) -> usize {
    let rows = ALIGNMENT >> channels.trailing_zeros().min(ALIGNMENT.trailing_zeros());
    if channels * rows <= LONGEST_ROW { rows } else { 1 }
}

/// `values` over and over.
fn repeat(values: &[f32], len: usize) -> AlignedBuffer {
    let mut result = AlignedBuffer::zeroed(len);
    result.iter_mut().zip(values.iter().cycle()).for_each(|(slot, &value)| *slot = value);
    result
}

/// Operands as pointers, to be written side by side: made by [`Lanes::run`] alone, where all have the same number of values.
struct Job<'a, T, const N: usize, const P: usize, const M: usize> {
    step: &'a T,
    columns: usize,
    parameters: [AlignedBuffer; P],
    /// Each with its step: one, or zero where the same vectors are read again and again.
    inputs: [(Place, usize); N],
    targets: [Place; M],
}

/// Where the values of an operand begin; those of inputs are only read.
#[derive(Clone, Copy)]
enum Place {
    F32(*mut f32),
    Bf16(*mut u16),
}

// SAFETY: tasks read and write disjoint ranges of the operands, which `Lanes::run` borrows while they run.
unsafe impl<T: Sync, const N: usize, const P: usize, const M: usize> Sync for Job<'_, T, N, P, M> {}

/// A run of values, `(start, len)`; `start` is the start of a row.
struct Piece<'a, T, const N: usize, const P: usize, const M: usize, const K: usize> {
    job: &'a Job<'a, T, N, P, M>,
    range: (usize, usize),
    sums: &'a mut [Vec<f64>; K],
}

impl<T: Step<N, P, M, K>, const N: usize, const P: usize, const M: usize, const K: usize> Kernel
    for Piece<'_, T, N, P, M, K>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, range: (start, len), sums } = self;
        // Sums of a few rows stay in registers. Where values are written, rows one after the other are better: a store delays loads
        // at the same distance from the start of a page.
        let tile = match job.columns {
            columns if columns <= 4 * S::LANES => TERMS,
            columns if M == 0 => (TILE / columns).clamp(1, TERMS),
            _ => 1,
        };
        let mut held: [AlignedBuffer; K] = std::array::from_fn(|_| AlignedBuffer::zeroed(job.columns));
        let mut terms = 0;
        let mut at = 0;
        while at < len {
            let rows = ((len - at) / job.columns).min(tile);
            if rows > 0 {
                block(simd, job, start + at, rows, job.columns, &mut held);
                at += rows * job.columns;
            } else {
                block(simd, job, start + at, 1, len - at, &mut held);
                at = len;
            }
            terms += rows.max(1);
            if K > 0 && (terms + tile > TERMS || at == len) {
                flush(&mut held, sums);
                terms = 0;
            }
        }
    }
}

/// Moves the sums so far into double precision.
#[inline(always)]
fn flush<const K: usize>(held: &mut [AlignedBuffer; K], sums: &mut [Vec<f64>; K]) {
    for (held, sums) in held.iter_mut().zip(sums) {
        for (held, sum) in held.iter_mut().zip(sums.iter_mut()) {
            *sum += f64::from(*held);
            *held = 0.0;
        }
    }
}

/// `rows` rows of `width` values from `start` on; more than one row only where `width` is the job's number of columns.
#[inline(always)]
fn block<S: Simd, T: Step<N, P, M, K>, const N: usize, const P: usize, const M: usize, const K: usize>(
    simd: S,
    job: &Job<'_, T, N, P, M>,
    start: usize,
    rows: usize,
    width: usize,
    held: &mut [AlignedBuffer; K],
) {
    assert!(width <= job.columns && held.iter().all(|held| held.len() == job.columns));
    let held = held.each_mut().map(|held| held.as_mut_ptr());
    let mut column = 0;
    // SAFETY: the caller's rows lie inside the operands, whose lengths `Lanes::run` checked; parameters and sums hold
    // `job.columns` values, and a group ends at or before `width`.
    unsafe {
        while width - column >= 4 * S::LANES {
            group::<S, T, N, P, M, K, 4>(simd, job, (start, column), rows, S::LANES, held);
            column += 4 * S::LANES;
        }
        while column < width {
            let count = S::LANES.min(width - column);
            group::<S, T, N, P, M, K, 1>(simd, job, (start, column), rows, count, held);
            column += count;
        }
    }
}

/// `G` vectors of columns of `rows` rows, from the row that starts at value `start`.
///
/// # Safety
/// The operands hold the rows, the parameters and sums `job.columns` values, and the last vector, of `count` values, ends at or
/// before that; `count` is `LANES`, or less where `G` is 1.
#[inline(always)]
unsafe fn group<
    S: Simd,
    T: Step<N, P, M, K>,
    const N: usize,
    const P: usize,
    const M: usize,
    const K: usize,
    const G: usize,
>(
    simd: S,
    job: &Job<'_, T, N, P, M>,
    (start, column): (usize, usize),
    rows: usize,
    count: usize,
    held: [*mut f32; K],
) {
    // SAFETY: as the caller promises; an operand of step zero holds as many values as a group reads.
    unsafe {
        let mut parameters = [[simd.splat(0.0); G]; P];
        for p in 0..P {
            parameters[p] = load(simd, job.parameters[p].as_ptr().add(column), count);
        }
        let mut sums = [[simd.splat(0.0); G]; K];
        for k in 0..K {
            sums[k] = load(simd, held[k].add(column), count);
        }
        for row in 0..rows {
            let at = start + row * job.columns + column;
            let mut inputs = [[simd.splat(0.0); G]; N];
            for n in 0..N {
                let (values, step) = job.inputs[n];
                inputs[n] = match values {
                    Place::F32(values) => load(simd, values.add(at * step), count),
                    Place::Bf16(halves) => load_halves(simd, halves.add(at * step), count),
                };
            }
            let (outputs, terms) = job.step.step::<S, G>(simd, inputs, parameters);
            for m in 0..M {
                match job.targets[m] {
                    Place::F32(values) => store(simd, values.add(at), outputs[m], count),
                    Place::Bf16(halves) => store_halves(simd, halves.add(at), outputs[m], count),
                }
            }
            for k in 0..K {
                for g in 0..G {
                    sums[k][g] = simd.add(sums[k][g], terms[k][g]);
                }
            }
        }
        for k in 0..K {
            store(simd, held[k].add(column), sums[k], count);
        }
    }
}

/// # Safety
/// `G` vectors must be readable at `from`, or `count < LANES` values (then `G` is 1).
#[inline(always)]
unsafe fn load<S: Simd, const G: usize>(simd: S, from: *const f32, count: usize) -> [S::Vector; G] {
    let mut values = [simd.splat(0.0); G];
    for g in 0..G {
        // SAFETY: as the caller promises.
        values[g] = unsafe {
            if G > 1 || count == S::LANES {
                simd.load_pointer(from.add(g * S::LANES))
            } else {
                simd.load_first(from, count)
            }
        };
    }
    values
}

/// # Safety
/// As for [`load`], with halves.
#[inline(always)]
unsafe fn load_halves<S: Simd, const G: usize>(simd: S, from: *const u16, count: usize) -> [S::Vector; G] {
    let mut values = [simd.splat(0.0); G];
    for g in 0..G {
        // SAFETY: as the caller promises.
        values[g] = unsafe { simd.load_first_halves(from.add(g * S::LANES), if G > 1 { S::LANES } else { count }) };
    }
    values
}

/// # Safety
/// As for [`store`], with halves.
#[inline(always)]
unsafe fn store_halves<S: Simd, const G: usize>(simd: S, to: *mut u16, values: [S::Vector; G], count: usize) {
    for g in 0..G {
        // SAFETY: as the caller promises.
        unsafe { simd.store_first_halves(to.add(g * S::LANES), values[g], if G > 1 { S::LANES } else { count }) };
    }
}

/// # Safety
/// `G` vectors must be writable at `to`, or `count < LANES` values (then `G` is 1).
#[inline(always)]
unsafe fn store<S: Simd, const G: usize>(simd: S, to: *mut f32, values: [S::Vector; G], count: usize) {
    for g in 0..G {
        // SAFETY: as the caller promises.
        unsafe {
            if G > 1 || count == S::LANES {
                simd.store_pointer(to.add(g * S::LANES), values[g]);
            } else {
                simd.store_first(to, values[g], count);
            }
        }
    }
}
