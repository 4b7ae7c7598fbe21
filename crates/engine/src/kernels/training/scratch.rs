//! Memory that the kernels of training work in, kept from step to step.

use std::sync::{Mutex, PoisonError};

use super::convolution_weight_tile::Step;
use crate::kernels::{AlignedBuffer, Scratch};

/// Working memory of the kernels of training; grows to what they need and is reused from call to call.
#[derive(Debug, Default)]
pub struct TrainingScratch {
    workers: Mutex<Vec<Worker>>,
    /// Partial sums of a weight gradient.
    pub(in crate::kernels) sums: AlignedBuffer,
    /// Rounded copies of operands.
    pub(in crate::kernels) rounded: [AlignedBuffer; 2],
    /// Which pixels a weight gradient multiplies.
    pub(super) steps: Vec<Step>,
}

/// What one task needs for itself.
#[derive(Debug, Default)]
pub(in crate::kernels) struct Worker {
    pub kernels: Scratch,
    pub values: AlignedBuffer,
    /// Operands in the order that tiles take.
    pub copies: [AlignedBuffer; 3],
}

impl TrainingScratch {
    /// Lends memory to a task. What it holds is unspecified.
    pub(in crate::kernels) fn lend<T>(&self, task: impl FnOnce(&mut Worker) -> T) -> T {
        let free = || self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worker = free().pop().unwrap_or_default();
        let result = task(&mut worker);
        free().push(worker);
        result
    }
}

/// A pointer to values of which every task writes its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared(pub *mut f32);

#[allow(unsafe_code)]
mod threads {
    // SAFETY: the pointer alone does nothing; whoever writes through it promises that no other task touches the same values.
    unsafe impl Send for super::Shared {}
    // SAFETY: as above.
    unsafe impl Sync for super::Shared {}
}

impl Shared {
    /// The pointer, `offset` values further. (A method, so that closures capture the whole.)
    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}
