//! [`Simd`] in plain Rust: four lanes, which every 64-bit processor's baseline vector unit holds. Products and sums are rounded
//! separately, because a fused multiply-add without the instruction is a slow library call.
#![allow(unsafe_code)]

use super::simd::Simd;

const LANES: usize = 4;

/// No instructions are needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

macro_rules! lanes {
    ($lane:ident => $value:expr) => {{
        let mut result = [0.0f32; LANES];
        for $lane in 0..LANES {
            result[$lane] = $value;
        }
        result
    }};
}

impl Simd for Portable {
    type Vector = [f32; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Vector {
        [value; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => a[i] + b[i])
    }
    #[inline(always)]
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => a[i] - b[i])
    }
    #[inline(always)]
    fn multiply(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => a[i] * b[i])
    }
    #[inline(always)]
    fn divide(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => a[i] / b[i])
    }
    #[inline(always)]
    fn smallest(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn largest(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        lanes!(i => if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        lanes!(i => a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn absolute(self, a: Self::Vector) -> Self::Vector {
        lanes!(i => a[i].abs())
    }
    #[inline(always)]
    fn round(self, a: Self::Vector) -> Self::Vector {
        // Adding 1.5 * 2^23 leaves no bits below one.
        const SHIFT: f32 = 12_582_912.0;
        lanes!(i => (a[i] + SHIFT) - SHIFT)
    }
    #[inline(always)]
    fn power_of_two(self, a: Self::Vector) -> Self::Vector {
        lanes!(i => f32::from_bits((((a[i] as i32) + 127) as u32) << 23))
    }
    #[inline(always)]
    fn where_negative(self, sign: Self::Vector, negative: Self::Vector, other: Self::Vector) -> Self::Vector {
        lanes!(i => if sign[i] < 0.0 { negative[i] } else { other[i] })
    }
    #[inline(always)]
    fn where_nan(self, test: Self::Vector, nan: Self::Vector, other: Self::Vector) -> Self::Vector {
        lanes!(i => if test[i].is_nan() { nan[i] } else { other[i] })
    }
    #[inline(always)]
    fn sum(self, a: Self::Vector) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn maximum(self, a: Self::Vector) -> f32 {
        a[0].max(a[2]).max(a[1].max(a[3]))
    }
    #[inline(always)]
    unsafe fn load_pointer(self, from: *const f32) -> Self::Vector {
        // SAFETY: the caller promises LANES readable values; the read needs no alignment beyond that of f32.
        unsafe { from.cast::<Self::Vector>().read() }
    }
    #[inline(always)]
    unsafe fn store_pointer(self, to: *mut f32, value: Self::Vector) {
        // SAFETY: the caller promises LANES writable values.
        unsafe { to.cast::<Self::Vector>().write(value) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::Vector {
        let mut result = [0.0; LANES];
        for (lane, value) in result.iter_mut().enumerate().take(count) {
            // SAFETY: the caller promises `count` readable values.
            *value = unsafe { *from.add(lane) };
        }
        result
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: Self::Vector, count: usize) {
        for (lane, value) in value.into_iter().enumerate().take(count) {
            // SAFETY: the caller promises `count` writable values.
            unsafe { *to.add(lane) = value };
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> Self::Vector {
        // SAFETY: the caller promises LANES readable bytes.
        let bytes = unsafe { from.cast::<[u8; LANES]>().read() };
        lanes!(i => f32::from(bytes[i]))
    }
}
