//! One resampling pass over interleaved RGB pixels.
//!
//! The passes are generic code of the resize library and take longer to compile than the whole data crate; here they are
//! compiled once, and again only when the library changes.

use fast_image_resize::images::{TypedImage as Target, TypedImageRef as Source};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{PixelTrait, Resizer};

pub use fast_image_resize::pixels::F32x3;
pub use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

/// Runs passes one after another and keeps the library's buffers. One per thread.
#[derive(Debug, Default)]
pub struct Pass {
    resizer: Resizer,
}

impl Pass {
    /// Eight-bit pixels `[height, width, 3]`; sizes are `(width, height)`.
    ///
    /// # Errors
    /// The library's message, when a buffer or the crop in `options` does not fit its size.
    pub fn bytes(
        &mut self,
        from: &[u8],
        from_size: (usize, usize),
        to: &mut [u8],
        to_size: (usize, usize),
        options: &ResizeOptions,
    ) -> Result<(), String> {
        let [from_width, from_height, to_width, to_height] = sides(from_size, to_size)?;
        let source = Source::<U8x3>::from_buffer(from_width, from_height, from).map_err(message)?;
        let mut target = Target::<U8x3>::from_buffer(to_width, to_height, to).map_err(message)?;
        self.run(&source, &mut target, options)
    }

    /// The same in floating point.
    ///
    /// # Errors
    /// As [`Pass::bytes`].
    pub fn floats(
        &mut self,
        from: &[F32x3],
        from_size: (usize, usize),
        to: &mut [F32x3],
        to_size: (usize, usize),
        options: &ResizeOptions,
    ) -> Result<(), String> {
        let [from_width, from_height, to_width, to_height] = sides(from_size, to_size)?;
        let source = Source::new(from_width, from_height, from).map_err(message)?;
        let mut target = Target::from_pixels_slice(to_width, to_height, to).map_err(message)?;
        self.run(&source, &mut target, options)
    }

    fn run<P: PixelTrait>(
        &mut self,
        source: &Source<'_, P>,
        target: &mut Target<'_, P>,
        options: &ResizeOptions,
    ) -> Result<(), String> {
        self.resizer.resize_typed(source, target, options).map_err(message)
    }
}

fn sides(from: (usize, usize), to: (usize, usize)) -> Result<[u32; 4], String> {
    let side = |length: usize| u32::try_from(length).map_err(|_| format!("a side of {length} pixels"));
    Ok([side(from.0)?, side(from.1)?, side(to.0)?, side(to.1)?])
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
