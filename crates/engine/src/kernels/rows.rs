//! Views of activations as rows of channels with a constant distance, so that a kernel can read or write some channels of a
//! wider buffer (a concatenation in place, one token of each image).

/// Rows to read: row `r` starts at `values[r * stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The values, from the first of row 0.
    pub values: &'a [f32],
    /// Values between the starts of two rows.
    pub stride: usize,
}

/// Rows to write: row `r` starts at `values[r * stride]`.
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// The values, from the first of row 0.
    pub values: &'a mut [f32],
    /// Values between the starts of two rows.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `stride` values one after the other.
    #[must_use]
    pub const fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, stride }
    }

    pub(crate) fn check(&self, rows: usize, columns: usize) {
        check_rows(self.values.len(), self.stride, rows, columns);
    }
}

impl<'a> RowsMut<'a> {
    /// Rows of `stride` values one after the other.
    #[must_use]
    pub const fn new(values: &'a mut [f32], stride: usize) -> Self {
        Self { values, stride }
    }

    pub(crate) fn check(&self, rows: usize, columns: usize) {
        check_rows(self.values.len(), self.stride, rows, columns);
    }
}

/// Panics unless `rows` rows of `columns` values, `stride` apart and not overlapping, lie inside `len` values.
pub(crate) fn check_rows(len: usize, stride: usize, rows: usize, columns: usize) {
    assert!(fits(len, stride, rows, columns), "{rows} rows of {columns} values, {stride} apart, in {len}");
}

/// Whether `rows` rows of `columns` values, `stride` apart and not overlapping, lie inside `len` values.
fn fits(len: usize, stride: usize, rows: usize, columns: usize) -> bool {
    if rows == 0 {
        return true;
    }
    let last = (rows - 1).checked_mul(stride).and_then(|start| start.checked_add(columns));
    last.is_some_and(|end| end <= len) && (rows == 1 || columns <= stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_must_lie_inside_and_not_overlap() {
        assert!(fits(10, 4, 3, 2));
        assert!(!fits(9, 4, 3, 2));
        assert!(!fits(100, 4, 3, 5));
        assert!(fits(5, 4, 1, 5));
        assert!(fits(0, 0, 0, 7));
        assert!(!fits(10, usize::MAX, 3, 1));
    }
}
