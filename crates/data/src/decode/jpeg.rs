//! JPEG through zune-jpeg, which takes four-channel files for inverted ones as Adobe writes them and Pillow reads them. This
//! module owns what the decoder leaves open: whether the stream is complete, and the orientation.

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Format, Limits};
use crate::{Image, Problem};

pub(super) fn decode_into(bytes: &[u8], limits: &Limits, image: &mut Image) -> Result<Orientation, Problem> {
    if !is_complete(bytes) {
        return Err(Problem::Truncated {
            format: Format::Jpeg,
            reason: format!("no end-of-image marker in {} bytes", bytes.len()),
        });
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(problem)?;
    let (width, height) = size(&decoder)?;
    limits.check_pixels(width, height)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    decoder.decode_into(image.reshape(width, height)).map_err(problem)?;
    Ok(orientation.unwrap_or(Orientation::NoTransforms))
}

pub(super) fn stored_size(bytes: &[u8]) -> Result<(usize, usize), Problem> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(problem)?;
    size(&decoder)
}

fn options() -> DecoderOptions {
    let side = usize::from(u16::MAX);
    DecoderOptions::default().set_max_width(side).set_max_height(side).jpeg_set_out_colorspace(ColorSpace::RGB)
}

fn size(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Result<(usize, usize), Problem> {
    match decoder.dimensions() {
        Some((width, height)) if width > 0 && height > 0 => Ok((width, height)),
        other => Err(broken(format!("its header gives the size {other:?}"))),
    }
}

fn problem(error: DecodeErrors) -> Problem {
    match error {
        DecodeErrors::ExhaustedData => {
            Problem::Truncated { format: Format::Jpeg, reason: "the data ends inside the image".to_owned() }
        }
        other => broken(format!("{other:?}").trim_matches('"').to_owned()),
    }
}

fn broken(reason: String) -> Problem {
    Problem::Broken { format: Format::Jpeg, reason }
}

/// Whether an end-of-image marker follows the first scan: without one the file was cut off, however much of it decodes.
fn is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(&[0xFF, marker]) = bytes.get(at..at + 2) else { return false };
        match marker {
            0xFF => at += 1,
            0xDA => break,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    // Inside a scan every 0xFF is followed by a zero or a restart marker, so the pair can only be the real end.
    bytes.get(at..).unwrap_or_default().windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}
