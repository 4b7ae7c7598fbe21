//! Several small images in one picture of a page.

use heirloom_report::Picture;

use crate::failure::Failure;

/// Gap between the images, in pixels of the picture.
const GAP: usize = 2;

/// Images of one size, `tiles: [height, width, 3]` each, `across` in a row, each pixel `scale` pixels wide and high, on white.
pub fn mosaic(tiles: &[&[u8]], [height, width]: [usize; 2], across: usize, scale: usize) -> Result<Picture, Failure> {
    let down = tiles.len().div_ceil(across.max(1)).max(1);
    let extent = |count: usize, length: usize| count * length * scale + (count - 1) * GAP;
    let (high, wide) = (extent(down, height), extent(across.max(1), width));
    let mut pixels = vec![255; wide * high * 3];
    for (number, image) in tiles.iter().enumerate() {
        let (top, left) = (number / across * (height * scale + GAP), number % across * (width * scale + GAP));
        for y in 0..height * scale {
            for x in 0..width * scale {
                let from = (y / scale * width + x / scale) * 3;
                let to = ((top + y) * wide + left + x) * 3;
                if let Some(pixel) = image.get(from..from + 3) {
                    pixels[to..to + 3].copy_from_slice(pixel);
                }
            }
        }
    }
    let longer = wide.max(high) as u32;
    Picture::thumbnail(pixels, wide as u32, high as u32, longer).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mosaic_has_its_tiles_in_their_places() {
        let (dark, light) = (vec![0; 2 * 3 * 3], vec![200; 2 * 3 * 3]);
        let picture = mosaic(&[&dark, &light, &light], [2, 3], 2, 2).unwrap();
        let read = heirloom_data::decode(&picture.png).unwrap();
        let (high, wide) = (2 * 4 + GAP, 2 * 6 + GAP);
        assert_eq!((read.width(), read.height()), (wide, high));
        let at = |x: usize, y: usize| read.pixels()[(y * wide + x) * 3];
        assert_eq!(
            [at(0, 0), at(wide - 1, 0), at(0, high - 1), at(wide - 1, high - 1), at(6, 0)],
            [0, 200, 200, 255, 255]
        );
    }
}
