//! The smallest changes that break answers, found with the gradient by the pixels (Madry et al. 2018; `spec/robustness.md` section 3.1).
//!
//! ```text
//! x_0 = clip(x + U(-e, e))      x_(t+1) = clip(project to within e of x (x_t + a sign(slope of the loss)))      the x_t of the largest loss
//! ```
//!
//! Pixels run from 0 to 1. Changes are centred on the image as it is, and are not rounded to 256 values.

use heirloom_data::augment::{Draws, Key};

/// Streams of draws, apart from those of images elsewhere.
const STREAM: u64 = 1 << 41;

/// How to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attacker {
    /// Most that a value may change.
    pub epsilon: f64,
    /// Steps.
    pub steps: usize,
    /// Fixes where the search begins.
    pub seed: u64,
}

/// Loss of every image and its slope by the pixels.
pub struct Slope {
    /// Loss of every image.
    pub losses: Vec<f64>,
    /// `[images, pixels]`.
    pub slope: Vec<f32>,
}

impl Attacker {
    /// Size of a step: a quarter of the way, the paper's 2 / 255 for 8 / 255.
    fn step(&self) -> f32 {
        (self.epsilon / 4.0) as f32
    }

    /// The images, `[images, pixels]`, changed as far as they may be; `first` numbers them. `slope` tells loss and slope of a batch.
    ///
    /// # Errors
    /// Those of `slope`.
    pub fn changed<E>(
        &self,
        images: &[f32],
        count: usize,
        first: usize,
        mut slope: impl FnMut(&[f32]) -> Result<Slope, E>,
    ) -> Result<Vec<f32>, E> {
        let pixels = images.len() / count.max(1);
        let mut at: Vec<f32> = images.to_vec();
        for (image, values) in at.chunks_mut(pixels.max(1)).enumerate() {
            let mut draws = Draws::of_image(Key { seed: self.seed, epoch: STREAM, row: first + image });
            for value in values {
                *value = (*value + draws.uniform(-self.epsilon, self.epsilon) as f32).clamp(0.0, 1.0);
            }
        }
        let (mut best, mut highest) = (at.clone(), vec![f64::NEG_INFINITY; count]);
        for step in 0..=self.steps {
            let found = slope(&at)?;
            for (image, loss) in found.losses.iter().enumerate().take(count) {
                if *loss > highest[image] {
                    highest[image] = *loss;
                    let range = image * pixels..(image + 1) * pixels;
                    best[range.clone()].copy_from_slice(&at[range]);
                }
            }
            if step < self.steps {
                self.advance(&mut at, images, &found.slope);
            }
        }
        Ok(best)
    }

    /// A step, held within `epsilon` of the images as they are.
    fn advance(&self, at: &mut [f32], images: &[f32], slope: &[f32]) {
        let (step, epsilon) = (self.step(), self.epsilon as f32);
        for ((value, image), slope) in at.iter_mut().zip(images).zip(slope) {
            let sign = if *slope == 0.0 { 0.0 } else { slope.signum() };
            *value = (*value + step * sign).clamp(image - epsilon, image + epsilon).clamp(0.0, 1.0);
        }
    }

    /// The control: every value changed by `epsilon`, up or down by chance.
    #[must_use]
    pub fn by_chance(&self, images: &[f32], count: usize, first: usize) -> Vec<f32> {
        let pixels = (images.len() / count.max(1)).max(1);
        let mut changed = images.to_vec();
        for (image, values) in changed.chunks_mut(pixels).enumerate() {
            let mut draws = Draws::of_image(Key { seed: self.seed, epoch: STREAM + 1, row: first + image });
            for value in values {
                let sign = if draws.unit() < 0.5 { -1.0 } else { 1.0 };
                *value = (*value + sign * self.epsilon as f32).clamp(0.0, 1.0);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// A linear score for the class +1; the loss falls as it rises.
    fn linear(weights: &[f32]) -> impl Fn(&[f32]) -> Result<Slope, Infallible> + '_ {
        move |at: &[f32]| {
            let of = |image: &[f32]| image.iter().zip(weights).map(|(x, w)| f64::from(x * w)).sum::<f64>();
            let losses: Vec<f64> = at.chunks(weights.len()).map(|image| -of(image)).collect();
            let slope = losses.iter().flat_map(|_| weights.iter().map(|weight| -weight)).collect();
            Ok(Slope { losses, slope })
        }
    }

    #[test]
    fn vector_tv11() {
        let (weights, image) = ([1.0, -2.0, 0.5], [0.2, 0.6, 0.99]);
        let attacker = Attacker { epsilon: 8.0 / 255.0, steps: 20, seed: 3 };
        let found = attacker.changed(&image, 1, 0, linear(&weights)).unwrap();
        for (found, expected) in found.iter().zip([0.168_627_45, 0.631_372_55, 0.958_627_45]) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
        let score: f32 = found.iter().zip(weights).map(|(x, w)| x * w).sum();
        assert!((score + 0.614_803_9).abs() < 1e-5, "{score}");
    }

    proptest! {
        /// Property 9: within epsilon of the image as it is, within 0 and 1, and no lower loss with more steps.
        #[test]
        fn changes_stay_within_their_bounds(
            images in prop::collection::vec(0.0..1.0_f32, 6),
            weights in prop::collection::vec(-2.0..2.0_f32, 3),
            epsilon in 0.001..0.2_f64,
        ) {
            let losses = |steps: usize| {
                let attacker = Attacker { epsilon, steps, seed: 1 };
                let found = attacker.changed(&images, 2, 5, linear(&weights)).unwrap();
                for (found, image) in found.iter().zip(&images) {
                    assert!((found - image).abs() <= epsilon as f32 + 1e-6 && (0.0..=1.0).contains(found));
                }
                linear(&weights)(&found).unwrap().losses
            };
            for (few, more) in losses(1).iter().zip(losses(8)) {
                prop_assert!(more >= *few);
            }
            let attacker = Attacker { epsilon, steps: 0, seed: 1 };
            let control = attacker.by_chance(&images, 2, 5);
            prop_assert!(control.iter().zip(&images).all(|(after, before)| (after - before).abs() <= epsilon as f32 + 1e-6));
        }
    }
}
