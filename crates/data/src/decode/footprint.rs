//! How much memory the decoding of an image takes, from its header.

use image::metadata::Orientation;

use super::{Format, jpeg, raster, recognise};
use crate::Problem;

/// Bytes that a thread holds at most while it brings encoded `bytes` to pixels, both included: an estimate from the header,
/// nothing is decoded.
///
/// # Errors
/// As [`super::decode`], as far as the header tells.
pub fn decoding_bytes(bytes: &[u8]) -> Result<u64, Problem> {
    let format = recognise(bytes)?;
    let (width, height) = super::stored_size(bytes)?;
    let pixels = width as u64 * height as u64;
    let (working, orientation) = match format {
        Format::Jpeg => (jpeg::working_bytes(bytes, pixels), jpeg::orientation(bytes)),
        // What the decoder gives before alpha is dropped or grey repeated, and a frame of its own for WebP.
        Format::WebP => (8 * pixels, raster::orientation(format, bytes)),
        _ => (
            raster::bytes_per_pixel(format, bytes).filter(|bytes| *bytes != 3).unwrap_or(0) * pixels,
            raster::orientation(format, bytes),
        ),
    };
    let turned = if orientation == Orientation::NoTransforms { 0 } else { 3 * pixels };
    Ok(bytes.len() as u64 + 3 * pixels + working.max(turned))
}
