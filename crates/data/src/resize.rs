//! Antialiased resampling with Pillow's results: one direction to eight bits, then the other, weights by the filter
//! stretched to the scale. Only the rows and columns that the crop needs are computed, with the weights of the whole
//! resize: each value stays within 1/255 of cropping the whole resized image.

use heirloom_resample::{F32x3, FilterType, Pass, ResizeAlg, ResizeOptions};

use crate::preprocess::{Interpolation, PreprocessError};
use crate::{Image, Preprocess};

/// One dimension of a resize: `full` pixels become `resized`, of which `length` from `start` on are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    pub full: usize,
    pub resized: usize,
    pub start: usize,
    pub length: usize,
}

/// Source pixels of one dimension: `[first, last)` are kept of `full`, and the wanted part is stretched over `length`
/// pixels from `start` on, counted from `first`.
#[derive(Debug, Clone, Copy)]
struct Part {
    first: usize,
    last: usize,
    start: f64,
    length: f64,
}

impl Axis {
    fn scale(self) -> f64 {
        self.full as f64 / self.resized as f64
    }

    /// The source pixels that any wanted pixel reads, with one to spare.
    fn part(self, filter: Interpolation) -> Part {
        let (start, length) = match self.resized == self.length {
            true => (0.0, self.full as f64),
            false => (self.start as f64 * self.scale(), self.length as f64 * self.scale()),
        };
        let reach = filter.support() * self.scale().max(1.0) + 1.0;
        let first = (start - reach).floor().max(0.0) as usize;
        let last = ((start + length + reach).ceil() as usize).min(self.full);
        Part { first, last, start: start - first as f64, length }
    }
}

/// Resizes images one after another, keeping its buffers. One per thread.
#[derive(Debug, Default)]
pub struct Resampler {
    pass: Pass,
    /// Result of the first pass.
    between: Vec<u8>,
    /// Source and result of a first pass in floating point.
    precise: [Vec<F32x3>; 2],
}

impl Resampler {
    /// A resampler with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Resizes the whole image to `width` x `height` pixels, `out: [height, width, 3]`.
    ///
    /// # Errors
    /// A wrong length of `out`, or a side of 0 pixels.
    pub fn resize(
        &mut self,
        image: &Image,
        width: usize,
        height: usize,
        filter: Interpolation,
        out: &mut [u8],
    ) -> Result<(), PreprocessError> {
        let axis = |full, resized| Axis { full, resized, start: 0, length: resized };
        self.run(image, axis(image.width(), width), axis(image.height(), height), filter, out)
    }

    pub(crate) fn run(
        &mut self,
        image: &Image,
        across: Axis,
        down: Axis,
        filter: Interpolation,
        out: &mut [u8],
    ) -> Result<(), PreprocessError> {
        let expected = across.length * down.length * 3;
        if out.len() != expected {
            return Err(PreprocessError::OutputLength { expected, got: out.len() });
        }
        if expected == 0 || image.pixels().is_empty() {
            return Err(PreprocessError::EmptySide);
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter.filter())).use_alpha(false);
        let (columns, rows) = (across.part(filter), down.part(filter));
        // Pillow (since 13) goes down first where the height shrinks by more than twice what the width does.
        let down_first = down.full > down.resized
            && (down.full - down.resized) as i64 > 2 * (across.full as i64 - across.resized as i64);
        let (kept_columns, kept_rows) = (columns.last - columns.first, rows.last - rows.first);
        let (between_size, first, second) = if down_first {
            let first =
                options.crop(columns.first as f64, rows.first as f64 + rows.start, kept_columns as f64, rows.length);
            ((kept_columns, down.length), first, options.crop(columns.start, 0.0, columns.length, down.length as f64))
        } else {
            let first =
                options.crop(columns.first as f64 + columns.start, rows.first as f64, columns.length, kept_rows as f64);
            ((across.length, kept_rows), first, options.crop(0.0, rows.start, across.length as f64, rows.length))
        };
        let last_axis = if down_first { across } else { down };
        if filter == Interpolation::Bicubic && last_axis.scale() < 2.0 {
            self.first_pass_precise(image, between_size, &first)?;
        } else {
            self.between.resize(between_size.0 * between_size.1 * 3, 0);
            let size = (image.width(), image.height());
            self.pass
                .bytes(image.pixels(), size, &mut self.between, between_size, &first)
                .map_err(PreprocessError::Resize)?;
        }
        let size = (across.length, down.length);
        self.pass.bytes(&self.between, between_size, out, size, &second).map_err(PreprocessError::Resize)
    }

    /// The first pass in floating point, rounded to eight bits. Eight-bit passes have 16-bit weights, and a bicubic second
    /// pass over few pixels would enlarge what they lose.
    fn first_pass_precise(
        &mut self,
        image: &Image,
        size: (usize, usize),
        options: &ResizeOptions,
    ) -> Result<(), PreprocessError> {
        let [from, to] = &mut self.precise;
        from.clear();
        from.extend(
            image.pixels().chunks_exact(3).map(|pixel| F32x3::new([pixel[0], pixel[1], pixel[2]].map(f32::from))),
        );
        to.resize(size.0 * size.1, F32x3::new([0.0; 3]));
        let full = (image.width(), image.height());
        self.pass.floats(from, full, to, size, options).map_err(PreprocessError::Resize)?;
        self.between.clear();
        self.between.extend(to.iter().flat_map(|pixel| pixel.0.map(|value| (value + 0.5) as u8)));
        Ok(())
    }
}

impl Interpolation {
    /// Half the width of the filter, in output pixels when shrinking and source pixels when enlarging.
    fn support(self) -> f64 {
        match self {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    fn filter(self) -> FilterType {
        match self {
            Interpolation::Bilinear => FilterType::Bilinear,
            Interpolation::Bicubic => FilterType::CatmullRom,
        }
    }
}

impl Preprocess {
    /// Resizes and crops one decoded image to the network's input, `out: [height, width, 3]`, eight bits a channel; the
    /// graph's first node applies mean and standard deviation. Uses `resampler`'s buffers.
    ///
    /// # Errors
    /// Settings that [`Preprocess::check`] refuses, or a wrong length of `out`.
    pub fn apply_with(&self, resampler: &mut Resampler, image: &Image, out: &mut [u8]) -> Result<(), PreprocessError> {
        self.check()?;
        let (across, down) = self.axes(image.width(), image.height())?;
        resampler.run(image, across, down, self.interpolation, out)
    }

    /// As [`Preprocess::apply_with`] with buffers of its own: for one image, not for thousands.
    ///
    /// # Errors
    /// As [`Preprocess::apply_with`].
    pub fn apply(&self, image: &Image, out: &mut [u8]) -> Result<(), PreprocessError> {
        self.apply_with(&mut Resampler::new(), image, out)
    }
}
