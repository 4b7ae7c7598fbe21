//! 64-byte aligned buffers for activations, taken out while a step writes them.

use bytemuck::{Pod, Zeroable};

/// One cache line of values.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// An aligned vector of `f32` that only grows.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// The first `length` values; grows as needed. What was there before may remain.
    pub fn values_mut(&mut self, length: usize) -> &mut [f32] {
        let lines = length.div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..length]
    }

    /// The first `length` values, or fewer where fewer were ever asked for.
    pub fn values(&self, length: usize) -> &[f32] {
        let all: &[f32] = bytemuck::cast_slice(&self.lines);
        &all[..length.min(all.len())]
    }
}
