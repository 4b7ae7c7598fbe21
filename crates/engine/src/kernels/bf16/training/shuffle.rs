//! Halves brought into the order that tiles take: pairs of rows side by side, and rows turned into columns.
//!
//! A tile of the right-hand matrix holds, for each pair of the depth, both values of every column; a tile of rows holds, for each
//! row, the depth one value after the other. Where the depth lies across rows in memory, the first is a matter of weaving two rows
//! together, and the second of turning what was woven.
#![allow(unsafe_code)]

use crate::kernels::bf16::stored::Stored;
use crate::kernels::bf16::tile::{DEPTH, SIDE, TILE};
use crate::kernels::simd::prefetch;

/// Where the values of each row of the depth begin, block by block; none for rows of zeros.
pub(super) struct PairRows<'a, F> {
    pub from: Stored<'a>,
    /// Start of row `k` of a block of the depth.
    pub start: F,
    /// Values from there to the first column, and columns that are there.
    pub first: usize,
    pub width: usize,
    /// Values from the start of most rows to the next.
    pub apart: usize,
}

/// Distance of rows, in values, from which nothing but asking brings them in time.
const FAR: usize = 64;

impl<F: Fn(usize, usize) -> Option<usize>> PairRows<'_, F> {
    /// Fills a panel of up to two tiles of columns: for each of `blocks` blocks of the depth its tiles.
    ///
    /// # Panics
    /// Where the processor has no matrix unit, or a row ends beyond its memory.
    pub fn pack(&self, blocks: usize, to: &mut [u16]) {
        assert!(crate::kernels::bf16::available(), "the processor has no matrix unit");
        let tiles = self.width.div_ceil(SIDE);
        assert!(
            to.len() >= blocks * tiles * TILE && tiles <= 2,
            "a panel of {blocks} blocks of {} columns",
            self.width
        );
        #[cfg(target_arch = "x86_64")]
        for (block, to) in to.chunks_exact_mut((tiles * TILE).max(1)).take(blocks).enumerate() {
            for pair in 0..DEPTH / 2 {
                let at = |block: usize, k: usize| (self.start)(block, k).map(|start| start + self.first);
                let rows = [2 * pair, 2 * pair + 1].map(|k| at(block, k));
                if block + 1 < blocks && self.apart >= FAR {
                    [0, 1].into_iter().filter_map(|k| at(block + 1, 2 * pair + k)).for_each(|at| self.ask(at));
                }
                for (tile, to) in to.chunks_exact_mut(TILE).enumerate() {
                    let (before, count) = (tile * SIDE, (self.width - tile * SIDE).min(SIDE));
                    let rows = rows.map(|row| row.map(|start| start + before));
                    // SAFETY: the unit is taken for available only beside these instructions.
                    unsafe { weave(self.from, rows, count, &mut to[pair * DEPTH..][..DEPTH]) };
                }
            }
        }
    }
}

impl<F> PairRows<'_, F> {
    /// Asks for the lines of a row that will be read soon.
    #[inline(always)]
    fn ask(&self, at: usize) {
        match self.from {
            Stored::F32(values) => {
                prefetch(values.as_ptr().wrapping_add(at));
                prefetch(values.as_ptr().wrapping_add(at + SIDE));
            }
            Stored::Bf16(halves) => prefetch(halves.as_ptr().wrapping_add(at).cast()),
        }
    }
}

/// Writes `count` values of both rows side by side, zeros for rows that are not there and for missing values.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn weave(from: Stored<'_>, rows: [Option<usize>; 2], count: usize, to: &mut [u16]) {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_storeu_si512,
    };
    assert!(to.len() == DEPTH && count <= SIDE);
    let mask = ((1u32 << count) - 1) as u16;
    let both = match from {
        Stored::F32(values) => {
            let [first, second] = rows.map(|row| match row {
                Some(start) => {
                    let row = &values[start..start + count];
                    // SAFETY: only the row's values are read.
                    unsafe { _mm512_maskz_loadu_ps(mask, row.as_ptr()) }
                }
                None => _mm512_setzero_ps(),
            });
            // SAFETY: both types are 64 bytes without invalid bits.
            unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
        }
        Stored::Bf16(halves) => {
            let [first, second] = rows.map(|row| match row {
                Some(start) => load(&halves[start..start + count]),
                None => load(&[]),
            });
            join(first, second)
        }
    };
    // SAFETY: the line holds 32 halves.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), woven(both)) };
}

