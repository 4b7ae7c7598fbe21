//! Noise, each value by itself.

use super::{byte, value};
use crate::augment::Draws;

pub fn gaussian(sigma: f64, draws: &mut Draws, pixels: &mut [u8]) {
    pixels.iter_mut().for_each(|pixel| *pixel = byte(value(*pixel) + sigma * draws.normal()));
}

pub fn speckle(sigma: f64, draws: &mut Draws, pixels: &mut [u8]) {
    pixels.iter_mut().for_each(|pixel| *pixel = byte(value(*pixel) * (1.0 + sigma * draws.normal())));
}

/// Counts of a mean of `light` for white.
pub fn shot(light: f64, draws: &mut Draws, pixels: &mut [u8]) {
    pixels.iter_mut().for_each(|pixel| *pixel = byte(poisson(light * value(*pixel), draws) / light));
}

/// A share of the values becomes black or white, as often the one as the other.
pub fn impulse(share: f64, draws: &mut Draws, pixels: &mut [u8]) {
    for pixel in pixels {
        if draws.chance(share) {
            *pixel = if draws.chance(0.5) { 255 } else { 0 };
        }
    }
}

/// A Poisson count by its waiting times (Knuth), for means up to some hundreds.
fn poisson(mean: f64, draws: &mut Draws) -> f64 {
    let (limit, mut product, mut count) = ((-mean).exp(), draws.unit(), 0.0);
    while product > limit {
        product *= draws.unit();
        count += 1.0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Key;

    #[test]
    fn counts_have_the_mean_and_the_variance_of_their_law() {
        let mut draws = Draws::of_image(Key { seed: 0, epoch: 0, row: 0 });
        for mean in [0.0, 0.5, 3.0, 60.0] {
            let counts: Vec<f64> = (0..20_000).map(|_| poisson(mean, &mut draws)).collect();
            let found = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - found).powi(2)).sum::<f64>() / 20_000.0;
            assert!((found - mean).abs() <= 5.0 * (mean / 20_000.0).sqrt(), "{mean}: {found}");
            assert!((variance - mean).abs() <= 0.1 * mean, "{mean}: {variance}");
        }
    }
}
