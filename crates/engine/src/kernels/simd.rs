//! The vector operations that the kernels are written in, and the dispatch to one instruction set.
//!
//! A kernel is a [`Kernel`] whose `run` is generic over [`Simd`] and `#[inline(always)]` all the way down; [`dispatch`]
//! instantiates it once per instruction set inside a function that enables the instructions.
#![allow(unsafe_code)]

use super::Isa;
use super::simd_portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::{simd_avx2::Avx2, simd_avx512::Avx512};

/// Vectors of `f32`. A value of an implementing type is the proof that the processor has the instructions.
///
/// `largest` and `smallest` return their second operand where one is NaN, so `largest(zero, x)` keeps a NaN in `x`.
pub(crate) trait Simd: Copy {
    /// A vector.
    type Vector: Copy;
    /// Values in a vector.
    const LANES: usize;

    fn splat(self, value: f32) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn multiply(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn divide(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn smallest(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn largest(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`, in one rounding where the processor can.
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn absolute(self, a: Self::Vector) -> Self::Vector;
    /// To the nearest integer, ties to even, for `|a| < 2^22`.
    fn round(self, a: Self::Vector) -> Self::Vector;
    /// `2^a` for integral `a` in -126..=127.
    fn power_of_two(self, a: Self::Vector) -> Self::Vector;
    /// Lane by lane: `negative` where `sign < 0`, else `other`.
    fn where_negative(self, sign: Self::Vector, negative: Self::Vector, other: Self::Vector) -> Self::Vector;
    /// Lane by lane: `nan` where `test` is NaN, else `other`.
    fn where_nan(self, test: Self::Vector, nan: Self::Vector, other: Self::Vector) -> Self::Vector;
    /// Sum of the lanes, in an order fixed by the number of lanes.
    fn sum(self, a: Self::Vector) -> f32;
    /// Largest lane.
    fn maximum(self, a: Self::Vector) -> f32;

    /// # Safety
    /// `LANES` values must be readable at `from`.
    unsafe fn load_pointer(self, from: *const f32) -> Self::Vector;
    /// # Safety
    /// `LANES` values must be writable at `to`.
    unsafe fn store_pointer(self, to: *mut f32, value: Self::Vector);
    /// The first `count < LANES` values, zeros in the other lanes.
    /// # Safety
    /// `count` values must be readable at `from`.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::Vector;
    /// # Safety
    /// `count < LANES` values must be writable at `to`.
    unsafe fn store_first(self, to: *mut f32, value: Self::Vector, count: usize);
    /// # Safety
    /// `LANES` bytes must be readable at `from`.
    unsafe fn load_bytes(self, from: *const u8) -> Self::Vector;

    /// The values of the first `count <= LANES` halves, zeros in the other lanes.
    /// # Safety
    /// `count` halves must be readable at `from`.
    #[inline(always)]
    unsafe fn load_first_halves(self, from: *const u16, count: usize) -> Self::Vector {
        let mut values = [0.0; 16];
        for (at, value) in values.iter_mut().enumerate().take(count) {
            // SAFETY: as the caller promises.
            *value = f32::from_bits(u32::from(unsafe { *from.add(at) }) << 16);
        }
        self.load(&values)
    }

    /// Rounds the first `count <= LANES` lanes to halves.
    /// # Safety
    /// `count` halves must be writable at `to`.
    #[inline(always)]
    unsafe fn store_first_halves(self, to: *mut u16, value: Self::Vector, count: usize) {
        let mut values = [0.0; 16];
        self.store(&mut values, value);
        for (at, value) in values.iter().enumerate().take(count) {
            // SAFETY: as the caller promises.
            unsafe { *to.add(at) = super::bf16::bits(*value) };
        }
    }

    /// The values of the first `LANES` halves of `from`; where it is shorter, zeros follow.
    #[inline(always)]
    fn load_halves(self, from: &[u16]) -> Self::Vector {
        // SAFETY: so many are readable.
        unsafe { self.load_first_halves(from.as_ptr(), from.len().min(Self::LANES)) }
    }

    /// Rounds the first `min(LANES, to.len())` lanes to halves.
    #[inline(always)]
    fn store_halves(self, to: &mut [u16], value: Self::Vector) {
        // SAFETY: so many are writable.
        unsafe { self.store_first_halves(to.as_mut_ptr(), value, to.len().min(Self::LANES)) }
    }

    /// Writes the upper halves of the first `min(LANES, to.len())` lanes, which are all there is to values of eight bits.
    #[inline(always)]
    fn store_high_halves(self, to: &mut [u16], value: Self::Vector) {
        let mut values = [0.0; 16];
        self.store(&mut values, value);
        to.iter_mut().zip(values).take(Self::LANES).for_each(|(to, value)| *to = (value.to_bits() >> 16) as u16);
    }

    /// The first `LANES` values of `from`; where it is shorter, zeros follow.
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::Vector {
        if from.len() >= Self::LANES {
            // SAFETY: just checked.
            unsafe { self.load_pointer(from.as_ptr()) }
        } else {
            // SAFETY: all `from.len() < LANES` values are readable.
            unsafe { self.load_first(from.as_ptr(), from.len()) }
        }
    }

    /// Writes the first `min(LANES, to.len())` lanes.
    #[inline(always)]
    fn store(self, to: &mut [f32], value: Self::Vector) {
        if to.len() >= Self::LANES {
            // SAFETY: just checked.
            unsafe { self.store_pointer(to.as_mut_ptr(), value) }
        } else {
            // SAFETY: all `to.len() < LANES` values are writable.
            unsafe { self.store_first(to.as_mut_ptr(), value, to.len()) }
        }
    }
}

/// Work that is compiled once per instruction set.
pub(crate) trait Kernel {
    type Output;
    /// Must be `#[inline(always)]`, like everything generic over `S` that it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `kernel` with the instructions of `isa`, or the best the processor has where that is weaker.
#[inline]
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa.clamped() {
        // SAFETY: `clamped` never exceeds what the processor has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        _ => kernel.run(Portable),
    }
}

/// Runs `kernel` with AVX-512 and its conversions to bf16.
///
/// # Panics
/// Where the processor has no matrix unit: the conversions are known to be there only beside it.
pub(crate) fn dispatch_rounding<K: Kernel>(kernel: K) -> K::Output {
    assert!(super::bf16::available(), "the processor has no matrix unit");
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
        fn run<K: Kernel>(kernel: K) -> K::Output {
            kernel.run(Avx512::with_rounding())
        }
        // SAFETY: just checked.
        unsafe { run(kernel) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    kernel.run(Portable)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::new())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2::new())
}

/// Asks for the cache line at `at` in the second-level cache. Never faults, whatever the address.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    // SAFETY: a prefetch reads nothing that the program can see, and SSE is part of x86-64.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the cache line at `at` in the first-level cache, to be written soon. Never faults, whatever the address.
#[inline(always)]
pub(crate) fn prefetch_to_write(at: *const f32) {
    // SAFETY: as for `prefetch`; processors without the instruction ignore it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