/// Up to 16 halves, zeros behind them.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn load(halves: &[u16]) -> std::arch::x86_64::__m256i {
    use std::arch::x86_64::_mm256_maskz_loadu_epi16;
    let mask = ((1u32 << halves.len().min(SIDE)) - 1) as u16;
    // SAFETY: only values of the slice are read.
    unsafe { _mm256_maskz_loadu_epi16(mask, halves.as_ptr().cast()) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn join(first: std::arch::x86_64::__m256i, second: std::arch::x86_64::__m256i) -> std::arch::x86_64::__m512i {
    use std::arch::x86_64::{_mm512_castsi256_si512, _mm512_inserti64x4};
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
}

/// 16 halves and 16 more, alternately.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn woven(both: std::arch::x86_64::__m512i) -> std::arch::x86_64::__m512i {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_permutexvar_epi16};
    const PLACES: [u16; 32] = {
        let (mut places, mut at) = ([0; 32], 0);
        while at < 32 {
            places[at] = (at / 2 + at % 2 * 16) as u16;
            at += 1;
        }
        places
    };
    // SAFETY: the table holds 32 halves.
    let places = unsafe { _mm512_loadu_si512(PLACES.as_ptr().cast()) };
    _mm512_permutexvar_epi16(places, both)
}

/// Turns a matrix of 16 rows of 16 pairs of halves: pair `j` of row `i` becomes pair `i` of row `j`.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn turn(rows: [std::arch::x86_64::__m512i; SIDE]) -> [std::arch::x86_64::__m512i; SIDE] {
    use std::arch::x86_64::{
        _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    };
    let mut pairs = rows;
    for at in (0..SIDE).step_by(2) {
        pairs[at] = _mm512_unpacklo_epi32(rows[at], rows[at + 1]);
        pairs[at + 1] = _mm512_unpackhi_epi32(rows[at], rows[at + 1]);
    }
    // Afterwards lane `l` of `fours[4 a + b]` holds column `4 l + b` of rows `4 a..4 a + 4`.
    let mut fours = pairs;
    for at in (0..SIDE).step_by(4) {
        fours[at] = _mm512_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm512_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm512_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm512_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut turned = fours;
    for column in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|row| fours[row + column]);
        let (low, high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xEE>(a, b));
        let (low_below, high_below) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xEE>(c, d));
        turned[column] = _mm512_shuffle_i32x4::<0x88>(low, low_below);
        turned[column + 4] = _mm512_shuffle_i32x4::<0xDD>(low, low_below);
        turned[column + 8] = _mm512_shuffle_i32x4::<0x88>(high, high_below);
        turned[column + 12] = _mm512_shuffle_i32x4::<0xDD>(high, high_below);
    }
    turned
}

/// Turns rows into a tile of columns: row `n` of up to 16 holds `count` values from `starts + n * stride` on, value `k` of which becomes
/// depth `k` of column `n`. What is not there becomes zero.
///
/// # Panics
/// Where the processor has no matrix unit, or a row ends beyond its memory.
pub(super) fn rows_to_tile(from: &[u16], stride: usize, rows: usize, count: usize, to: &mut [u16]) {
    assert!(crate::kernels::bf16::available(), "the processor has no matrix unit");
    assert!(rows <= SIDE && count <= DEPTH && to.len() == TILE && from.len() >= (rows.max(1) - 1) * stride + count);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the unit is taken for available only beside these instructions; the slices were just checked.
    unsafe {
        rows_to_tile_avx512(from, stride, rows, count, to);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, stride, rows, count, to);
}

/// # Safety
/// `from` holds `count` values, at most 32, from each of `rows` starts, at most 16, and `to` a tile.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn rows_to_tile_avx512(from: &[u16], stride: usize, rows: usize, count: usize, to: &mut [u16]) {
    use std::arch::x86_64::{_mm512_maskz_loadu_epi16, _mm512_setzero_si512, _mm512_storeu_si512};
    let mask = if count < DEPTH { (1u32 << count) - 1 } else { u32::MAX };
    let mut values = [_mm512_setzero_si512(); SIDE];
    for (row, value) in values.iter_mut().enumerate().take(rows) {
        // SAFETY: as the caller promises; masked values are not read.
        *value = unsafe { _mm512_maskz_loadu_epi16(mask, from.as_ptr().add(row * stride).cast()) };
    }
    for (pair, value) in turn(values).into_iter().enumerate() {
        // SAFETY: the tile holds 16 lines of 32 halves.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().add(pair * DEPTH).cast(), value) };
    }
}

/// Turns `positions` positions of `width` values, at most 16, `step` apart, into rows: `to[c * length + p] = from[p * step + c]`.
///
/// # Panics
/// Where the processor has no matrix unit, or something ends beyond its memory.
pub(super) fn positions_to_rows(
    from: &[u16],
    step: usize,
    positions: usize,
    width: usize,
    to: &mut [u16],
    length: usize,
) {
    assert!(crate::kernels::bf16::available(), "the processor has no matrix unit");
    if positions == 0 || width == 0 {
        return;
    }
    assert!(
        width <= SIDE
            && from.len() >= (positions - 1) * step + width
            && positions <= length
            && to.len() >= (width - 1) * length + positions
    );
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the unit is taken for available only beside these instructions; the slices were just checked.
    unsafe {
        positions_to_rows_avx512(from, step, positions, width, to, length);
    }
}

