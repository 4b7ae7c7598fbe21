//! Layer normalisation into halves: a few rows at a time in `f32`, then rounded.

use super::rounding::convert;
use crate::kernels::{Isa, Rows, RowsMut, Scratch, layer_norm};

/// Rows that are normalised before they are rounded.
const ROWS: usize = 16;

/// As [`layer_norm`] over all `rows` rows, rounded into `output`.
pub fn bf16_layer_norm(
    isa: Isa,
    input: Rows<'_>,
    rows: usize,
    (weight, bias, epsilon): (&[f32], &[f32], f64),
    output: &mut [u16],
    scratch: &mut Scratch,
) {
    let channels = weight.len();
    assert_eq!(output.len(), rows * channels, "{rows} rows of {channels} channels");
    scratch.rows.grow(ROWS * channels);
    for (block, to) in output.chunks_mut((ROWS * channels).max(1)).enumerate() {
        let range = block * ROWS..rows.min((block + 1) * ROWS);
        let values = &mut scratch.rows[..to.len()];
        layer_norm(isa, input, range, weight, bias, epsilon, RowsMut::new(values, channels));
        convert(isa, values, to);
    }
}
