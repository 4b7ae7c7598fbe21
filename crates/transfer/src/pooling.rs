//! Pooling of a tap to a target width: which positions are averaged together, and the kernel that does it.
//!
//! This module owns the pooling rule of Head2Toe (Evci et al. 2022, `spec/head2toe.md` section 2.2). A [`Pooling`] is what was
//! asked for; [`Windows`] is what that means for one tap shape. Two requests with equal windows give equal values, so the
//! store keys blocks by windows.

use heirloom_engine::Shape;
use heirloom_engine::kernels::Stored;
use serde::{Deserialize, Serialize};

use crate::{ClassTokenMode, Pooling};

/// What is averaged: the effect of a [`Pooling`] on one tap shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Windows {
    /// Nothing: a vector is taken as it is.
    Whole,
    /// The mean over all positions of a map, or over all tokens.
    Mean,
    /// Means of non-overlapping windows of a map; rows and columns of pixels that fill no window are left out.
    Map {
        /// Rows of pixels in a window.
        height: usize,
        /// Columns of pixels in a window.
        width: usize,
    },
    /// Means of runs of consecutive tokens; the tokens that fill no run are left out.
    Tokens {
        /// Tokens in a run.
        length: usize,
    },
    /// The class token alone.
    ClassToken,
    /// The class token, then the mean over the other tokens.
    ClassTokenAndMean,
    /// The class token, then means of runs of the other tokens.
    ClassTokenAndTokens {
        /// Tokens in a run.
        length: usize,
    },
}

/// Values that do not fit the shape or the width they were declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pooling a tap of shape {shape}: {what} holds {found} values, expected {expected}")]
pub struct PoolingError {
    /// Shape of the tap.
    pub shape: Shape,
    /// Which slice does not fit.
    pub what: &'static str,
    /// Values it must hold.
    pub expected: usize,
    /// Values it holds.
    pub found: usize,
}

/// Columns that `pooling` gives for a tap of `shape`.
///
/// ```
/// use heirloom_engine::Shape;
/// use heirloom_transfer::{Pooling, pooled_width};
///
/// let map = Shape::Map { height: 60, width: 60, channels: 64 };
/// assert_eq!(pooled_width(map, Pooling::to(512)), 256); // 2 x 2 windows of 30 x 30 pixels
/// assert_eq!(pooled_width(map, Pooling::to(1)), 64); // the mean over all pixels
/// ```
#[must_use]
pub fn pooled_width(shape: Shape, pooling: Pooling) -> usize {
    Windows::new(shape, pooling).width(shape)
}

impl Windows {
    /// The windows of a tap of `shape` under `pooling`.
    ///
    /// The rule for maps is stated for square ones. A map with unequal sides gets `n = floor(sqrt(T div c))` windows a side as
    /// well, each `height div n` by `width div n` pixels; where either is zero the map falls back to its mean, as a square one
    /// does.
    #[must_use]
    pub fn new(shape: Shape, pooling: Pooling) -> Self {
        let Pooling { target, class_token } = pooling;
        match (shape, class_token) {
            (Shape::Vector { .. }, _) => Self::Whole,
            (Shape::Map { height, width, channels }, _) => Self::of_map(height, width, channels, target),
            (Shape::Tokens { .. }, ClassTokenMode::Only) => Self::ClassToken,
            (Shape::Tokens { tokens, channels }, ClassTokenMode::Normal) => {
                match run_length(tokens, channels, target) {
                    Some(length) => Self::Tokens { length },
                    None => Self::Mean,
                }
            }
            (Shape::Tokens { tokens: 0 | 1, .. }, ClassTokenMode::Apart) => Self::ClassToken,
            (Shape::Tokens { tokens, channels }, ClassTokenMode::Apart) => {
                match run_length(tokens - 1, channels, target) {
                    Some(length) => Self::ClassTokenAndTokens { length },
                    None => Self::ClassTokenAndMean,
                }
            }
        }
    }

    fn of_map(height: usize, width: usize, channels: usize, target: usize) -> Self {
        if channels >= target {
            return Self::Mean;
        }
        let side = (target / channels.max(1)).isqrt();
        match (height / side, width / side) {
            (0, _) | (_, 0) => Self::Mean,
            (height, width) => Self::Map { height, width },
        }
    }

    /// Columns that these windows give for a tap of `shape`.
    #[must_use]
    pub fn width(self, shape: Shape) -> usize {
        let [leading, tiles] = self.parts(shape);
        leading.outputs().saturating_add(tiles.outputs())
    }

