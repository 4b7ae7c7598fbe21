//! Pools.

use heirloom_engine::Padding;
use heirloom_engine::kernels::training::{
    average_pool_forward, average_pool_gradient, max_pool_forward, max_pool_gradient, mean_positions_forward,
    mean_positions_gradient,
};
use heirloom_engine::kernels::{Isa, Rows, RowsMut, Window, average_pool, max_pool, mean_positions};

use super::support::{assert_close, on_threads};
use crate::support::{bits, values};

/// A window on a map.
struct Case {
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
    dilation: usize,
    ceil: bool,
}

fn windows() -> impl Iterator<Item = Window> {
    let plain = |input, kernel, stride, padding| Case { input, kernel, stride, padding, dilation: 1, ceil: false };
    let cases = [
        plain([1, 1], [1, 1], [1, 1], Padding::NONE),
        plain([7, 9], [3, 3], [2, 2], Padding::all(1)),
        plain([8, 6], [2, 2], [2, 2], Padding::NONE),
        plain([9, 5], [3, 2], [1, 3], Padding::Same),
        Case { ceil: true, ..plain([10, 7], [3, 3], [2, 2], Padding::all(1)) },
        plain([30, 6], [3, 3], [2, 2], Padding::Same),
        plain([40, 5], [5, 3], [1, 1], Padding::Explicit([2, 1, 0, 1])),
        Case { dilation: 2, ..plain([20, 8], [3, 2], [2, 1], Padding::all(1)) },
    ];
    cases.into_iter().filter_map(|case| {
        Window::new(case.input, case.kernel, case.stride, case.padding, [case.dilation; 2], case.ceil)
    })
}

/// For each output pixel of an image the input pixels under it in order, and the pixels of the window on the padded map.
fn taps(window: &Window) -> Vec<(Vec<usize>, usize)> {
    let mut result = Vec::new();
    for y in 0..window.output[0] {
        for x in 0..window.output[1] {
            let (mut pixels, mut padded) = (Vec::new(), 0);
            for (ky, kx) in (0..window.kernel[0]).flat_map(|ky| (0..window.kernel[1]).map(move |kx| (ky, kx))) {
                let (row, column) =
                    (y * window.stride[0] + ky * window.dilation[0], x * window.stride[1] + kx * window.dilation[1]);
                let room = |axis: usize| window.before[axis] + window.input[axis] + window.after[axis];
                padded += usize::from(row < room(0) && column < room(1));
                let inside = |axis: usize, at: usize| {
                    (window.before[axis]..window.before[axis] + window.input[axis]).contains(&at)
                };
                if inside(0, row) && inside(1, column) {
                    pixels.push((row - window.before[0]) * window.input[1] + column - window.before[1]);
                }
            }
            result.push((pixels, padded));
        }
    }
    result
}

/// One problem: the batch and what its gradients are asked with.
struct Problem {
    window: Window,
    channels: usize,
    images: usize,
    x: Vec<f32>,
    dy: Vec<f32>,
    add: Vec<f32>,
}

impl Problem {
    /// With `steps` different values there are ties.
    fn new(window: Window, images: usize, channels: usize, steps: f32) -> Self {
        let len = images * window.input_pixels() * channels;
        let dy = values(2, images * window.output_pixels() * channels);
        let x = values(1, len).into_iter().map(|x| (x * steps).round() / steps + 0.0).collect();
        Self { window, channels, images, x, dy, add: values(3, len) }
    }

    /// The gradient where `share(values under the window, index among them, padded pixels)` of each `dy` goes to a pixel.
    fn expected(&self, share: impl Fn(&[f32], usize, usize) -> f64) -> Vec<f64> {
        let mut dx: Vec<f64> = self.add.iter().map(|&add| f64::from(add)).collect();
        let taps = taps(&self.window);
        for image in 0..self.images {
            for (output, (pixels, padded)) in taps.iter().enumerate() {
                for c in 0..self.channels {
                    let at = |pixel: usize| (image * self.window.input_pixels() + pixel) * self.channels + c;
                    let dy = self.dy[(image * taps.len() + output) * self.channels + c];
                    let under: Vec<f32> = pixels.iter().map(|&pixel| self.x[at(pixel)]).collect();
                    for (index, &pixel) in pixels.iter().enumerate() {
                        dx[at(pixel)] += f64::from(dy) * share(&under, index, *padded);
                    }
                }
            }
        }
        dx
    }

    fn check(&self, expected: &[f64], what: &str, gradient: impl Fn(Isa, Option<&[f32]>, &mut [f32]) + Sync) {
        for isa in Isa::available() {
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; self.x.len()]; 2];
                gradient(isa, Some(&self.add), &mut found[0]);
                gradient(isa, None, &mut found[1]);
                found
            });
            let what = format!("{isa} {what} {}x{} {:?}", self.images, self.channels, self.window);
            assert_close(&found[0], expected, &what);
            let without: Vec<f64> = expected.iter().zip(&self.add).map(|(dx, &add)| dx - f64::from(add)).collect();
            assert_close(&found[1], &without, &what);
        }
    }
}

