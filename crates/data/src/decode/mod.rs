//! Encoded bytes to pixels. The format is found by content, sizes are bounded before anything is allocated, and whatever
//! a decoder does with hostile bytes ends in a [`Problem`].
//!
//! The pixels are those of Pillow's `ImageOps.exif_transpose(Image.open(file)).convert("RGB")`: alpha and palette
//! transparency are dropped (the colour below them stays), grey is repeated, CMYK is multiplied out, 16-bit channels keep
//! their high byte (also 16-bit grey, which Pillow would clip at 255), the first frame of an animation is taken, the EXIF
//! orientation is applied and colour profiles are not.

mod footprint;
mod jpeg;
mod raster;
mod sniff;

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;

pub use footprint::decoding_bytes;
pub use sniff::Format;

use crate::{Image, Problem};

/// Bounds on one image, checked before memory is taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels (width x height) of the decoded image.
    pub pixels: u64,
    /// Encoded bytes.
    pub encoded_bytes: u64,
}

impl Default for Limits {
    /// 64 million pixels (192 MB of RGB) and 128 MiB of encoded bytes.
    fn default() -> Self {
        Self { pixels: 64_000_000, encoded_bytes: 128 << 20 }
    }
}

impl Limits {
    fn check_pixels(&self, width: usize, height: usize) -> Result<(), Problem> {
        let pixels = (width as u64).saturating_mul(height as u64);
        if pixels > self.pixels {
            return Err(Problem::TooManyPixels { width, height, limit: self.pixels });
        }
        Ok(())
    }

    /// Refuses an encoded size above the limit.
    pub fn check_bytes(&self, bytes: u64) -> Result<(), Problem> {
        if bytes > self.encoded_bytes {
            return Err(Problem::TooManyBytes { bytes, limit: self.encoded_bytes });
        }
        Ok(())
    }
}

/// Decodes one image within the default [`Limits`].
///
/// ```
/// let problem = heirloom_data::decode(b"hello, world").unwrap_err();
/// assert_eq!(problem.to_string(), "not an image (begins with 68 65 6c 6c 6f 2c 20 77)");
/// ```
///
/// # Errors
/// See [`Problem`].
pub fn decode(bytes: &[u8]) -> Result<Image, Problem> {
    let mut image = Image::default();
    Decoder::default().decode_into(bytes, &mut image)?;
    Ok(image)
}

/// Decodes images one after another, keeping its buffers. One per thread.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// What a decoder wrote before it is brought to RGB.
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder with its own limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, scratch: Vec::new() }
    }

    /// Decodes `bytes` into `image`, whose buffer is used again. After an error `image` holds nothing of use.
    ///
    /// # Errors
    /// See [`Problem`].
    pub fn decode_into(&mut self, bytes: &[u8], image: &mut Image) -> Result<Format, Problem> {
        self.limits.check_bytes(bytes.len() as u64)?;
        let format = recognise(bytes)?;
        // A third-party decoder that panics on hostile bytes is a broken image, not the end of the run.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.decode_as(format, bytes, image)));
        let orientation = outcome
            .unwrap_or_else(|_| Err(Problem::Broken { format, reason: "the decoder gave up on it".to_owned() }))?;
        orient(image, orientation);
        Ok(format)
    }

    fn decode_as(&mut self, format: Format, bytes: &[u8], image: &mut Image) -> Result<Orientation, Problem> {
        match format {
            Format::Jpeg => jpeg::decode_into(bytes, &self.limits, image),
            other => raster::decode_into(other, bytes, &self.limits, &mut self.scratch, image),
        }
    }
}

/// The format of `bytes`, if it is one that is read.
///
/// # Errors
/// Empty, unknown or unsupported content.
pub fn recognise(bytes: &[u8]) -> Result<Format, Problem> {
    if bytes.is_empty() {
        return Err(Problem::Empty);
    }
    match Format::of(bytes) {
        None => Err(Problem::NotAnImage { start: hexadecimal(bytes) }),
        Some(format) if !format.is_read() => Err(Problem::Unsupported { format }),
        Some(format) => Ok(format),
    }
}

/// Width and height in pixels as stored (before the orientation is applied), from the header alone.
///
/// # Errors
/// As [`decode`], as far as the header tells.
pub fn stored_size(bytes: &[u8]) -> Result<(usize, usize), Problem> {
    let format = recognise(bytes)?;
    let read = || match format {
        Format::Jpeg => jpeg::stored_size(bytes),
        other => raster::stored_size(other, bytes),
    };
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Problem::Broken { format, reason: "the decoder gave up on it".to_owned() }))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Turns and mirrors the pixels as the EXIF orientation says.
fn orient(image: &mut Image, orientation: Orientation) {
    if orientation == Orientation::NoTransforms {
        return;
    }
    let (width, height) = (image.width(), image.height());
    let Some(buffer) = image::RgbImage::from_raw(width as u32, height as u32, image.take_pixels()) else { return };
    let mut turned = image::DynamicImage::ImageRgb8(buffer);
    turned.apply_orientation(orientation);
    let (width, height) = (turned.width() as usize, turned.height() as usize);
    if let Some(done) = Image::from_pixels(width, height, turned.into_rgb8().into_raw()) {
        *image = done;
    }
}
