//! A matrix packed once into panels of columns, as the micro-kernels read it: all rows of one panel, then the next panel.
//! A panel is two vectors wide, the last one may be one; missing columns are zeros.

use super::gemm_tiles::TileShape;
use super::{AlignedBuffer, Isa};

/// The right-hand matrix of a product, `[depth, columns]`, packed for one instruction set.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    isa: Isa,
    depth: usize,
    columns: usize,
    values: AlignedBuffer,
}

impl PackedMatrix {
    /// Packs the matrix whose element in row `k`, column `n` is `value(k, n)`.
    #[must_use]
    pub fn new(isa: Isa, depth: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let isa = isa.clamped();
        let mut values = AlignedBuffer::zeroed(packed_len(isa, depth, columns));
        for panel in panels(isa, depth, columns) {
            for k in 0..depth {
                for n in 0..panel.width.min(columns - panel.column) {
                    values[panel.offset + k * panel.width + n] = value(k, panel.column + n);
                }
            }
        }
        Self { isa, depth, columns, values }
    }

    /// Packs the weight `[output, input]` of a linear layer: depth is `input`, columns are `output`.
    #[must_use]
    pub fn from_linear(isa: Isa, weight: &[f32], output: usize, input: usize) -> Self {
        assert_eq!(weight.len(), output * input, "weight of a linear layer [{output}, {input}]");
        Self::new(isa, input, output, |k, n| weight[n * input + k])
    }

    /// Packs the weight `[output, input, height, width]` of a convolution: depth is ordered (height, width, input).
    #[must_use]
    pub fn from_convolution(isa: Isa, weight: &[f32], output: usize, input: usize, kernel: [usize; 2]) -> Self {
        let taps = kernel[0] * kernel[1];
        assert_eq!(
            weight.len(),
            output * input * taps,
            "weight of a convolution [{output}, {input}, {}, {}]",
            kernel[0],
            kernel[1]
        );
        Self::new(isa, taps * input, output, |k, n| weight[(n * input + k % input) * taps + k / input])
    }

    /// Length of the sums: rows of the matrix.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the matrix.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// The instruction set it is packed for.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes of the packed values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }

    /// The packed values; those beyond the last column are zeros and must stay so.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    pub(crate) fn view(&self) -> PackedView<'_> {
        PackedView::new(self.isa, self.depth, self.columns, &self.values)
    }
}

/// A packed matrix in borrowed memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedView<'a> {
    pub isa: Isa,
    pub depth: usize,
    pub columns: usize,
    pub values: &'a [f32],
}

impl<'a> PackedView<'a> {
    pub(crate) fn new(isa: Isa, depth: usize, columns: usize, values: &'a [f32]) -> Self {
        assert!(values.len() >= packed_len(isa, depth, columns), "packed matrix of {} values", values.len());
        Self { isa, depth, columns, values }
    }
}

/// A panel of columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    /// First column.
    pub column: usize,
    /// Columns held, padding included.
    pub width: usize,
    /// Where its values start.
    pub offset: usize,
}

/// Values of a packed matrix, padding included.
pub(crate) fn packed_len(isa: Isa, depth: usize, columns: usize) -> usize {
    depth * columns.next_multiple_of(TileShape::of(isa).lanes)
}

/// The panels of a packed matrix in order.
pub(crate) fn panels(isa: Isa, depth: usize, columns: usize) -> impl Iterator<Item = Panel> {
    let width = 2 * TileShape::of(isa).lanes;
    (0..columns).step_by(width).map(move |column| Panel::at(isa, depth, columns, column))
}

impl Panel {
    /// The panel that starts at `column`, a multiple of two vectors.
    pub(crate) fn at(isa: Isa, depth: usize, columns: usize, column: usize) -> Self {
        let lanes = TileShape::of(isa).lanes;
        Self { column, width: if columns - column > lanes { 2 * lanes } else { lanes }, offset: column * depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_its_place_and_the_rest_is_zero() {
        for isa in Isa::available() {
            for (depth, columns) in [(1, 1), (3, 7), (5, 16), (4, 17), (2, 33), (3, 48), (2, 70)] {
                let packed = PackedMatrix::new(isa, depth, columns, |k, n| (1 + k * columns + n) as f32);
                let mut seen = 0;
                for panel in panels(isa, depth, columns) {
                    for k in 0..depth {
                        for n in 0..panel.width {
                            let expected = if panel.column + n < columns {
                                (1 + k * columns + panel.column + n) as f32
                            } else {
                                0.0
                            };
                            assert_eq!(packed.values[panel.offset + k * panel.width + n], expected);
                            seen += 1;
                        }
                    }
                }
                assert_eq!(seen, packed_len(isa, depth, columns));
            }
        }
    }

    #[test]
    fn layouts_of_pytorch() {
        let weight: Vec<f32> = (0..2 * 3 * 2 * 2).map(|i| i as f32).collect();
        let packed = PackedMatrix::from_convolution(Isa::Portable, &weight, 2, 3, [2, 2]);
        // Depth (height 1, width 0, input 2) of output 1 is weight[1][2][1][0], the sixth channel of them all.
        let k = 2 * 3 + 2;
        assert_eq!(packed.values[k * 4 + 1], weight[5 * 4 + 2]);
        let packed = PackedMatrix::from_linear(Isa::Portable, &weight, 4, 6);
        assert_eq!(packed.values[5 * 4 + 3], weight[3 * 6 + 5]);
    }
}
