//! Maximum, mean and global mean over space.

use super::{Real, Value};
use crate::kernels::Window;
use crate::{Op, Shape};

/// The window of a pooling operator over `input`.
pub(crate) fn window(op: &Op, input: Shape) -> Option<Window> {
    let Shape::Map { height, width, .. } = input else { return None };
    match op {
        Op::MaxPool { kernel, stride, padding, ceil } | Op::AveragePool { kernel, stride, padding, ceil, .. } => {
            Window::new([height, width], *kernel, *stride, *padding, [1; 2], *ceil)
        }
        _ => None,
    }
}

pub(super) fn shape(op: &Op, input: Shape) -> Result<Shape, String> {
    let Shape::Map { height, width, channels } = input else {
        return Err(format!("pooling over space needs a map, found {input}"));
    };
    if matches!(op, Op::GlobalAveragePool) {
        return Ok(Shape::Map { height: 1, width: 1, channels });
    }
    let window =
        window(op, input).ok_or_else(|| format!("its window does not fit a map of {height}x{width} pixels"))?;
    if (0..2).any(|axis| window.before[axis] >= window.kernel[axis]) {
        return Err("padding as wide as the window".into());
    }
    Ok(Shape::Map { height: window.output[0], width: window.output[1], channels })
}

pub(super) fn forward<T: Real>(op: &Op, input: Value<'_, T>, output: Shape) -> Vec<T> {
    let Shape::Map { height, width, channels } = input.shape else { return Vec::new() };
    if matches!(op, Op::GlobalAveragePool) {
        return global(input.values, height * width, channels);
    }
    let Some(window) = window(op, input.shape) else { return Vec::new() };
    let mut result = Vec::with_capacity(output.len());
    for y in 0..window.output[0] {
        for x in 0..window.output[1] {
            let (rows, columns) = (span(&window, 0, y, height), span(&window, 1, x, width));
            for channel in 0..channels {
                let value = |row: usize, column: usize| input.values[(row * width + column) * channels + channel];
                let all = rows.clone().flat_map(|row| columns.clone().map(move |column| (row, column)));
                result.push(match op {
                    Op::MaxPool { .. } => largest(all.map(|(row, column)| value(row, column))),
                    _ => {
                        let divisor = divisor(op, &window, [y, x], [height, width], [rows.len(), columns.len()]);
                        all.map(|(row, column)| value(row, column)).sum::<T>() / T::from_f64(divisor as f64)
                    }
                });
            }
        }
    }
    result
}

/// The real (not padded) pixels under the window at output `at` of one axis.
fn span(window: &Window, axis: usize, at: usize, side: usize) -> std::ops::Range<usize> {
    let start = at * window.stride[axis];
    let end = (start + window.kernel[axis]).saturating_sub(window.before[axis]).min(side);
    start.saturating_sub(window.before[axis]).min(end)..end
}

/// Pixels counted by an average: those under the window, with padding when asked for (never past the padded map).
fn divisor(op: &Op, window: &Window, at: [usize; 2], sides: [usize; 2], real: [usize; 2]) -> usize {
    let Op::AveragePool { count_padding: true, .. } = op else { return (real[0] * real[1]).max(1) };
    let along = |axis: usize| {
        let start = at[axis] * window.stride[axis];
        let end = (start + window.kernel[axis]).min(sides[axis] + window.before[axis] + window.after[axis]);
        end - start
    };
    along(0) * along(1)
}

fn largest<T: Real>(values: impl Iterator<Item = T>) -> T {
    values.reduce(|a, b| if b > a { b } else { a }).unwrap_or_default()
}

fn global<T: Real>(values: &[T], positions: usize, channels: usize) -> Vec<T> {
    let count = T::from_f64(positions as f64);
    (0..channels).map(|c| values.iter().skip(c).step_by(channels).copied().sum::<T>() / count).collect()
}

/// The tangent of a maximum: that of the first largest pixel of each window.
pub(super) fn tangent<T: Real>(op: &Op, input: Value<'_, T>, tangent: Value<'_, T>, output: Shape) -> Vec<T> {
    let Shape::Map { height, width, channels } = input.shape else { return Vec::new() };
    let Some(window) = window(op, input.shape) else { return Vec::new() };
    let mut result = Vec::with_capacity(output.len());
    for position in 0..window.output[0] * window.output[1] {
        let (y, x) = (position / window.output[1], position % window.output[1]);
        let (rows, columns) = (span(&window, 0, y, height), span(&window, 1, x, width));
        for channel in 0..channels {
            let value = |pixel: usize| input.values[pixel + channel];
            let all = rows.clone().flat_map(|row| columns.clone().map(move |column| (row * width + column) * channels));
            let largest = all.reduce(|a, b| if value(b) > value(a) { b } else { a });
            result.push(largest.map_or_else(T::zero, |pixel| tangent.values[pixel + channel]));
        }
    }
    result
}

/// The gradient of the input: to the first largest pixel of each window, or shared by the pixels of the mean.
pub(super) fn backward<T: Real>(op: &Op, input: Value<'_, T>, gradient: Value<'_, T>) -> Vec<T> {
    let mut result = vec![T::zero(); input.values.len()];
    let Shape::Map { height, width, channels } = input.shape else { return result };
    if matches!(op, Op::GlobalAveragePool) {
        let count = T::from_f64((height * width) as f64);
        result.iter_mut().enumerate().for_each(|(i, x)| *x = gradient.values[i % channels] / count);
        return result;
    }
    let Some(window) = window(op, input.shape) else { return result };
    for (position, dy) in gradient.values.chunks_exact(channels).enumerate() {
        let (y, x) = (position / window.output[1], position % window.output[1]);
        let (rows, columns) = (span(&window, 0, y, height), span(&window, 1, x, width));
        let all = || rows.clone().flat_map(|row| columns.clone().map(move |column| (row * width + column) * channels));
        let count = T::from_f64(divisor(op, &window, [y, x], [height, width], [rows.len(), columns.len()]) as f64);
        for (channel, &g) in dy.iter().enumerate() {
            let value = |pixel: usize| input.values[pixel + channel];
            if matches!(op, Op::MaxPool { .. }) {
                if let Some(pixel) = all().reduce(|a, b| if value(b) > value(a) { b } else { a }) {
                    result[pixel + channel] = result[pixel + channel] + g;
                }
            } else {
                all().for_each(|pixel| result[pixel + channel] = result[pixel + channel] + g / count);
            }
        }
    }
    result
}
