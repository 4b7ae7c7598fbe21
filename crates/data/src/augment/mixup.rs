//! Mixup: training on blends of two images and, in the same parts, of their losses (Zhang et al., "mixup: beyond empirical
//! risk minimization", 2018).
//!
//! ```text
//! lambda ~ Beta(alpha, alpha), once a batch; j = a random permutation of the batch
//! x~_i = lambda x_i + (1 - lambda) x_j(i)      loss_i = lambda L(x~_i, y_i) + (1 - lambda) L(x~_i, y_j(i))
//! ```

use super::{AugmentError, Draws};
use crate::Preprocess;

/// How one batch is blended.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixup {
    /// For every image of the batch, the image it is blended with (possibly itself).
    pub partners: Vec<usize>,
    /// Part of the image itself, 0 to 1; its partner has the rest.
    pub lambda: f32,
}

impl Mixup {
    /// Draws the blend of the batch numbered `batch` of an epoch, of `images` images.
    ///
    /// # Errors
    /// An `alpha` that is not a positive number.
    pub fn draw(seed: u64, epoch: u64, batch: usize, images: usize, alpha: f64) -> Result<Self, AugmentError> {
        if !(alpha.is_finite() && alpha > 0.0) {
            return Err(AugmentError::Alpha { alpha });
        }
        let mut draws = Draws::of_batch(seed, epoch, batch);
        let (ours, theirs) = (draws.log_gamma(alpha), draws.log_gamma(alpha));
        let lambda = 1.0 / (1.0 + (theirs - ours).exp());
        let mut partners: Vec<usize> = (0..images).collect();
        draws.shuffle(&mut partners);
        Ok(Self { partners, lambda: lambda as f32 })
    }

    /// Blends a batch as the definition has it: on normalised values, in single precision, without rounding to eight bits.
    /// `pixels`: u8 `[images, height, width, 3]`; `out`: f32 of the same shape, (pixel / 255 - mean) / std blended.
    ///
    /// # Errors
    /// A batch that is not one image for every partner.
    pub fn blend(&self, pixels: &[u8], preprocess: &Preprocess, out: &mut Vec<f32>) -> Result<(), AugmentError> {
        let (images, length) = (self.partners.len(), preprocess.output_length());
        let fits = images * length == pixels.len() && self.partners.iter().all(|partner| *partner < images);
        if !fits {
            return Err(AugmentError::BatchLength { images, length, got: pixels.len() });
        }
        let normalised: [[f32; 256]; 3] = [0, 1, 2].map(|channel| {
            let (mean, std) = (preprocess.mean[channel], preprocess.std[channel]);
            std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
        });
        let (ours, theirs) = (self.lambda, 1.0 - self.lambda);
        out.clear();
        out.reserve(pixels.len());
        for (image, partner) in pixels.chunks_exact(length.max(1)).zip(&self.partners) {
            let partner = &pixels[partner * length..][..length];
            for (ours_at, theirs_at) in image.as_chunks::<3>().0.iter().zip(partner.as_chunks::<3>().0) {
                let value = |c: usize| normalised[c][usize::from(ours_at[c])];
                let other = |c: usize| normalised[c][usize::from(theirs_at[c])];
                out.extend([0, 1, 2].map(|c| ours * value(c) + theirs * other(c)));
            }
        }
        Ok(())
    }
}