/// # Safety
/// `from` holds `width` values, at most 16, from each of the `positions` multiples of `step`, and `to` as many in `width` rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn positions_to_rows_avx512(
    from: &[u16],
    step: usize,
    positions: usize,
    width: usize,
    to: &mut [u16],
    length: usize,
) {
    use std::arch::x86_64::{
        _mm256_maskz_loadu_epi16, _mm256_setzero_si256, _mm512_mask_storeu_epi16, _mm512_setzero_si512,
    };
    let mask = ((1u32 << width) - 1) as u16;
    for first in (0..positions).step_by(DEPTH) {
        let here = (positions - first).min(DEPTH);
        let mut values = [_mm512_setzero_si512(); SIDE];
        for (pair, value) in values.iter_mut().enumerate().take(here.div_ceil(2)) {
            let at = first + 2 * pair;
            if step >= FAR {
                prefetch(from.as_ptr().wrapping_add((at + DEPTH) * step).cast());
                prefetch(from.as_ptr().wrapping_add((at + DEPTH + 1) * step).cast());
            }
            // SAFETY: as the caller promises; masked values are not read.
            let one = unsafe { _mm256_maskz_loadu_epi16(mask, from.as_ptr().add(at * step).cast()) };
            let other = if 2 * pair + 1 < here {
                // SAFETY: as above.
                unsafe { _mm256_maskz_loadu_epi16(mask, from.as_ptr().add((at + 1) * step).cast()) }
            } else {
                _mm256_setzero_si256()
            };
            *value = woven(join(one, other));
        }
        let there = if here < DEPTH { (1u32 << here) - 1 } else { u32::MAX };
        for (row, value) in turn(values).into_iter().enumerate().take(width) {
            // SAFETY: as the caller promises; masked values are not written.
            unsafe { _mm512_mask_storeu_epi16(to.as_mut_ptr().add(row * length + first).cast(), there, value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::bf16::rounding::bits;

    fn halves(len: usize) -> Vec<u16> {
        (0..len).map(|at| (at * 31 % 65_521) as u16).collect()
    }

    #[test]
    fn pairs_lie_side_by_side() {
        if !crate::kernels::bf16::available() {
            return println!("skipped: this processor has no matrix unit");
        }
        let values: Vec<f32> = (0..2000).map(|at| at as f32 * 0.37 - 300.0).collect();
        let rounded: Vec<u16> = values.iter().map(|value| bits(*value)).collect();
        for (width, first) in [(1_usize, 0), (16, 3), (17, 0), (32, 5), (23, 1)] {
            let start = |block: usize, k: usize| (k % 7 != 3).then_some((block * DEPTH + k) * 29);
            for from in [Stored::F32(&values), Stored::Bf16(&rounded)] {
                let (blocks, tiles) = (2, width.div_ceil(SIDE));
                let mut to = vec![0xFFFF; blocks * tiles * TILE];
                PairRows { from, start, first, width, apart: 29 }.pack(blocks, &mut to);
                for (block, k, n) in (0..blocks * DEPTH * tiles * SIDE)
                    .map(|at| (at / (DEPTH * tiles * SIDE), at / (tiles * SIDE) % DEPTH, at % (tiles * SIDE)))
                {
                    let place = (block * tiles + n / SIDE) * TILE + k / 2 * DEPTH + n % SIDE * 2 + k % 2;
                    let expected = start(block, k).filter(|_| n < width).map_or(0, |start| rounded[start + first + n]);
                    assert_eq!(to[place], expected, "{width} {first}: {block} {k} {n}");
                }
            }
        }
    }

    #[test]
    fn rows_become_columns() {
        if !crate::kernels::bf16::available() {
            return println!("skipped: this processor has no matrix unit");
        }
        let from = halves(16 * 50);
        for (rows, count) in [(16, 32), (1, 1), (7, 31), (16, 9)] {
            let mut to = vec![0xFFFF; TILE];
            rows_to_tile(&from, 50, rows, count, &mut to);
            for (k, n) in (0..TILE).map(|at| (at / SIDE, at % SIDE)) {
                let expected = if n < rows && k < count { from[n * 50 + k] } else { 0 };
                assert_eq!(to[k / 2 * DEPTH + n * 2 + k % 2], expected, "{rows} {count}: {k} {n}");
            }
        }
    }

    #[test]
    fn positions_become_rows() {
        if !crate::kernels::bf16::available() {
            return println!("skipped: this processor has no matrix unit");
        }
        for (positions, width, step) in [(1, 1, 1), (32, 16, 16), (33, 5, 6), (95, 16, 21), (64, 3, 40)] {
            let (from, length) = (halves((positions - 1) * step + width), positions + 3);
            let mut to = vec![7; width * length];
            positions_to_rows(&from, step, positions, width, &mut to, length);
            for (c, p) in (0..width * length).map(|at| (at / length, at % length)) {
                let expected = if p < positions { from[p * step + c] } else { 7 };
                assert_eq!(to[c * length + p], expected, "{positions} {width} {step}: {c} {p}");
            }
        }
    }
}
