//! Geometry of a sliding window over a map: where each output pixel reads, for convolutions and pools alike.

use crate::Padding;

/// A window at work on maps of one size. Pairs are `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Pixels of the input.
    pub input: [usize; 2],
    /// Pixels of the output.
    pub output: [usize; 2],
    /// Pixels of the window.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Padding before the first pixel. The kernels also take a negative one, in two's complement: the windows of an input gradient
    /// may start after the first pixel.
    pub before: [usize; 2],
    /// Padding after the last pixel.
    pub after: [usize; 2],
    /// Distance of the window's pixels.
    pub dilation: [usize; 2],
}

impl Window {
    /// The window over maps of `input` pixels. `ceil` rounds the output side up, but no window starts beyond the map and the
    /// padding before it. `None` where the window is larger than the padded map or a length is zero.
    #[must_use]
    pub fn new(
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: Padding,
        dilation: [usize; 2],
        ceil: bool,
    ) -> Option<Self> {
        let mut window = Self { input, output: [0; 2], kernel, stride, before: [0; 2], after: [0; 2], dilation };
        for axis in 0..2 {
            if input[axis] == 0 || kernel[axis] == 0 || stride[axis] == 0 || dilation[axis] == 0 {
                return None;
            }
            let extent = (kernel[axis] - 1) * dilation[axis] + 1;
            (window.before[axis], window.after[axis]) = match padding {
                Padding::Explicit([top, bottom, left, right]) => [(top, bottom), (left, right)][axis],
                Padding::Same => same(input[axis], extent, stride[axis]),
            };
            let room = (input[axis] + window.before[axis] + window.after[axis]).checked_sub(extent)?;
            let steps = if ceil { room.div_ceil(stride[axis]) } else { room / stride[axis] };
            let beyond = steps * stride[axis] >= input[axis] + window.before[axis];
            window.output[axis] = steps + usize::from(!(ceil && beyond && steps > 0));
        }
        Some(window)
    }

    /// Whether every output pixel reads exactly the input pixel of the same place.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.before == [0, 0] && self.after == [0, 0]
    }

    /// Pixels of one output map.
    #[must_use]
    pub const fn output_pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Pixels of one input map.
    #[must_use]
    pub const fn input_pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Image, row and column of output pixel `row` of a batch.
    pub(crate) const fn place(&self, row: usize) -> (usize, usize, usize) {
        let pixel = row % self.output_pixels();
        (row / self.output_pixels(), pixel / self.output[1], pixel % self.output[1])
    }

    /// The window's pixels `first..end` along `axis` that lie inside the map for output coordinate `at`.
    pub(crate) fn inside(&self, axis: usize, at: usize) -> std::ops::Range<usize> {
        // Where the window starts, in pixels of the map: a negative padding is a start after its first pixel.
        let start = (at * self.stride[axis]).wrapping_sub(self.before[axis]) as isize;
        let dilation = self.dilation[axis];
        let first = start.min(0).unsigned_abs().div_ceil(dilation);
        let end = (self.input[axis] as isize - start).max(0) as usize;
        let end = end.div_ceil(dilation).min(self.kernel[axis]);
        first.min(end)..end
    }

    /// Number of images that a batch of `values` values of `channels` channels holds.
    pub(crate) fn images(&self, values: usize, channels: usize) -> usize {
        values / (self.input_pixels() * channels).max(1)
    }
}

/// TensorFlow's SAME: the output side is `ceil(input / stride)`, and the odd pixel goes after the map.
fn same(input: usize, extent: usize, stride: usize) -> (usize, usize) {
    let output = input.div_ceil(stride);
    let total = ((output - 1) * stride + extent).saturating_sub(input);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sides() {
        struct Case(usize, usize, usize, Padding, usize, bool, usize);
        let cases = [
            Case(224, 7, 2, Padding::all(3), 1, false, 112),
            Case(224, 3, 2, Padding::Same, 1, false, 112),
            Case(225, 3, 2, Padding::Same, 1, false, 113),
            Case(112, 3, 2, Padding::all(1), 1, false, 56),
            Case(109, 3, 2, Padding::NONE, 1, true, 54),
            Case(110, 3, 2, Padding::NONE, 1, true, 55),
            Case(110, 3, 2, Padding::NONE, 1, false, 54),
            Case(4, 1, 3, Padding::all(1), 1, true, 2),
            Case(7, 2, 2, Padding::all(1), 1, true, 4),
            Case(16, 3, 1, Padding::all(2), 2, false, 16),
            Case(5, 5, 1, Padding::NONE, 1, false, 1),
        ];
        for Case(input, kernel, stride, padding, dilation, ceil, expected) in cases {
            let window = Window::new([input; 2], [kernel; 2], [stride; 2], padding, [dilation; 2], ceil).unwrap();
            assert_eq!(window.output, [expected; 2], "{window:?}");
        }
        assert!(Window::new([4, 4], [5, 5], [1, 1], Padding::NONE, [1, 1], false).is_none());
        assert!(Window::new([4, 4], [3, 3], [0, 1], Padding::NONE, [1, 1], false).is_none());
    }

    #[test]
    fn inside_counts_only_pixels_of_the_map() {
        for (padding, dilation, stride) in [(0, 1, 1), (1, 1, 2), (3, 2, 1), (4, 3, 3), (2, 1, 5)] {
            let Some(window) = Window::new([7, 9], [3, 4], [stride; 2], Padding::all(padding), [dilation; 2], true)
            else {
                continue;
            };
            for axis in 0..2 {
                for at in 0..window.output[axis] {
                    let inside = (0..window.kernel[axis]).filter(|tap| {
                        let position = (at * stride + tap * dilation) as isize - padding as isize;
                        (0..window.input[axis] as isize).contains(&position)
                    });
                    assert!(inside.eq(window.inside(axis, at)), "{window:?} {axis} {at}");
                }
            }
        }
    }
}
