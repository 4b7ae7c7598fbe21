//! A sliding window over a map: output sides and the padding that applies, by PyTorch's and TensorFlow's rules.

use crate::Padding;

/// A window's parameters, before the input's size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding,
    pub dilation: [usize; 2],
    pub ceil: bool,
}

/// A window placed on a map of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Output height and width.
    pub output: [usize; 2],
    /// Zero pixels above and to the left.
    pub before: [usize; 2],
    /// Zero pixels below and to the right.
    pub after: [usize; 2],
}

impl Window {
    /// Places the window on a map of `input` height and width. `None` when the window does not fit or a step is zero.
    pub fn place(&self, input: [usize; 2]) -> Option<Placed> {
        let mut placed = Placed { output: [0; 2], before: [0; 2], after: [0; 2] };
        for axis in 0..2 {
            let (output, before, after) = self.place_axis(axis, input[axis])?;
            placed.output[axis] = output;
            placed.before[axis] = before;
            placed.after[axis] = after;
        }
        Some(placed)
    }

    fn place_axis(&self, axis: usize, input: usize) -> Option<(usize, usize, usize)> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        if kernel == 0 || stride == 0 || self.dilation[axis] == 0 || input == 0 {
            return None;
        }
        let span = (kernel - 1).checked_mul(self.dilation[axis])?.checked_add(1)?;
        match self.padding {
            Padding::Same => {
                let output = input.div_ceil(stride);
                let total = ((output - 1) * stride + span).saturating_sub(input);
                Some((output, total / 2, total - total / 2))
            }
            Padding::Explicit(sides) => {
                let (before, after) = (sides[2 * axis], sides[2 * axis + 1]);
                let free = (input + before + after).checked_sub(span)?;
                let mut output = if self.ceil { free.div_ceil(stride) } else { free / stride } + 1;
                // A window that starts in the padding after the map is dropped, as PyTorch does.
                if self.ceil && (output - 1) * stride >= input + before {
                    output -= 1;
                }
                Some((output, before, after))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        input: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        dilation: usize,
        ceil: bool,
        expected: Option<(usize, usize)>,
    }

    #[test]
    fn places_windows_as_the_frameworks_do() {
        let explicit = |pixels| Padding::all(pixels);
        let case = |input, kernel, stride, padding, dilation, ceil, expected| Case {
            input,
            kernel,
            stride,
            padding,
            dilation,
            ceil,
            expected,
        };
        let cases = [
            case(224, 7, 2, explicit(3), 1, false, Some((112, 3))),
            case(112, 3, 2, explicit(1), 1, false, Some((56, 1))),
            case(111, 3, 2, explicit(0), 1, false, Some((55, 0))),
            case(112, 3, 2, explicit(0), 1, true, Some((56, 0))),
            case(3, 2, 2, explicit(1), 1, true, Some((2, 1))),
            case(128, 3, 2, Padding::Same, 1, false, Some((64, 0))),
            case(7, 3, 2, Padding::Same, 1, false, Some((4, 1))),
            case(9, 3, 1, explicit(2), 2, false, Some((9, 2))),
            case(2, 3, 1, explicit(0), 1, false, None),
        ];
        for c in cases {
            let window = Window {
                kernel: [c.kernel; 2],
                stride: [c.stride; 2],
                padding: c.padding,
                dilation: [c.dilation; 2],
                ceil: c.ceil,
            };
            let placed = window.place([c.input; 2]).map(|p| (p.output[0], p.before[0]));
            assert_eq!(placed, c.expected, "input {} kernel {} stride {}", c.input, c.kernel, c.stride);
        }
    }
}
