//! Activations as they lie in memory: some are kept as halves (`plan/storage.rs` says which), which halves the memory that a pass
//! moves. Products would round them anyway; fused sums and pools read them rounded.

use super::rounding::convert;
use crate::kernels::simd::{Kernel, Simd, dispatch};
use crate::kernels::{Isa, RowsMut};

/// Values to read.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// The bits of values rounded to bf16.
    Bf16(&'a [u16]),
}

/// Values to write.
#[derive(Debug)]
pub enum StoredMut<'a> {
    /// As they are.
    F32(&'a mut [f32]),
    /// The bits of values rounded to bf16.
    Bf16(&'a mut [u16]),
}

/// Rows to write: row `r` starts at `values[r * stride]`.
#[derive(Debug)]
pub struct StoredRowsMut<'a> {
    /// The values, from the first of row 0.
    pub values: StoredMut<'a>,
    /// Values between the starts of two rows.
    pub stride: usize,
}

impl<'a> Stored<'a> {
    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a kernel that reads `f32` alone; none where they are halves, which the plan hands to no such kernel.
    #[must_use]
    pub const fn f32(&self) -> &'a [f32] {
        match self {
            Self::F32(values) => values,
            Self::Bf16(_) => &[],
        }
    }

    /// Values `range`.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::Bf16(values) => Self::Bf16(&values[range]),
        }
    }

    /// Value `index`.
    pub(in crate::kernels) fn at(&self, index: usize) -> f32 {
        match self {
            Self::F32(values) => values[index],
            Self::Bf16(values) => f32::from_bits(u32::from(values[index]) << 16),
        }
    }

    /// Values from `start` on.
    #[must_use]
    pub fn from(&self, start: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[start..]),
            Self::Bf16(values) => Self::Bf16(&values[start..]),
        }
    }

    /// Copies values `start..start + to.len()` as halves.
    pub(crate) fn copy(&self, isa: Isa, start: usize, to: &mut [u16]) {
        match self {
            Self::F32(values) => convert(isa, &values[start..start + to.len()], to),
            Self::Bf16(values) => to.copy_from_slice(&values[start..start + to.len()]),
        }
    }

    /// Copies the values as `f32` to as many.
    pub fn widen_to(&self, to: &mut [f32]) {
        match self {
            Self::F32(values) => to.copy_from_slice(values),
            Self::Bf16(halves) => {
                assert_eq!(halves.len(), to.len(), "values to widen");
                dispatch(Isa::best(), Widen { halves, to });
            }
        }
    }
}

/// Halves as `f32`.
struct Widen<'a> {
    halves: &'a [u16],
    to: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (halves, to) in self.halves.chunks(S::LANES).zip(self.to.chunks_mut(S::LANES)) {
            simd.store(to, simd.load_halves(halves));
        }
    }
}

impl<'a> StoredMut<'a> {
    /// The values of a kernel that writes `f32` alone; none where they are halves, which the plan hands to no such kernel.
    #[must_use]
    pub fn f32(self) -> &'a mut [f32] {
        match self {
            Self::F32(values) => values,
            Self::Bf16(_) => &mut [],
        }
    }
}

impl StoredMut<'_> {
    /// Number of values.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// The same values for a shorter time.
    pub(crate) fn reborrow(&mut self) -> StoredMut<'_> {
        match self {
            Self::F32(values) => StoredMut::F32(values),
            Self::Bf16(values) => StoredMut::Bf16(values),
        }
    }

    /// The same values to read.
    pub(in crate::kernels) fn as_stored(&self) -> Stored<'_> {
        match self {
            Self::F32(values) => Stored::F32(values),
            Self::Bf16(values) => Stored::Bf16(values),
        }
    }
}

impl<'a> StoredRowsMut<'a> {
    /// Rows of `stride` values one after the other.
    #[must_use]
    pub const fn new(values: StoredMut<'a>, stride: usize) -> Self {
        Self { values, stride }
    }

    /// The first rows, and the others.
    pub(in crate::kernels) fn split(self, rows: usize) -> [Self; 2] {
        let (stride, at) = (self.stride, rows * self.stride);
        match self.values {
            StoredMut::F32(values) => {
                let (first, rest) = values.split_at_mut(at);
                [first, rest].map(|values| Self::new(StoredMut::F32(values), stride))
            }
            StoredMut::Bf16(values) => {
                let (first, rest) = values.split_at_mut(at);
                [first, rest].map(|values| Self::new(StoredMut::Bf16(values), stride))
            }
        }
    }

    /// The rows for a shorter time.
    pub(super) fn reborrow(&mut self) -> StoredRowsMut<'_> {
        StoredRowsMut { values: self.values.reborrow(), stride: self.stride }
    }

    /// The rows of a kernel that writes `f32` alone; none where they are halves, which the plan hands to no such kernel.
    pub(in crate::kernels) fn f32(self) -> RowsMut<'a> {
        match self.values {
            StoredMut::F32(values) => RowsMut::new(values, self.stride),
            StoredMut::Bf16(_) => RowsMut::new(&mut [], self.stride),
        }
    }
}

impl<'a, V: AsRef<[f32]> + ?Sized> From<&'a V> for Stored<'a> {
    fn from(values: &'a V) -> Self {
        Self::F32(values.as_ref())
    }
}

impl<'a, V: AsMut<[f32]> + ?Sized> From<&'a mut V> for StoredMut<'a> {
    fn from(values: &'a mut V) -> Self {
        Self::F32(values.as_mut())
    }
}

impl<'a> From<RowsMut<'a>> for StoredRowsMut<'a> {
    fn from(rows: RowsMut<'a>) -> Self {
        Self { values: StoredMut::F32(rows.values), stride: rows.stride }
    }
}
