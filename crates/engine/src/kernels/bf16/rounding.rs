//! From `f32` to bf16: to the nearest, ties to even; numbers below the least normal one become zero, as in the matrix unit.
#![allow(unsafe_code)]

use super::super::Isa;
use super::stored::Stored;

/// The bits of a value in bf16.
#[inline(always)]
pub(in crate::kernels) fn bits(value: f32) -> u16 {
    let bits = value.to_bits();
    // Only what is no number can go beyond, and it is not rounded.
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16;
    let exact = bits >> 16;
    match value.classify() {
        std::num::FpCategory::Nan => (exact | 0x40) as u16,
        std::num::FpCategory::Subnormal => (exact & 0x8000) as u16,
        _ => nearest as u16,
    }
}

/// A value rounded to bf16.
///
/// ```
/// use heirloom_engine::kernels::rounded;
/// assert_eq!(rounded(1.0 + 1.0 / 512.0), 1.0);
/// assert_eq!(rounded(1.0 + 3.0 / 512.0), 1.0 + 1.0 / 128.0);
/// ```
#[must_use]
pub fn rounded(value: f32) -> f32 {
    widen(bits(value))
}

/// The value of the bits of one in bf16.
pub(super) fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// Rounds values where they are.
pub fn round_in_place(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = rounded(*value));
}

/// Rounds `from` into `to`, which is as long.
pub(super) fn convert(isa: Isa, from: &[f32], to: &mut [u16]) {
    assert_eq!(from.len(), to.len(), "values to round");
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 && super::available() {
        // SAFETY: the matrix unit is taken for available only beside these instructions.
        return unsafe { convert_avx512(from, to) };
    }
    let _ = isa;
    from.iter().zip(to).for_each(|(from, to)| *to = bits(*from));
}

/// Copies `count` values from each of `starts` to a row each, rounded, zeros behind them.
///
/// # Panics
/// Where the processor has no matrix unit: its tiles are what such rows are for.
pub(super) fn pack_rows<'t>(
    from: Stored<'_>,
    starts: impl Iterator<Item = usize>,
    count: usize,
    rows: impl Iterator<Item = &'t mut [u16]>,
) {
    assert!(super::available(), "the processor has no matrix unit");
    #[cfg(target_arch = "x86_64")]
    for (start, to) in starts.zip(rows) {
        assert!(count <= to.len());
        // SAFETY: the unit is taken for available only beside these instructions; the slices were just checked.
        unsafe {
            match from {
                Stored::F32(values) => pack_row(&values[start..start + count], to),
                Stored::Bf16(halves) => copy_row(&halves[start..start + count], to),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, starts, count, rows);
}

/// Rounds a row into the first values of `to`, zeros behind them.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack_row(from: &[f32], to: &mut [u16]) {
    convert_avx512(from, to);
    to[from.len()..].fill(0);
}

/// Copies a row to the first values of `to`, zeros behind them.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn copy_row(from: &[u16], to: &mut [u16]) {
    use std::arch::x86_64::{_mm512_mask_storeu_epi16, _mm512_maskz_loadu_epi16};
    let first = |count: usize| if count < 32 { (1u32 << count) - 1 } else { u32::MAX };
    for at in (0..to.len()).step_by(32) {
        let (there, room) = (from.len().saturating_sub(at), to.len() - at);
        // SAFETY: no more values are read and written than the slices have from here on; masked ones are not touched.
        unsafe {
            let values = _mm512_maskz_loadu_epi16(first(there), from.as_ptr().wrapping_add(at).cast());
            _mm512_mask_storeu_epi16(to.as_mut_ptr().add(at).cast(), first(room), values);
        }
    }
}

/// Replaces the values by their rounded ones.
pub(super) fn round_into(from: &[f32], to: &mut [f32]) {
    from.iter().zip(to).for_each(|(from, to)| *to = rounded(*from));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn convert_avx512(from: &[f32], to: &mut [u16]) {
    use std::arch::x86_64::{
        __m256bh, __m256i, __m512bh, __m512i, _mm256_mask_storeu_epi16, _mm256_storeu_si256, _mm512_cvtne2ps_pbh,
        _mm512_cvtneps_pbh, _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_storeu_si512,
    };
    let len = from.len().min(to.len());
    let mut at = 0;
    // SAFETY: every access ends at or before `len`; the types of halves have the layout of plain vectors.
    unsafe {
        while at + 32 <= len {
            let low = _mm512_loadu_ps(from.as_ptr().add(at));
            let high = _mm512_loadu_ps(from.as_ptr().add(at + 16));
            _mm512_storeu_si512(
                to.as_mut_ptr().add(at).cast(),
                std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)),
            );
            at += 32;
        }
        if at + 16 <= len {
            let halves = _mm512_cvtneps_pbh(_mm512_loadu_ps(from.as_ptr().add(at)));
            _mm256_storeu_si256(to.as_mut_ptr().add(at).cast(), std::mem::transmute::<__m256bh, __m256i>(halves));
            at += 16;
        }
        if at < len {
            let mask = (1u16 << (len - at)) - 1;
            let halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from.as_ptr().add(at)));
            _mm256_mask_storeu_epi16(
                to.as_mut_ptr().add(at).cast(),
                mask,
                std::mem::transmute::<__m256bh, __m256i>(halves),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_go_to_even_and_extremes_stay() {
        let cases = [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3F80),
            (1.0 + 1.0 / 256.0, 0x3F80),
            (1.0 + 3.0 / 256.0, 0x3F82),
            (f32::MAX, 0x7F80),
            (f32::INFINITY, 0x7F80),
            (f32::NEG_INFINITY, 0xFF80),
            (f32::MIN_POSITIVE, 0x0080),
            (f32::MIN_POSITIVE / 2.0, 0x0000),
            (-f32::MIN_POSITIVE / 2.0, 0x8000),
        ];
        for (value, expected) in cases {
            assert_eq!(bits(value), expected, "{value:e}");
        }
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0xFFFF_FFFF), f32::from_bits(0x7F80_0001)] {
            assert!(rounded(nan).is_nan(), "{:#x}", nan.to_bits());
        }
    }

    proptest! {
        #[test]
        fn vectors_round_as_scalars_do(raw in proptest::collection::vec(any::<u32>(), 1..80)) {
            let values: Vec<f32> = raw.into_iter().map(f32::from_bits).collect();
            let expected: Vec<u16> = values.iter().map(|value| bits(*value)).collect();
            let mut found = vec![0; values.len()];
            convert(Isa::Amx, &values, &mut found);
            prop_assert_eq!(found, expected);
        }
    }
}
