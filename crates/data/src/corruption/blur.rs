//! Blurs: means of neighbouring pixels, edges repeated.

use super::byte;

/// Standard deviations that a bell reaches.
const REACH: f64 = 4.0;

/// A place beside a pixel, rows down and columns right, and how much it counts.
type Weighted = ([f64; 2], f64);

/// Mean under a bell, one direction after the other.
pub fn gaussian(sigma: f64, size: [usize; 2], pixels: &mut [u8]) {
    let reach = (REACH * sigma).ceil() as isize;
    let bell = |at: isize| (-0.5 * (at as f64 / sigma.max(1e-6)).powi(2)).exp();
    let line: Vec<(isize, f64)> = (-reach..=reach).map(|at| (at, bell(at))).collect();
    let down: Vec<Weighted> = line.iter().map(|(at, weight)| ([*at as f64, 0.0], *weight)).collect();
    let right: Vec<Weighted> = line.iter().map(|(at, weight)| ([0.0, *at as f64], *weight)).collect();
    let between = mean(&values(pixels), size, &down);
    write(&mean(&between, size, &right), pixels);
}

/// Mean under a disk; a pixel on its rim counts as much as lies inside.
pub fn disk(radius: f64, size: [usize; 2], pixels: &mut [u8]) {
    let reach = radius.ceil() as isize;
    let places = (-reach..=reach).flat_map(|down| (-reach..=reach).map(move |right| [down as f64, right as f64]));
    let weight = |[down, right]: [f64; 2]| (radius + 0.5 - down.hypot(right)).clamp(0.0, 1.0);
    let window: Vec<Weighted> = places.map(|at| (at, weight(at))).filter(|(_, weight)| *weight > 0.0).collect();
    write(&mean(&values(pixels), size, &window), pixels);
}

/// Mean along a line that leaves a pixel at an angle, under half a bell.
pub fn motion((reach, sigma): (f64, f64), angle: f64, size: [usize; 2], pixels: &mut [u8]) {
    let steps = (2.0 * reach).round() as usize;
    let at = |step: usize| [step as f64 * angle.sin(), step as f64 * angle.cos()];
    let weight = |step: usize| (-0.5 * (step as f64 / sigma.max(1e-6)).powi(2)).exp();
    let window: Vec<Weighted> = (0..=steps).map(|step| (at(step), weight(step))).collect();
    write(&mean(&values(pixels), size, &window), pixels);
}

/// Mean over enlargements about the centre, from 1 in steps to below `most`; the image as it is counts once more.
pub fn zoom(most: f64, step: f64, size: [usize; 2], pixels: &mut [u8]) {
    let own = values(pixels);
    let count = ((most - 1.0) / step - 1e-9).ceil() as usize;
    let mut sum = own.clone();
    let [height, width] = size.map(|side| side as f64);
    for enlarged in (0..count).map(|at| 1.0 + at as f64 * step) {
        for (at, sum) in sum.chunks_mut(3).enumerate() {
            let (row, column) = ((at / size[1]) as f64 + 0.5, (at % size[1]) as f64 + 0.5);
            let source = |place: f64, side: f64| side / 2.0 + (place - side / 2.0) / enlarged - 0.5;
            let found = between(&own, size, [source(row, height), source(column, width)]);
            sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
    }
    sum.iter_mut().for_each(|sum| *sum /= (count + 1) as f64);
    write(&sum, pixels);
}

fn values(pixels: &[u8]) -> Vec<f64> {
    pixels.iter().map(|pixel| super::value(*pixel)).collect()
}

fn write(values: &[f64], pixels: &mut [u8]) {
    pixels.iter_mut().zip(values).for_each(|(pixel, value)| *pixel = byte(*value));
}

/// Weighted mean about every pixel.
fn mean(values: &[f64], size: [usize; 2], window: &[Weighted]) -> Vec<f64> {
    let total: f64 = window.iter().map(|(_, weight)| weight).sum();
    let mut out = vec![0.0; values.len()];
    for (at, out) in out.chunks_mut(3).enumerate() {
        let (row, column) = ((at / size[1]) as f64, (at % size[1]) as f64);
        for ([down, right], weight) in window {
            let found = between(values, size, [row + down, column + right]);
            out.iter_mut().zip(found).for_each(|(out, found)| *out += weight / total * found);
        }
    }
    out
}

/// The colour at a place between pixels, bilinear.
fn between(values: &[f64], [height, width]: [usize; 2], [row, column]: [f64; 2]) -> [f64; 3] {
    let side = |at: f64, length: usize| {
        let at = at.clamp(0.0, length as f64 - 1.0);
        let low = at.floor() as usize;
        (low, (low + 1).min(length - 1), at - low as f64)
    };
    let ((top, bottom, down), (left, right, across)) = (side(row, height), side(column, width));
    let at = |row: usize, column: usize, channel: usize| values[(row * width + column) * 3 + channel];
    std::array::from_fn(|channel| {
        if down == 0.0 && across == 0.0 {
            return at(top, left, channel);
        }
        let above = at(top, left, channel) * (1.0 - across) + at(top, right, channel) * across;
        let below = at(bottom, left, channel) * (1.0 - across) + at(bottom, right, channel) * across;
        above * (1.0 - down) + below * down
    })
}
