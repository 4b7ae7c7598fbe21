//! The final head on selected columns: ridge-penalised logistic regression. It is invariant to rotations, so with more columns
//! than rows only their Gram matrix is needed; weights are formed once, for the head that is kept.

use super::super::HeadError;
use super::super::affine::{ABSENT_LOGIT, Affine, logistic_path};
use super::super::dense::{Matrix, add_gram};
use super::super::logistic::{Design, path};
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
    let (own, cross) = centred(&gram, rows.positions, held);
    let solutions = path(Design::Dual(&own), rows.labels, rows.classes, penalties, COMPARE_TOLERANCE)?;
    let logits = solutions.iter().map(|solution| {
        let image = cross.times(&solution.weights, rows.classes);
        let mut out = vec![ABSENT_LOGIT as f32; held.len() * classes];
        for (row, image) in image.chunks(rows.classes).enumerate() {
            for ((&class, value), bias) in present.iter().zip(image).zip(&solution.bias) {
                out[row * classes + class] = (value + bias) as f32;
            }
        }
        out
    });
    Ok(logits.collect())
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

/// The Gram matrix of the fitted rows, centred and scaled to mean square norm 1, and the products of held rows with them.
pub(super) fn centred(gram: &Matrix, fitted: &[usize], held: &[usize]) -> (Matrix, Matrix) {
    let size = gram.rows;
    let at = |a: usize, b: usize| f64::from(gram.values[a.max(b) * size + a.min(b)]);
    let count = fitted.len() as f64;
    let means: Vec<f64> =
        (0..size).map(|row| fitted.iter().map(|&other| at(row, other)).sum::<f64>() / count).collect();
    let grand = fitted.iter().map(|&row| means[row]).sum::<f64>() / count;
    let centre = |a: usize, b: usize| at(a, b) - means[a] - means[b] + grand;
    let square = fitted.iter().map(|&row| centre(row, row)).sum::<f64>() / count;
    let scale = if square > 0.0 { 1.0 / square } else { 1.0 };
    let products = |rows: &[usize]| Matrix {
        rows: rows.len(),
        columns: fitted.len(),
        values: rows
            .iter()
            .flat_map(|&row| fitted.iter().map(move |&other| (row, other)))
            .map(|(row, other)| (centre(row, other) * scale) as f32)
            .collect(),
    };
    (products(fitted), products(held))
}
