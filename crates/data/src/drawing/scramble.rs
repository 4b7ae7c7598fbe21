//! A texture with the phases of its Fourier transform in disorder: same frequencies, no shape.

use std::f64::consts::TAU;

use crate::augment::{Draws, Key};

/// Real and imaginary part.
type Complex = [f64; 2];

/// `[side, side, 4]` with the colours under the opacity scrambled; the opacity stays.
pub(super) fn scrambled(pixels: &[u8], side: usize, seed: u64) -> Vec<u8> {
    let mut draws = Draws::of_image(Key { seed, epoch: 0, row: side });
    // The phases of real noise are such that what comes back is real.
    let noise: Vec<f64> = (0..side * side).map(|_| draws.normal()).collect();
    let phases = transform(&noise.iter().map(|value| [*value, 0.0]).collect::<Vec<_>>(), side, -1.0);
    let mut out = pixels.to_vec();
    for channel in 0..3 {
        let values = under(pixels, channel);
        let turned: Vec<Complex> = transform(&values.map, side, -1.0).iter().zip(&phases).map(turn).collect();
        let back: Vec<f64> = transform(&turned, side, 1.0).iter().map(|value| value[0]).collect();
        write(&mut out, channel, &back, &values);
    }
    out
}

/// A channel with its mean in place of what is transparent.
struct Channel {
    map: Vec<Complex>,
    mean: f64,
    deviation: f64,
}

fn under(pixels: &[u8], channel: usize) -> Channel {
    let shown = || pixels.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] > 0).map(|pixel| f64::from(pixel[channel]));
    let count = shown().count().max(1) as f64;
    let mean = shown().sum::<f64>() / count;
    let deviation = (shown().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let value = |pixel: &[u8; 4]| if pixel[3] > 0 { f64::from(pixel[channel]) } else { mean };
    Channel { map: pixels.as_chunks::<4>().0.iter().map(|pixel| [value(pixel), 0.0]).collect(), mean, deviation }
}

/// Puts a channel back, with the mean and the spread it had where it shows.
fn write(out: &mut [u8], channel: usize, back: &[f64], before: &Channel) {
    let shown: Vec<f64> =
        out.as_chunks::<4>().0.iter().zip(back).filter(|(pixel, _)| pixel[3] > 0).map(|(_, value)| *value).collect();
    let count = shown.len().max(1) as f64;
    let mean = shown.iter().sum::<f64>() / count;
    let deviation = (shown.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt().max(1e-9);
    for (pixel, value) in out.as_chunks_mut::<4>().0.iter_mut().zip(back) {
        let scaled = before.mean + (value - mean) / deviation * before.deviation;
        pixel[channel] = scaled.round().clamp(0.0, 255.0) as u8;
    }
}

/// `value` turned by the phase of `phase`.
fn turn((value, phase): (&Complex, &Complex)) -> Complex {
    let length = phase[0].hypot(phase[1]).max(1e-12);
    let [cosine, sine] = phase.map(|part| part / length);
    [value[0] * cosine - value[1] * sine, value[0] * sine + value[1] * cosine]
}

/// The discrete Fourier transform of `[side, side]`, rows, then columns: `X(k) = sum x(n) exp(sign i TAU k n / side) / root(side)` each.
fn transform(values: &[Complex], side: usize, sign: f64) -> Vec<Complex> {
    let table: Vec<Complex> = (0..side)
        .map(|at| {
            let angle = sign * TAU * at as f64 / side as f64;
            [angle.cos(), angle.sin()]
        })
        .collect();
    let scale = 1.0 / (side.max(1) as f64).sqrt();
    let line = |at: &dyn Fn(usize) -> Complex, k: usize| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for n in 0..side {
            let ([x, y], [cosine, sine]) = (at(n), table[k * n % side]);
            real += x * cosine - y * sine;
            imaginary += x * sine + y * cosine;
        }
        [real * scale, imaginary * scale]
    };
    let rows: Vec<Complex> =
        (0..side * side).map(|index| line(&|n| values[index / side * side + n], index % side)).collect();
    (0..side * side).map(|index| line(&|n| rows[n * side + index % side], index / side)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_where_it_began() {
        let values: Vec<Complex> = (0..36).map(|at| [f64::from(at * at % 7), 0.0]).collect();
        let back = transform(&transform(&values, 6, -1.0), 6, 1.0);
        assert!(back.iter().zip(&values).all(|(a, b)| (a[0] - b[0]).abs() < 1e-9 && a[1].abs() < 1e-9));
        // The first value is the sum over the root of the number of values.
        let sum: f64 = values.iter().map(|value| value[0]).sum();
        assert!((transform(&values, 6, -1.0)[0][0] - sum / 6.0).abs() < 1e-9);
    }
}
