//! A picture inside a page: shrunk to a thumbnail, written as PNG and carried in the page itself as a `data:` address.

use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs::png::PngEncoder, imageops};

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The pixels do not fill the size.
    #[error("{found} bytes of pixels for an image of {width} x {height}")]
    Size {
        /// Pixels in a row.
        width: u32,
        /// Rows of pixels.
        height: u32,
        /// Bytes given; `3 * width * height` are needed.
        found: usize,
    },
    /// The PNG reader or writer refused.
    #[error("thumbnail: {0}")]
    Encode(#[from] image::ImageError),
}

/// A small picture with a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// PNG file.
    pub png: Vec<u8>,
    /// First line under the picture.
    pub caption: String,
    /// Smaller second line: where it comes from.
    pub detail: String,
}

impl Picture {
    /// Shrinks `pixels` (`[height, width, 3]`, red, green, blue) so that the longer side has at most `side` pixels.
    /// Smaller pictures keep their size.
    ///
    /// # Errors
    /// When the pixels do not fill the size.
    pub fn thumbnail(pixels: Vec<u8>, width: u32, height: u32, side: u32) -> Result<Self, PictureError> {
        let found = pixels.len();
        let image = RgbImage::from_raw(width, height, pixels).filter(|image| !image.is_empty());
        let image = image.ok_or(PictureError::Size { width, height, found })?;
        let longer = width.max(height);
        let small = if longer <= side {
            image
        } else {
            let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
            imageops::thumbnail(&image, scaled(width), scaled(height))
        };
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&small, small.width(), small.height(), ExtendedColorType::Rgb8)?;
        Ok(Self { png, caption: String::new(), detail: String::new() })
    }

    /// The same picture with at most `side` pixels along its longer side.
    ///
    /// # Errors
    /// When the PNG cannot be read.
    pub fn shrunk(self, side: u32) -> Result<Self, PictureError> {
        let image = image::load_from_memory(&self.png)?.into_rgb8();
        let (width, height) = image.dimensions();
        if width.max(height) <= side {
            return Ok(self);
        }
        Ok(Self { png: Self::thumbnail(image.into_raw(), width, height, side)?.png, ..self })
    }

    /// The picture with its two lines of text.
    #[must_use]
    pub fn captioned(self, caption: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { caption: caption.into(), detail: detail.into(), ..self }
    }

    /// The address under which a page shows the picture.
    #[must_use]
    pub fn address(&self) -> String {
        format!("data:image/png;base64,{}", base64(&self.png))
    }
}

/// Base 64 with padding, RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = (group >> (18 - 6 * place)) & 63;
            text.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[six as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_test_vectors_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_thumbnail_keeps_the_aspect_ratio_and_the_colour() {
        let picture = Picture::thumbnail([10, 200, 30].repeat(40 * 20), 40, 20, 10).unwrap();
        let read = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!((read.width(), read.height()), (10, 5));
        assert!(read.pixels().all(|pixel| pixel.0 == [10, 200, 30]));
        assert!(picture.address().starts_with("data:image/png;base64,iVBORw0KGgo"));
    }

    #[test]
    fn a_picture_is_shrunk_and_keeps_its_text() {
        let picture = Picture::thumbnail([10, 200, 30].repeat(40 * 20), 40, 20, 40).unwrap().captioned("a", "b");
        let small = picture.clone().shrunk(8).unwrap();
        let read = image::load_from_memory(&small.png).unwrap().to_rgb8();
        assert_eq!((read.width(), read.height(), small.caption.as_str(), small.detail.as_str()), (8, 4, "a", "b"));
        assert_eq!(picture.clone().shrunk(40).unwrap(), picture);
        assert!(Picture { png: vec![1], ..picture }.shrunk(8).is_err());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(matches!(Picture::thumbnail(vec![0; 5], 2, 1, 8), Err(PictureError::Size { found: 5, .. })));
        assert!(Picture::thumbnail(vec![], 0, 0, 8).is_err());
    }
}
