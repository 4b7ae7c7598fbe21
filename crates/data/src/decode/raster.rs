//! PNG, WebP and BMP through the `image` crate, brought to eight-bit RGB.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageResult};

use super::{Format, Limits};
use crate::{Image, Problem};

/// Memory that a decoder may take for itself besides the pixels, in bytes.
const WORKING_MEMORY: u64 = 64 << 20;

pub(super) fn decode_into(
    format: Format,
    bytes: &[u8],
    limits: &Limits,
    scratch: &mut Vec<u8>,
    image: &mut Image,
) -> Result<Orientation, Problem> {
    let mut decoder = open(format, bytes, limits).map_err(|error| problem(format, error))?;
    let (width, height) = size(format, decoder.as_ref())?;
    limits.check_pixels(width, height)?;
    // The decoder's own failure to read metadata is not a reason to refuse the pixels: Pillow ignores broken EXIF too.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    let length = width * height * usize::from(color.bytes_per_pixel());
    let pixels = image.reshape(width, height);
    if color == ColorType::Rgb8 {
        decoder.read_image_boxed(pixels).map_err(|error| problem(format, error))?;
    } else {
        scratch.resize(length, 0);
        decoder.read_image_boxed(scratch).map_err(|error| problem(format, error))?;
        to_rgb(color, scratch, pixels)
            .ok_or_else(|| Problem::Broken { format, reason: format!("its pixels are {color:?}") })?;
    }
    Ok(orientation)
}

pub(super) fn stored_size(format: Format, bytes: &[u8]) -> Result<(usize, usize), Problem> {
    let decoder = open(format, bytes, &Limits::default()).map_err(|error| problem(format, error))?;
    size(format, decoder.as_ref())
}

/// The orientation in the header.
pub(super) fn orientation(format: Format, bytes: &[u8]) -> Orientation {
    let opened = open(format, bytes, &Limits::default()).ok();
    opened.and_then(|mut decoder| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms)
}

/// Bytes of a pixel as the decoder gives it; `None` when the header cannot be read.
pub(super) fn bytes_per_pixel(format: Format, bytes: &[u8]) -> Option<u64> {
    open(format, bytes, &Limits::default()).ok().map(|decoder| u64::from(decoder.color_type().bytes_per_pixel()))
}

fn open<'a>(format: Format, bytes: &'a [u8], limits: &Limits) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    let mut bounds = image::Limits::no_limits();
    bounds.max_alloc = Some(limits.pixels.saturating_mul(8).saturating_add(WORKING_MEMORY));
    let source = Cursor::new(bytes);
    Ok(match format {
        Format::Png => Box::new(PngDecoder::with_limits(source, bounds)?),
        Format::WebP => Box::new(WebPDecoder::new(source)?),
        _ => Box::new(BmpDecoder::new(source)?),
    })
}

fn size(format: Format, decoder: &dyn ImageDecoder) -> Result<(usize, usize), Problem> {
    match decoder.dimensions() {
        (0, _) | (_, 0) => Err(Problem::Broken { format, reason: "its header gives a size of 0 pixels".to_owned() }),
        (width, height) => Ok((width as usize, height as usize)),
    }
}

fn problem(format: Format, error: ImageError) -> Problem {
    match &error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Problem::Truncated { format, reason: "the data ends inside the image".to_owned() }
        }
        _ => Problem::Broken { format, reason: error.to_string() },
    }
}

/// Drops alpha, repeats grey, keeps the high byte of 16-bit channels (stored in the machine's own byte order).
fn to_rgb(color: ColorType, source: &[u8], rgb: &mut [u8]) -> Option<()> {
    let channels = usize::from(color.channel_count());
    let bytes = usize::from(color.bytes_per_pixel()) / channels;
    if bytes > 2 {
        return None;
    }
    let high = if bytes == 2 && cfg!(target_endian = "little") { 1 } else { 0 };
    let [red, green, blue] = if channels >= 3 { [0, bytes, 2 * bytes] } else { [0; 3] };
    for (from, to) in source.chunks_exact(channels * bytes).zip(rgb.chunks_exact_mut(3)) {
        to[0] = from[red + high];
        to[1] = from[green + high];
        to[2] = from[blue + high];
    }
    Some(())
}
