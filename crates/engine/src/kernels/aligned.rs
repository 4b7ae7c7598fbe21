//! A buffer of `f32` that starts on a cache line, so that no aligned vector load crosses one.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

const LINE: usize = 16;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// `f32` values in memory aligned to 64 bytes; dereferences to a slice.
///
/// ```
/// use heirloom_engine::kernels::AlignedBuffer;
/// let mut buffer = AlignedBuffer::zeroed(5);
/// buffer[4] = 1.0;
/// assert_eq!(buffer.as_ptr() as usize % 64, 0);
/// assert_eq!(&*buffer, [0.0, 0.0, 0.0, 0.0, 1.0]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct AlignedBuffer {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBuffer {
    /// `len` zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)], len }
    }

    /// Makes room for at least `len` values; the values are unspecified afterwards. Never shrinks.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
            self.len = len;
        }
    }

    /// The memory as halves: two for each value.
    pub(crate) fn halves(&self) -> &[u16] {
        // SAFETY: the values are initialised and contiguous, any bits are a `u16`, and its alignment is the lesser.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), 2 * self.len) }
    }

    /// The memory as halves, to write.
    pub(crate) fn halves_mut(&mut self) -> &mut [u16] {
        // SAFETY: as in `halves`, any bits are an `f32`, too, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), 2 * self.len) }
    }
}

impl Deref for AlignedBuffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` initialised, contiguous f32 values (`Line` is `repr(C)` over `[f32; 16]`, size 64).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
