//! [`Simd`] on AVX-512: sixteen lanes.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::simd::Simd;

/// Proof that the processor has AVX-512 F, BW, DQ and VL, and BF16 where `ROUNDS`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512<const ROUNDS: bool = false>(());

impl Avx512<true> {
    /// Callable only where the instructions are enabled.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(crate) fn with_rounding() -> Self {
        Self(())
    }
}

impl Avx512<false> {
    /// Callable only where the instructions are enabled.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(crate) fn new() -> Self {
        Self(())
    }
}

macro_rules! instruction {
    ($($body:tt)*) => {
        // SAFETY: a value of `Avx512` exists only where the processor has the instructions; pointers are as the caller promises.
        unsafe { $($body)* }
    };
}

impl<const ROUNDS: bool> Simd for Avx512<ROUNDS> {
    type Vector = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        instruction!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn subtract(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn multiply(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn divide(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn smallest(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn largest(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn multiply_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        instruction!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn absolute(self, a: __m512) -> __m512 {
        instruction!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        instruction!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn power_of_two(self, a: __m512) -> __m512 {
        instruction! {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn where_negative(self, sign: __m512, negative: __m512, other: __m512) -> __m512 {
        instruction! {
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(sign, _mm512_setzero_ps());
            _mm512_mask_blend_ps(below, other, negative)
        }
    }
    #[inline(always)]
    fn where_nan(self, test: __m512, nan: __m512, other: __m512) -> __m512 {
        instruction!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(test, test), other, nan))
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        instruction! {
            let eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn maximum(self, a: __m512) -> f32 {
        instruction!(_mm512_reduce_max_ps(a))
    }
    #[inline(always)]
    unsafe fn load_pointer(self, from: *const f32) -> __m512 {
        instruction!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store_pointer(self, to: *mut f32, value: __m512) {
        instruction!(_mm512_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m512 {
        instruction!(_mm512_maskz_loadu_ps(mask(count), from))
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: __m512, count: usize) {
        instruction!(_mm512_mask_storeu_ps(to, mask(count), value))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m512 {
        instruction!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))))
    }
    #[inline(always)]
    unsafe fn load_first_halves(self, from: *const u16, count: usize) -> __m512 {
        instruction! {
            let halves = if count < 16 {
                _mm256_maskz_loadu_epi16(mask(count), from.cast())
            } else {
                _mm256_loadu_si256(from.cast())
            };
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }
    #[inline(always)]
    unsafe fn store_first_halves(self, to: *mut u16, value: __m512, count: usize) {
        if ROUNDS {
            instruction! {
                let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
                if count < 16 {
                    _mm256_mask_storeu_epi16(to.cast(), mask(count), halves);
                } else {
                    _mm256_storeu_si256(to.cast(), halves);
                }
            }
            return;
        }
        let mut values = [0.0; 16];
        self.store(&mut values, value);
        for (at, value) in values.iter().enumerate().take(count) {
            instruction!(*to.add(at) = super::bf16::bits(*value));
        }
    }
    #[inline(always)]
    fn store_high_halves(self, to: &mut [u16], value: __m512) {
        instruction! {
            let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(_mm512_castps_si512(value)));
            if to.len() < 16 {
                _mm256_mask_storeu_epi16(to.as_mut_ptr().cast(), mask(to.len()), halves);
            } else {
                _mm256_storeu_si256(to.as_mut_ptr().cast(), halves);
            }
        }
    }
}

/// The lowest `count < 16` lanes.
#[inline(always)]
const fn mask(count: usize) -> __mmask16 {
    (1u16 << count).wrapping_sub(1)
}
