//! Applying an [`Augmentation`] to one image after another.

use super::{AugmentError, Augmentation, CropBox, Draws, Key, RandomResizedCrop, Shift};
use crate::{Image, Resampler};

/// Augments images, keeping its buffers. One per thread.
#[derive(Debug)]
pub struct Augmenter<'a> {
    augmentation: &'a Augmentation,
    resampler: Resampler,
    /// The part of the image that is resized.
    part: Image,
    /// The prepared image before its shift.
    unshifted: Vec<u8>,
}

impl<'a> Augmenter<'a> {
    /// An augmenter with empty buffers.
    ///
    /// # Errors
    /// Settings that [`Augmentation::check`] refuses.
    pub fn new(augmentation: &'a Augmentation) -> Result<Self, AugmentError> {
        augmentation.check()?;
        let (part, unshifted) = (Image::default(), Vec::new());
        Ok(Self { augmentation, resampler: Resampler::new(), part, unshifted })
    }

    /// Prepares one decoded image, `out: [height, width, 3]`; all randomness comes from `key`.
    ///
    /// # Errors
    /// An image without pixels, or a wrong length of `out`.
    pub fn apply(&mut self, image: &Image, key: Key, out: &mut [u8]) -> Result<(), AugmentError> {
        let mut draws = Draws::of_image(key);
        match (self.augmentation.crop, self.augmentation.shift) {
            (Some(crop), _) => self.crop(image, &crop, &mut draws, out)?,
            (None, _) => self.augmentation.preprocess.apply_with(&mut self.resampler, image, out)?,
        }
        self.finish(&mut draws, out);
        Ok(())
    }

    /// The same, in place, for pixels that have been through the evaluation preprocessing. Gives what [`Augmenter::apply`]
    /// gives for the image they came from, as long as no random crop is asked for.
    pub(crate) fn apply_to_prepared(&mut self, key: Key, out: &mut [u8]) -> Result<(), AugmentError> {
        let expected = self.augmentation.output_length();
        if out.len() != expected {
            return Err(crate::PreprocessError::OutputLength { expected, got: out.len() }.into());
        }
        self.finish(&mut Draws::of_image(key), out);
        Ok(())
    }

    /// Cuts the part out and resizes it: pixels beyond its edges do not enter.
    fn crop(
        &mut self,
        image: &Image,
        crop: &RandomResizedCrop,
        draws: &mut Draws,
        out: &mut [u8],
    ) -> Result<(), AugmentError> {
        let part = crop.draw(image.width(), image.height(), draws);
        let [height, width] = self.augmentation.preprocess.input_size;
        cut(image, part, &mut self.part);
        let interpolation = self.augmentation.preprocess.interpolation;
        Ok(self.resampler.resize(&self.part, width, height, interpolation, out)?)
    }

    /// What happens to prepared pixels: shift, flip, colours.
    fn finish(&mut self, draws: &mut Draws, out: &mut [u8]) {
        let size = self.augmentation.preprocess.input_size;
        if let Some(shift) = self.augmentation.shift {
            self.shift(&shift, size, draws, out);
        }
        if draws.chance(self.augmentation.flip) {
            flip(out, size[1]);
        }
        if let Some(jitter) = self.augmentation.jitter {
            jitter.draw(draws).into_iter().for_each(|adjustment| adjustment.apply(out));
        }
    }

    fn shift(&mut self, shift: &Shift, size: [usize; 2], draws: &mut Draws, out: &mut [u8]) {
        let start = shift.draw(draws);
        self.unshifted.clear();
        self.unshifted.extend_from_slice(out);
        shift.apply(&self.unshifted, size, start, out);
    }
}

/// Copies the pixels of one part; the part lies within the image.
pub(super) fn cut(image: &Image, part: CropBox, to: &mut Image) {
    let (row, stride) = (part.width * 3, image.width() * 3);
    let first = part.top * stride + part.left * 3;
    let pixels = to.reshape(part.width, part.height);
    let rows = image.pixels()[first.min(image.pixels().len())..].chunks(stride.max(1));
    for (to, from) in pixels.chunks_exact_mut(row.max(1)).zip(rows) {
        to.copy_from_slice(&from[..row]);
    }
}

/// Exchanges left and right; `pixels: [height, width, 3]`.
fn flip(pixels: &mut [u8], width: usize) {
    pixels.chunks_exact_mut(width * 3).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
}
