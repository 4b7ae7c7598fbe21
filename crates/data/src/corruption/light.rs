//! Light and colour.

use super::{byte, value};

/// Adds to the value of hue, saturation and value: all channels grow in proportion.
pub fn brightness(more: f64, pixels: &mut [u8]) {
    for pixel in pixels.chunks_mut(3) {
        let own: Vec<f64> = pixel.iter().map(|one| value(*one)).collect();
        let largest = own.iter().copied().fold(0.0, f64::max);
        let goal = (largest + more).min(1.0);
        let lit = |one: f64| if largest > 0.0 { one * goal / largest } else { goal };
        pixel.iter_mut().zip(own).for_each(|(pixel, one)| *pixel = byte(lit(one)));
    }
}

/// Moves every channel towards its mean over the image.
pub fn contrast(kept: f64, pixels: &mut [u8]) {
    let count = (pixels.len() / 3).max(1) as f64;
    for channel in 0..3 {
        let mean = pixels.iter().skip(channel).step_by(3).map(|pixel| value(*pixel)).sum::<f64>() / count;
        let own = pixels.iter_mut().skip(channel).step_by(3);
        own.for_each(|pixel| *pixel = byte(mean + kept * (value(*pixel) - mean)));
    }
}

/// Multiplies the saturation and adds to it; hue and value stay.
pub fn saturation((factor, more): (f64, f64), pixels: &mut [u8]) {
    for pixel in pixels.chunks_mut(3) {
        let own: Vec<f64> = pixel.iter().map(|one| value(*one)).collect();
        let (largest, smallest) =
            own.iter().fold((0.0_f64, 1.0_f64), |(high, low), one| (high.max(*one), low.min(*one)));
        // Grey has no hue: red is taken for it, as the formulas do.
        let hued: Vec<f64> = if largest > smallest {
            own.iter().map(|one| (largest - one) / (largest - smallest)).collect()
        } else {
            vec![0.0, 1.0, 1.0]
        };
        let saturation = if largest > 0.0 { (largest - smallest) / largest } else { 0.0 };
        let goal = (factor * saturation + more).clamp(0.0, 1.0);
        pixel.iter_mut().zip(hued).for_each(|(pixel, down)| *pixel = byte(largest * (1.0 - goal * down)));
    }
}
