//! The rule most heads end in, `logits = x W + b`, and the logistic path fitted to it.

use super::HeadError;
use super::dense::{Matrix, centred_gram, standardise_rows};
use super::given::RowTerms;
use super::logistic::{self, Design};

/// Logit of a class without a training row: far below any other, yet finite.
pub(crate) const ABSENT_LOGIT: f64 = -1e4;

/// Weights `[columns, classes]`, row-major, and bias `[classes]`, on normalised features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine {
    pub classes: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Affine {
    /// Logits `[rows, classes]`. Each row is one fixed chain of sums, so that its bits do not depend on its neighbours.
    pub fn logits(&self, rows: &Matrix) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.rows * self.classes);
        let mut sums = vec![0.0_f64; self.classes];
        for row in 0..rows.rows {
            sums.iter_mut().zip(&self.bias).for_each(|(sum, &bias)| *sum = f64::from(bias));
            for (&value, weights) in rows.row(row).iter().zip(self.weights.chunks(self.classes)) {
                let value = f64::from(value);
                sums.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += value * f64::from(weight));
            }
            out.extend(sums.iter().map(|&sum| sum as f32));
        }
        out
    }

    /// The rule whose logits are these divided by a temperature; a class without a row stays where it is.
    pub fn divided(mut self, temperature: f64) -> Self {
        let divide = |value: &mut f32| *value = (f64::from(*value) / temperature) as f32;
        self.weights.iter_mut().for_each(divide);
        self.bias.iter_mut().filter(|bias| f64::from(**bias) > ABSENT_LOGIT).for_each(divide);
        self
    }

    /// The rule for a model on centred, scaled rows of the classes `present`, brought back to normalised features.
    pub fn expand(model: &Centred, means: &[f64], norm: f64, present: &[usize], classes: usize) -> Self {
        let (local, columns) = (present.len(), means.len());
        let mut weights = vec![0.0_f32; columns * classes];
        let mut bias = vec![ABSENT_LOGIT as f32; classes];
        for (position, &class) in present.iter().enumerate() {
            let mut shift = 0.0;
            for column in 0..columns {
                let weight = model.weights[column * local + position] / norm;
                weights[column * classes + class] = weight as f32;
                shift += weight * means[column];
            }
            bias[class] = (model.bias[position] - shift) as f32;
        }
        Self { classes, weights, bias }
    }
}

/// Weights `[columns, present classes]` and bias on rows that were centred and scaled.
#[derive(Debug, Clone)]
pub(crate) struct Centred {
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
}

/// Labels renumbered over the classes that occur, and those classes.
pub(crate) fn compress(labels: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut present = labels.to_vec();
    present.sort_unstable();
    present.dedup();
    let local = labels.iter().map(|label| present.partition_point(|class| class < label)).collect();
    (local, present)
}

/// Fits logistic regression on normalised `rows` for each penalty, strong to weak.
///
/// A penalty here is relative: it multiplies `m/2 ||W||^2` with `m` the mean square norm of the centred rows, so the same
/// grid serves features of any scale.
pub(crate) fn logistic_path(
    rows: Matrix,
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
) -> Result<Vec<Affine>, HeadError> {
    logistic_path_on(rows, labels, classes, penalties, tolerance, None)
}

/// The same with what is known of the rows besides their labels.
pub(crate) fn logistic_path_on(
    rows: Matrix,
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
    terms: Option<&RowTerms>,
) -> Result<Vec<Affine>, HeadError> {
    centred_path(rows, labels, classes, |design, labels, classes| {
        let solutions = logistic::path(design, labels, classes, penalties, tolerance, terms)?;
        Ok(solutions.into_iter().map(|one| Centred { weights: one.weights, bias: one.bias }).collect())
    })
}

/// Rows to fit on and rows to judge, by place among those of a Gram matrix.
pub(crate) struct Part<'a> {
    pub fitted: &'a [usize],
    /// Class of each fitted row among `present`.
    pub labels: &'a [usize],
    /// The classes that the fitted rows have.
    pub present: &'a [usize],
    pub held: &'a [usize],
    pub classes: usize,
}

