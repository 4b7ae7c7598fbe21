//! A decoded image: eight-bit red, green, blue, row by row. Everything downstream reads this one layout.

/// Pixels of one image, `pixels: [height, width, 3]`, eight bits a channel, in the encoding's own colour space (no colour
/// management, as Pillow and torchvision do it).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// An image from its pixels `[height, width, 3]`; `None` when a side is 0 or the length is not `height * width * 3`.
    pub fn from_pixels(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let length = width.checked_mul(height)?.checked_mul(3)?;
        (length > 0 && length == pixels.len()).then_some(Self { width, height, pixels })
    }

    /// Width in pixels; 0 only for `Image::default()`, which is a buffer waiting for its first image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Gives the buffer a new size and hands it out; what it held before may still be in it.
    pub(crate) fn reshape(&mut self, width: usize, height: usize) -> &mut Vec<u8> {
        self.width = width;
        self.height = height;
        self.pixels.resize(width * height * 3, 0);
        &mut self.pixels
    }

    pub(crate) fn take_pixels(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pixels)
    }
}