#[test]
fn gradients_of_windows() {
    for window in windows() {
        for (images, channels, steps) in [(1, 1, 2.0), (7, 3, 3.0), (1, 17, 1e6), (2, 33, 4.0)] {
            let problem = Problem::new(window, images, channels, steps);
            let Problem { x, dy, .. } = &problem;
            let first_of_largest = |under: &[f32], index: usize, _| {
                let winner = (0..under.len()).rev().max_by(|&a, &b| under[a].total_cmp(&under[b]));
                f64::from(u8::from(winner == Some(index)))
            };
            problem.check(&problem.expected(first_of_largest), "max", |isa, add, dx| {
                max_pool_gradient(isa, &window, channels, x, dy, add, dx);
            });
            let expected = problem.expected(|under, _, _| 1.0 / under.len() as f64);
            problem.check(&expected, "mean", |isa, add, dx| {
                average_pool_gradient(isa, &window, channels, false, dy, add, dx);
            });
            let expected = problem.expected(|_, _, padded| 1.0 / padded as f64);
            problem.check(&expected, "mean with padding", |isa, add, dx| {
                average_pool_gradient(isa, &window, channels, true, dy, add, dx);
            });
        }
    }
}

#[test]
fn equal_values_give_the_gradient_to_the_first() {
    let Some(window) = Window::new([3, 4], [2, 2], [1, 2], Padding::NONE, [1; 2], false) else { unreachable!() };
    let infinite = |x: f32| x * f32::INFINITY;
    for isa in Isa::available() {
        for x in [0.0, 5.0, infinite(1.0), infinite(-1.0)] {
            let mut dx = [f32::NAN; 12];
            max_pool_gradient(isa, &window, 1, &[x; 12], &[1.0, 2.0, 3.0, 4.0], None, &mut dx);
            assert_eq!(dx, [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0], "{isa} {x}");
        }
    }
}

#[test]
fn mean_of_positions() {
    for isa in Isa::available() {
        for (images, positions, skip, channels) in [(1, 1, 0, 1), (7, 5, 1, 3), (1, 300, 2, 17), (2, 49, 0, 33)] {
            let len = images * positions * channels;
            let (x, dy, add) = (values(1, len), values(2, images * channels), values(3, len));
            let mut forward = vec![f32::NAN; dy.len()];
            let rows = Rows::new(&x, channels);
            mean_positions(isa, rows, positions, skip, channels, 0..images, RowsMut::new(&mut forward, channels));
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; dy.len()], vec![f32::NAN; len], vec![f32::NAN; len]];
                mean_positions_forward(isa, &x, positions, skip, channels, &mut found[0]);
                mean_positions_gradient(isa, &dy, positions, skip, channels, None, &mut found[1]);
                mean_positions_gradient(isa, &dy, positions, skip, channels, Some(&add), &mut found[2]);
                found
            });
            assert_eq!(bits(&found[0]), bits(&forward), "{isa}");
            let share = |i: usize| {
                let (image, position) = (i / (positions * channels), i / channels % positions);
                let dy = f64::from(dy[image * channels + i % channels]);
                if position < skip { 0.0 } else { dy / (positions - skip) as f64 }
            };
            let expected: Vec<f64> = (0..len).map(share).collect();
            assert_close(&found[1], &expected, "mean");
            let with_add: Vec<f64> = expected.iter().zip(&add).map(|(dx, &add)| dx + f64::from(add)).collect();
            assert_close(&found[2], &with_add, "mean with a summand");
        }
    }
}

#[test]
fn forward_has_the_bits_of_the_kernels() {
    for isa in Isa::available() {
        for window in windows() {
            for (images, channels) in [(1, 1), (7, 33), (2, 600)] {
                let x = values(1, images * window.input_pixels() * channels);
                let rows = images * window.output_pixels();
                let mut expected = vec![vec![f32::NAN; rows * channels]; 2];
                max_pool(isa, &window, channels, &x, 0..rows, RowsMut::new(&mut expected[0], channels));
                average_pool(isa, &window, channels, &x, 0..rows, RowsMut::new(&mut expected[1], channels), true);
                let found = on_threads(|| {
                    let mut found = vec![vec![f32::NAN; rows * channels]; 2];
                    max_pool_forward(isa, &window, channels, &x, &mut found[0]);
                    average_pool_forward(isa, &window, channels, &x, true, &mut found[1]);
                    found
                });
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(bits(found), bits(expected), "{isa} {window:?}");
                }
            }
        }
    }
}
