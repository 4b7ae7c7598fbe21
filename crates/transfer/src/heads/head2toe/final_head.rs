//! The final head on selected columns: ridge-penalised logistic regression. It is invariant to rotations, so with more columns
//! than rows only their Gram matrix is needed; weights are formed once, for the head that is kept.

use super::super::HeadError;
use super::super::affine::{Affine, Part, logistic_by_gram, logistic_path};
use super::super::dense::{Matrix, add_gram};
use super::group_lasso::Rows;
use super::panel::Panel;

/// Columns gathered before they are added to the Gram matrix.
const GRAM_COLUMNS: usize = 2048;

/// Objective tolerance of a comparison, in nats per row.
pub(super) const COMPARE_TOLERANCE: f64 = 1e-4;

/// Logits `[held rows, classes]` for each penalty (strong to weak), from heads fitted on `rows` over the selected columns.
pub(super) fn held_out(
    panel: &Panel<'_>,
    selected: &[usize],
    rows: &Rows<'_>,
    present: &[usize],
    held: &[usize],
    classes: usize,
    penalties: &[f64],
) -> Result<Vec<Vec<f32>>, HeadError> {
    if selected.len() <= rows.positions.len() {
        let matrix = panel.selected(selected);
        let labels: Vec<usize> = rows.labels.iter().map(|&label| present[label]).collect();
        let kept = matrix.select_rows(rows.positions);
        let rules = logistic_path(kept, &labels, classes, penalties, COMPARE_TOLERANCE)?;
        let held = matrix.select_rows(held);
        return Ok(rules.iter().map(|rule| rule.logits(&held)).collect());
    }
    let gram = gram(panel, selected);
    let part = Part { fitted: rows.positions, labels: rows.labels, present, held, classes };
    logistic_by_gram(&gram, &part, penalties, COMPARE_TOLERANCE)
}

/// The head on all of the panel's rows at the last of `penalties`.
pub(super) fn fit(
    panel: &Panel<'_>,
    selected: &[usize],
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
) -> Result<Affine, HeadError> {
    let rules = logistic_path(panel.selected(selected), labels, classes, penalties, tolerance)?;
    rules.into_iter().next_back().ok_or(HeadError::NoRows)
}

/// Gram matrix of all rows over the selected columns, lower triangle, taps renormalised.
pub(super) fn gram(panel: &Panel<'_>, selected: &[usize]) -> Matrix {
    let mut gram = Matrix::zeros(panel.rows(), panel.rows());
    let mut waiting: Vec<Matrix> = Vec::new();
    let mut width = 0;
    for part in panel.selected_by_tap(selected) {
        width += part.columns;
        waiting.push(part);
        if width >= GRAM_COLUMNS {
            add_gram(&beside(&waiting, width), &mut gram);
            waiting.clear();
            width = 0;
        }
    }
    if width > 0 {
        add_gram(&beside(&waiting, width), &mut gram);
    }
    gram
}

/// Matrices with the same rows, side by side.
fn beside(parts: &[Matrix], width: usize) -> Matrix {
    let rows = parts.first().map_or(0, |part| part.rows);
    let mut out = Matrix::zeros(rows, width);
    let mut offset = 0;
    for part in parts {
        for row in 0..rows {
            let start = row * width + offset;
            out.values[start..start + part.columns].copy_from_slice(part.row(row));
        }
        offset += part.columns;
    }
    out
}
