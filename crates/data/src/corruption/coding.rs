//! Fewer pixels, and fewer bits for them.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::{byte, value};
use crate::decode;

/// The mean over larger pixels, a share `kept` of both sides.
pub fn pixelate(kept: f64, [height, width]: [usize; 2], pixels: &mut [u8]) {
    let [rows, columns] = [height, width].map(|side| ((side as f64 * kept) as usize).max(1));
    let part = |at: usize, count: usize, side: usize| at * count / side;
    let mut sums = vec![[0.0; 4]; rows * columns];
    let place = |at: usize| part(at / width, rows, height) * columns + part(at % width, columns, width);
    for (at, pixel) in pixels.chunks(3).enumerate() {
        let sum = &mut sums[place(at)];
        sum.iter_mut().zip(pixel).for_each(|(sum, pixel)| *sum += value(*pixel));
        sum[3] += 1.0;
    }
    for (at, pixel) in pixels.chunks_mut(3).enumerate() {
        let sum = &sums[place(at)];
        pixel.iter_mut().zip(sum).for_each(|(pixel, total)| *pixel = byte(total / sum[3]));
    }
}

/// Written as JPEG and read again; an image that cannot be written stays as it is.
pub fn jpeg(quality: u8, [height, width]: [usize; 2], pixels: &mut [u8]) {
    let mut encoded = Vec::new();
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let Some((width, height)) = sides else { return };
    let written =
        JpegEncoder::new_with_quality(&mut encoded, quality).encode(pixels, width, height, ExtendedColorType::Rgb8);
    if written.is_err() {
        return;
    }
    if let Ok(image) = decode(&encoded)
        && image.pixels().len() == pixels.len()
    {
        pixels.copy_from_slice(image.pixels());
    }
}
