//! Pools and means over positions.

use heirloom_engine::Padding;
use heirloom_engine::kernels::{Isa, Rows, RowsMut, Window, average_pool, max_pool, mean_positions};

use crate::support::{assert_near, number, values};

/// The pixels under the window of one output pixel: inside the map, and how many inside the padded map.
fn under(window: &Window, y: usize, x: usize) -> (Vec<[usize; 2]>, usize) {
    let (mut inside, mut padded) = (Vec::new(), 0);
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let at = [y * window.stride[0] + ky * window.dilation[0], x * window.stride[1] + kx * window.dilation[1]];
            if (0..2).all(|axis| at[axis] < window.before[axis] + window.input[axis] + window.after[axis]) {
                padded += 1;
            }
            if (0..2).all(|axis| (window.before[axis]..window.before[axis] + window.input[axis]).contains(&at[axis])) {
                inside.push([at[0] - window.before[0], at[1] - window.before[1]]);
            }
        }
    }
    (inside, padded)
}

#[test]
fn pools_of_random_shapes() {
    for seed in 0..150u64 {
        let pick = |index, low, high| number(seed, index, low, high);
        let kernel = [pick(0, 1, 4), pick(1, 1, 4)];
        let padding = if pick(2, 0, 4) == 0 {
            Padding::Same
        } else {
            Padding::Explicit([
                pick(3, 0, kernel[0] / 2),
                pick(4, 0, kernel[0] / 2),
                pick(5, 0, kernel[1] / 2),
                pick(6, 0, kernel[1] / 2),
            ])
        };
        let input = [pick(7, 1, 11), pick(8, 1, 11)];
        let stride = [pick(9, 1, 3), pick(10, 1, 3)];
        let Some(window) = Window::new(input, kernel, stride, padding, [1, 1], pick(11, 0, 1) == 1) else { continue };
        let (images, channels) = (pick(12, 1, 3), pick(13, 1, 40));
        let pixels = values(seed + 500, images * window.input_pixels() * channels);
        let rows = images * window.output_pixels();
        let (mut largest, mut mean, mut mean_padded) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let (image, pixel) = (row / window.output_pixels(), row % window.output_pixels());
            let (inside, padded) = under(&window, pixel / window.output[1], pixel % window.output[1]);
            for channel in 0..channels {
                let at = |[y, x]: &[usize; 2]| {
                    f64::from(pixels[((image * input[0] + y) * input[1] + x) * channels + channel])
                };
                largest.push(inside.iter().map(at).fold(f64::NEG_INFINITY, f64::max));
                let sum: f64 = inside.iter().map(at).sum();
                mean.push(sum / inside.len().max(1) as f64);
                mean_padded.push(sum / padded.max(1) as f64);
            }
        }
        for isa in Isa::available() {
            let what = format!("{isa} {window:?} {images} images, {channels} channels");
            let mut found = vec![f32::NAN; rows * channels];
            max_pool(isa, &window, channels, &pixels, 0..rows, RowsMut::new(&mut found, channels));
            for (found, expected) in found.iter().zip(&largest) {
                assert_eq!(f64::from(*found), *expected, "{what}");
            }
            average_pool(isa, &window, channels, &pixels, 0..rows, RowsMut::new(&mut found, channels), false);
            assert_near(&found, &mean, 1e-5, 0.1, &what);
            average_pool(isa, &window, channels, &pixels, 0..rows, RowsMut::new(&mut found, channels), true);
            assert_near(&found, &mean_padded, 1e-5, 0.1, &what);
        }
    }
}

#[test]
fn a_window_with_a_nan_is_nan() {
    let window = Window::new([2, 2], [2, 2], [2, 2], Padding::NONE, [1, 1], false).unwrap();
    for isa in Isa::available() {
        for place in 0..4 {
            let mut pixels = [1.0, 2.0, 3.0, 4.0];
            pixels[place] = f32::NAN;
            let mut found = [0.0];
            max_pool(isa, &window, 1, &pixels, 0..1, RowsMut::new(&mut found, 1));
            assert!(found[0].is_nan(), "{isa} {place}");
        }
    }
}

#[test]
fn means_over_positions() {
    for isa in Isa::available() {
        for (images, positions, skip, channels) in
            [(1, 1, 0, 1), (3, 49, 0, 33), (2, 197, 1, 192), (2, 5, 2, 7), (1, 3136, 0, 24)]
        {
            let stride = channels + 2;
            let input = values(channels as u64, images * positions * stride);
            let mut expected = Vec::new();
            for image in 0..images {
                for channel in 0..channels {
                    let sum: f64 =
                        (skip..positions).map(|p| f64::from(input[(image * positions + p) * stride + channel])).sum();
                    expected.push(sum / (positions - skip) as f64);
                }
            }
            let mut found = vec![f32::NAN; images * channels];
            mean_positions(
                isa,
                Rows::new(&input, stride),
                positions,
                skip,
                channels,
                0..images,
                RowsMut::new(&mut found, channels),
            );
            assert_near(&found, &expected, 1e-5, 0.1, &format!("{isa} {images} {positions} {channels}"));
        }
    }
}