    /// The short name used in file names and messages: `whole`, `mean`, `window-30x30`, `run-18`, `class`, `class+mean`,
    /// `class+run-18`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Whole => "whole".into(),
            Self::Mean => "mean".into(),
            Self::Map { height, width } => format!("window-{height}x{width}"),
            Self::Tokens { length } => format!("run-{length}"),
            Self::ClassToken => "class".into(),
            Self::ClassTokenAndMean => "class+mean".into(),
            Self::ClassTokenAndTokens { length } => format!("class+run-{length}"),
        }
    }

    /// The leading positions taken whole, and the tiling of the rest; either may give no output.
    fn parts(self, shape: Shape) -> [Tiles; 2] {
        let [rows, columns] = match shape {
            Shape::Map { height, width, .. } => [height, width],
            Shape::Tokens { tokens, .. } => [1, tokens],
            Shape::Vector { .. } => [1, 1],
        };
        let channels = shape.channels();
        let tile = |first, columns, window| Tiles { first, rows, columns, channels, window };
        let none = tile(0, 0, [1, 1]);
        let class = tile(0, columns.min(1), [1, 1]);
        let rest = columns.saturating_sub(1);
        match self {
            Self::Whole => [none, tile(0, columns, [1, 1])],
            Self::Mean => [none, tile(0, columns, [rows.max(1), columns.max(1)])],
            Self::Map { height, width } => [none, tile(0, columns, [height, width])],
            Self::Tokens { length } => [none, tile(0, columns, [1, length])],
            Self::ClassToken => [class, none],
            Self::ClassTokenAndMean => [class, tile(1, rest, [1, rest.max(1)])],
            Self::ClassTokenAndTokens { length } => [class, tile(1, rest, [1, length])],
        }
    }
}

/// Tokens in a run: `floor(t / (T / c))` with real division inside; `None` stands for the mean over all tokens.
fn run_length(tokens: usize, channels: usize, target: usize) -> Option<usize> {
    if channels >= target {
        return None;
    }
    let length = (tokens as f64 / (target as f64 / channels as f64)) as usize;
    (length > 0).then_some(length)
}

/// A tiling of a grid of positions `[rows, columns]` by windows, starting at position `first` of a row.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    first: usize,
    rows: usize,
    columns: usize,
    channels: usize,
    window: [usize; 2],
}

impl Tiles {
    /// Windows `[down, across]`.
    fn counts(self) -> [usize; 2] {
        [self.rows / self.window[0].max(1), self.columns / self.window[1].max(1)]
    }

    fn outputs(self) -> usize {
        let [down, across] = self.counts();
        down.saturating_mul(across).saturating_mul(self.channels)
    }

    /// Adds row `y` of positions (`[positions, channels]`) to the windows it belongs to; `out` is `[down, across, channels]`.
    fn add_row(self, y: usize, row: &[f32], out: &mut [f32]) {
        let [down, across] = self.counts();
        let (top, channels) = (y / self.window[0].max(1), self.channels);
        if top >= down || channels == 0 {
            return;
        }
        let inputs = row.chunks_exact(self.window[1] * channels);
        let outputs = out.chunks_exact_mut(channels).skip(top * across).take(across);
        for (window, sums) in inputs.zip(outputs) {
            add_positions(window, sums);
        }
    }

    /// Adds the share of row `y` of positions (`[positions, channels]`) in the gradients of its windows, `[down, across, channels]`.
    fn spread_row(self, y: usize, gradient: &[f32], row: &mut [f32]) {
        let [down, across] = self.counts();
        let (top, channels) = (y / self.window[0].max(1), self.channels);
        if top >= down || channels == 0 {
            return;
        }
        let share = 1.0 / (self.window[0] * self.window[1]) as f32;
        let windows = row.chunks_exact_mut(self.window[1] * channels);
        for (window, gradient) in windows.zip(gradient.chunks_exact(channels).skip(top * across).take(across)) {
            for position in window.chunks_exact_mut(channels) {
                position.iter_mut().zip(gradient).for_each(|(value, gradient)| *value += share * gradient);
            }
        }
    }

    /// Turns the sums of a window into means.
    fn divide(self, out: &mut [f32]) {
        let positions = (self.window[0] * self.window[1]) as f32;
        if positions > 1.0 {
            out.iter_mut().for_each(|sum| *sum /= positions);
        }
    }
}

