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
    let Some(scan) = Segments::of(bytes).find(|segment| segment.marker == START_OF_SCAN) else { return false };
    // Inside a scan every 0xFF is followed by a zero or a restart marker, so the pair can only be the real end.
    bytes.get(scan.at..).unwrap_or_default().windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}

/// Bytes that the decoder takes besides the pixels: a progressive file's coefficients, two bytes each, are kept until its
/// last scan.
pub(super) fn working_bytes(bytes: &[u8], pixels: u64) -> u64 {
    let Some(frame) = Segments::of(bytes).find(|segment| segment.marker == PROGRESSIVE_FRAME) else { return 0 };
    // Length, precision, height, width, number of components; then for each its name, sampling factors and table.
    let component = |number: usize| bytes.get(frame.at + 11 + 3 * number).map(|factors| (factors >> 4, factors & 15));
    let count = bytes.get(frame.at + 9).copied().unwrap_or(0);
    let factors: Vec<(u8, u8)> = (0..usize::from(count)).map_while(component).collect();
    let across = factors.iter().map(|(across, _)| u64::from(*across)).max().unwrap_or(1).max(1);
    let down = factors.iter().map(|(_, down)| u64::from(*down)).max().unwrap_or(1).max(1);
    let samples: u64 = factors.iter().map(|(across, down)| u64::from(*across) * u64::from(*down)).sum();
    2 * pixels * samples / (across * down)
}

/// The orientation in the header.
pub(super) fn orientation(bytes: &[u8]) -> Orientation {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    let read = decoder.decode_headers().ok().and_then(|()| decoder.exif());
    read.and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms)
}

const START_OF_SCAN: u8 = 0xDA;
const PROGRESSIVE_FRAME: u8 = 0xC2;

/// A marker and where it stands.
struct Segment {
    marker: u8,
    at: usize,
}

/// The segments up to the first scan, as long as they follow one another.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        loop {
            let at = self.at;
            let &[0xFF, marker] = self.bytes.get(at..at + 2)? else { return None };
            match marker {
                0xFF => self.at += 1,
                0x01 | 0xD0..=0xD8 => self.at += 2,
                // What follows is no segment.
                START_OF_SCAN => self.at = self.bytes.len(),
                _ => {
                    let &[high, low] = self.bytes.get(at + 2..at + 4)? else { return None };
                    self.at += 2 + usize::from(u16::from_be_bytes([high, low]));
                }
            }
            if self.at > at + 2 || marker == START_OF_SCAN {
                return Some(Segment { marker, at });
            }
        }
    }
}
