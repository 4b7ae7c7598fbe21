//! Filters by formula: Gabor functions on brightness, Gaussian blobs on colours, and normal values of He variance.

use std::f64::consts::{PI, TAU};

/// Side of a filter of the bank, in pixels.
const SIDE: usize = 7;
/// Orientations of the Gabor filters over half a turn.
const ORIENTATIONS: usize = 8;
/// Wavelengths of the Gabor filters, in pixels.
const WAVELENGTHS: [f64; 2] = [3.5, 6.0];
/// Phases: four, so that after a ReLU no sign is lost.
const PHASES: usize = 4;
/// Colour directions of the blobs (red, green, blue): brightness, red against green, blue against yellow, warm against cold.
const COLOURS: [[f64; 3]; 4] = [[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [-0.5, -0.5, 1.0], [1.0, 0.0, -1.0]];

/// All filters, each `[3, 7, 7]`, of unit norm.
pub(super) fn bank() -> Vec<Vec<f32>> {
    let mut filters = Vec::new();
    for wavelength in WAVELENGTHS {
        for orientation in 0..ORIENTATIONS {
            for phase in 0..PHASES {
                let angle = PI * orientation as f64 / ORIENTATIONS as f64;
                filters.push(filter([1.0; 3], true, |x, y| {
                    gabor(x, y, wavelength, angle, TAU * phase as f64 / PHASES as f64)
                }));
            }
        }
    }
    for colour in COLOURS {
        for sign in [1.0, -1.0] {
            filters.push(filter(colour.map(|part| sign * part), false, |x, y| (-(x * x + y * y) / 8.0).exp()));
        }
    }
    filters
}

/// `exp(-(u^2 + v^2/4) / (2 (0.5 wavelength)^2)) cos(2 pi u / wavelength + phase)`, with `u` across the stripes and `v` along them.
fn gabor(x: f64, y: f64, wavelength: f64, angle: f64, phase: f64) -> f64 {
    let (across, along) = (x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin());
    let spread = 0.5 * wavelength;
    (-(across * across + along * along / 4.0) / (2.0 * spread * spread)).exp()
        * (TAU * across / wavelength + phase).cos()
}

/// `profile` in each colour by its weight, without its mean where `centred`, at unit norm.
fn filter(colour: [f64; 3], centred: bool, profile: impl Fn(f64, f64) -> f64) -> Vec<f32> {
    let middle = (SIDE / 2) as f64;
    let place = |index: usize| ((index % SIDE) as f64 - middle, (index / SIDE) as f64 - middle);
    let mut values: Vec<f64> = (0..SIDE * SIDE).map(|index| profile(place(index).0, place(index).1)).collect();
    if centred {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter_mut().for_each(|value| *value -= mean);
    }
    let all: Vec<f64> = colour.iter().flat_map(|part| values.iter().map(move |value| part * value)).collect();
    let norm = all.iter().map(|value| value * value).sum::<f64>().sqrt();
    all.iter().map(|value| (value / norm) as f32).collect()
}

/// `count` filters of `size` values each, normal with variance `2 / size`, from a counter so that each value stands on its own.
pub(super) fn he(seed: u64, layer: u64, count: usize, size: usize) -> Vec<f32> {
    let scale = (2.0 / size as f64).sqrt();
    let uniform =
        |counter: u64| (mix(seed ^ mix(layer) ^ mix(counter).rotate_left(17)) >> 11) as f64 / (1u64 << 53) as f64;
    let normal = |index: u64| {
        // Box and Muller: two uniform values make one normal value.
        let radius = (-2.0 * (1.0 - uniform(2 * index)).ln()).sqrt();
        radius * (TAU * uniform(2 * index + 1)).cos()
    };
    (0..(count * size) as u64).map(|index| (scale * normal(index)) as f32).collect()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): one well-mixed word per counter.
fn mix(counter: u64) -> u64 {
    let mut word = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_unit_norm_and_are_distinct() {
        let bank = bank();
        assert_eq!(bank.len(), WAVELENGTHS.len() * ORIENTATIONS * PHASES + 2 * COLOURS.len());
        for (index, filter) in bank.iter().enumerate() {
            let norm: f32 = filter.iter().map(|value| value * value).sum();
            assert!((norm - 1.0).abs() < 1e-5, "filter {index} has squared norm {norm}");
            assert!(bank[..index].iter().all(|other| other != filter), "filter {index} stands twice");
        }
    }

    #[test]
    fn random_filters_have_he_variance() {
        let values = he(3, 1, 64, 200);
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 3e-3, "mean {mean}");
        assert!((variance / (2.0 / 200.0) - 1.0).abs() < 0.05, "variance {variance}");
    }
}