/// Logits `[held rows, classes]` for each penalty, strong to weak, by [`logistic_path`] on the fitted rows; their Gram matrix is enough.
pub(crate) fn logistic_by_gram(
    gram: &Matrix,
    part: &Part<'_>,
    penalties: &[f64],
    tolerance: f64,
) -> Result<Vec<Vec<f32>>, HeadError> {
    let (own, cross) = centred_gram(gram, part.fitted, part.held);
    let present = part.present.len();
    let solutions = logistic::path(Design::Dual(&own), part.labels, present, penalties, tolerance, None)?;
    let logits = solutions.iter().map(|solution| {
        let image = cross.times(&solution.weights, present);
        let mut out = vec![ABSENT_LOGIT as f32; part.held.len() * part.classes];
        for (row, image) in image.chunks(present).enumerate() {
            for ((&class, value), bias) in part.present.iter().zip(image).zip(&solution.bias) {
                out[row * part.classes + class] = (value + bias) as f32;
            }
        }
        out
    });
    Ok(logits.collect())
}

/// Rules by `solve`, which is given the centred rows (or their Gram matrix, where that is smaller), the labels of the classes present
/// from 0 on, and the number of those classes; its weights belong to columns or, for the Gram matrix, to rows.
pub(crate) fn centred_path(
    mut rows: Matrix,
    labels: &[usize],
    classes: usize,
    solve: impl FnOnce(Design<'_>, &[usize], usize) -> Result<Vec<Centred>, HeadError>,
) -> Result<Vec<Affine>, HeadError> {
    let (local, present) = compress(labels);
    let (means, norm) = standardise_rows(&mut rows);
    let dual = rows.rows < rows.columns;
    let gram = if dual { rows.gram() } else { Matrix::default() };
    let design = if dual { Design::Dual(&gram) } else { Design::Primal(&rows) };
    let expanded = solve(design, &local, present.len())?.into_iter().map(|Centred { weights, bias }| {
        let weights = if dual { rows.transposed_times(&weights, present.len()) } else { weights };
        Affine::expand(&Centred { weights, bias }, &means, norm, &present, classes)
    });
    Ok(expanded.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TV9 of `spec/robustness.md`, the mean-loss form with lambda = 1.
    #[test]
    fn six_rows_reach_the_known_optimum() {
        let values = vec![0., 1., 1., 0., 2., 1., 3., 3., 4., 2., 1., 4.];
        let rows = Matrix { rows: 6, columns: 2, values };
        let square = standardise_rows(&mut rows.clone()).1.powi(2);
        let path = logistic_path(rows, &[0, 0, 1, 2, 1, 2], 3, &[10.0 / square, 1.0 / square], 1e-12).unwrap();
        let expected = [-0.263_004_119, 0.249_321_279, 0.013_682_839, -0.252_277_355, -0.096_899_922, 0.349_177_277];
        for (weight, expected) in path[1].weights.iter().zip(expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} {expected}");
        }
        for (bias, expected) in path[1].bias.iter().zip([0.899_972_47, -0.232_207_693, -0.667_764_777]) {
            assert!((f64::from(*bias) - expected).abs() < 1e-5, "{bias} {expected}");
        }
    }

    /// The same optimum from the primal (many rows) and the dual (many columns, here zeros).
    #[test]
    fn primal_and_dual_agree() {
        let narrow: Vec<f32> = (0..12 * 4).map(|i| ((i * 31 % 17) as f32 - 8.0) / 5.0).collect();
        let wide: Vec<f32> = narrow.chunks(4).flat_map(|row| row.iter().copied().chain([0.0; 20])).collect();
        let labels: Vec<usize> = (0..12).map(|i| (i * 5 / 3) % 3).collect();
        let penalties = [1.0, 0.1, 0.01];
        let fit = |columns, values| {
            logistic_path(Matrix { rows: 12, columns, values }, &labels, 3, &penalties, 1e-12).unwrap()
        };
        let (primal, dual) = (fit(4, narrow), fit(24, wide));
        for (primal, dual) in primal.iter().zip(&dual) {
            for (left, right) in primal.weights.iter().zip(&dual.weights) {
                // Rounding of single-precision products, 1e-7 a term, divided by the smallest penalty.
                assert!((left - right).abs() < 1e-3, "{left} {right}");
            }
        }
    }

    #[test]
    fn a_class_without_rows_gets_no_weight_and_the_lowest_logit() {
        let rows = Matrix { rows: 4, columns: 1, values: vec![0.0, 1.0, 2.0, 3.0] };
        let path = logistic_path(rows.clone(), &[0, 0, 2, 2], 4, &[0.1], 1e-8).unwrap();
        let logits = path[0].logits(&rows);
        for row in logits.chunks(4) {
            assert_eq!((row[1], row[3]), (-1e4, -1e4));
        }
        assert!(logits[0] > logits[2] && logits[14] > logits[12]);
    }
}
