//! [`Simd`] on AVX2 with FMA: eight lanes.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::simd::Simd;

/// Proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Callable only where the instructions are enabled.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn new() -> Self {
        Self(())
    }
}

macro_rules! instruction {
    ($($body:tt)*) => {
        // SAFETY: a value of `Avx2` exists only where the processor has AVX2 and FMA; pointers are as the caller promises.
        unsafe { $($body)* }
    };
}

/// Lane masks by sliding window: `MASK[8 - count..]` starts with `count` set lanes.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        instruction!(_mm256_set1_ps(value))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn subtract(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn multiply(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn divide(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn smallest(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn largest(self, a: __m256, b: __m256) -> __m256 {
        instruction!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn multiply_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        instruction!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn absolute(self, a: __m256) -> __m256 {
        instruction!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        instruction!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn power_of_two(self, a: __m256) -> __m256 {
        instruction! {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn where_negative(self, sign: __m256, negative: __m256, other: __m256) -> __m256 {
        instruction! {
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(sign, _mm256_setzero_ps());
            _mm256_blendv_ps(other, negative, below)
        }
    }
    #[inline(always)]
    fn where_nan(self, test: __m256, nan: __m256, other: __m256) -> __m256 {
        instruction!(_mm256_blendv_ps(other, nan, _mm256_cmp_ps::<_CMP_UNORD_Q>(test, test)))
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        instruction! {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn maximum(self, a: __m256) -> f32 {
        instruction! {
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    unsafe fn load_pointer(self, from: *const f32) -> __m256 {
        instruction!(_mm256_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store_pointer(self, to: *mut f32, value: __m256) {
        instruction!(_mm256_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m256 {
        instruction!(_mm256_maskload_ps(from, mask(count)))
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: __m256, count: usize) {
        instruction!(_mm256_maskstore_ps(to, mask(count), value))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m256 {
        instruction!(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))))
    }
}

/// # Safety
/// The processor must have AVX2, and `count` be at most 8.
#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    // SAFETY: eight values follow index `8 - count` for every count in 0..=8.
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - count).cast()) }
}