/// `sums[ch] += sum over positions of window[position, ch]`, for every channel in the order of the positions.
fn add_positions(window: &[f32], sums: &mut [f32]) {
    let channels = sums.len();
    let mut done = add_strips::<32>(window, channels, 0, sums);
    done = add_strips::<8>(window, channels, done, sums);
    add_strips::<1>(window, channels, done, sums);
}

/// As [`add_positions`], from channel `first` on in strips of `N` channels, whose partial sums stay in registers while the
/// positions go by; gives the first channel that fills no strip.
fn add_strips<const N: usize>(window: &[f32], channels: usize, first: usize, sums: &mut [f32]) -> usize {
    let (strips, _) = sums[first..].as_chunks_mut::<N>();
    let count = strips.len();
    for (strip, sums) in strips.iter_mut().enumerate() {
        let mut partial = [0.0_f32; N];
        let start = first + strip * N;
        for position in window.chunks_exact(channels) {
            if let Some(values) = position.get(start..start + N).and_then(|values| values.first_chunk::<N>()) {
                partial.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
    }
    first + count * N
}

/// Pools one image's tap into several rows in one pass: `out[k]` receives the columns of `windows[k]`.
///
/// Values of a map are flattened row-major with the channel fastest, `(y * across + x) * channels + channel`; token runs one
/// after the other.
///
/// # Errors
/// When `values` is not of `shape`, or an output has another width than its windows give.
pub fn pool_into<'v>(
    shape: Shape,
    values: impl Into<Stored<'v>>,
    windows: &[Windows],
    out: &mut [&mut [f32]],
) -> Result<(), PoolingError> {
    let values = values.into();
    check(shape, "the tap", shape.len(), values.len())?;
    check(shape, "the list of outputs", windows.len(), out.len())?;
    for (windows, out) in windows.iter().zip(&mut *out) {
        check(shape, "the output", windows.width(shape), out.len())?;
        out.fill(0.0);
    }
    let rows = if let Shape::Map { height, .. } = shape { height } else { 1 };
    let row_length = (shape.len() / rows.max(1)).max(1);
    let mut widened = vec![0.0; if let Stored::Bf16(_) = values { row_length } else { 0 }];
    for y in 0..values.len() / row_length {
        // A row at a time stays in the cache.
        let row = match values.part(y * row_length..(y + 1) * row_length) {
            Stored::F32(row) => row,
            halves @ Stored::Bf16(_) => {
                halves.widen_to(&mut widened);
                &widened
            }
        };
        for (windows, out) in windows.iter().zip(&mut *out) {
            each_part(*windows, shape, out, |tiles, out| {
                tiles.add_row(y, row.get(tiles.first * tiles.channels..).unwrap_or_default(), out);
            });
        }
    }
    for (windows, out) in windows.iter().zip(&mut *out) {
        each_part(*windows, shape, out, Tiles::divide);
    }
    Ok(())
}

/// The gradient of what [`pool_into`] reads from that of what it gives, for one image and one pooling: each window's is shared out evenly
/// over its positions and added to `out`, which is of `shape`.
pub(crate) fn spread_into(
    shape: Shape,
    windows: Windows,
    gradient: &[f32],
    out: &mut [f32],
) -> Result<(), PoolingError> {
    check(shape, "the tap", shape.len(), out.len())?;
    check(shape, "the gradient", windows.width(shape), gradient.len())?;
    let rows = if let Shape::Map { height, .. } = shape { height } else { 1 };
    let row_length = (shape.len() / rows.max(1)).max(1);
    let [leading, rest] = windows.parts(shape);
    let (first, second) = gradient.split_at(leading.outputs().min(gradient.len()));
    for (y, row) in out.chunks_exact_mut(row_length).enumerate() {
        for (tiles, gradient) in [(leading, first), (rest, second)] {
            tiles.spread_row(y, gradient, row.get_mut(tiles.first * tiles.channels..).unwrap_or_default());
        }
    }
    Ok(())
}

fn each_part(windows: Windows, shape: Shape, out: &mut [f32], mut work: impl FnMut(Tiles, &mut [f32])) {
    let [leading, rest] = windows.parts(shape);
    let (first, second) = out.split_at_mut(leading.outputs().min(out.len()));
    work(leading, first);
    work(rest, second);
}

fn check(shape: Shape, what: &'static str, expected: usize, found: usize) -> Result<(), PoolingError> {
    if expected == found { Ok(()) } else { Err(PoolingError { shape, what, expected, found }) }
}

#[cfg(test)]
mod tests;
