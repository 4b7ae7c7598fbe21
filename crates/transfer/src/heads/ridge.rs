//! Ridge regression on centred one-hot labels. One eigendecomposition serves every penalty; leave-one-out predictions are
//! exact and closed-form; probabilities are a softmax whose temperature is fitted on those predictions.
//!
//! With centred features `X` (`n` rows), centred one-hot labels `Y` and `a = n * penalty * m` (`m`: mean square row norm):
//!
//! ```text
//! W = (X^T X + a I)^-1 X^T Y         X = Z V^T,  Z^T Z = diag(s)
//!   = V diag(1/(s + a)) Z^T Y
//! h_i = 1/n + sum_j z_ij^2 / (s_j + a)                     leverage, the free intercept included
//! prediction of row i without row i = y_i - (y_i - yhat_i) / (1 - h_i)
//! ```

use heirloom_matrix::{Mat, product};

use super::affine::{Affine, Centred, compress};
use super::choice::{Setting, choose, settings};
use super::dense::standardise_rows;
use super::eigen::{Rotation, rotate};
use super::input::{Input, gather_training};
use super::linear::{half_decades, sorted_penalties};
use super::normalization::Normalization;
use super::temperature::fit_temperature;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Settings of `ridge`.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeSettings {
    /// Relative penalties to choose from.
    pub penalties: Vec<f64>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for RidgeSettings {
    fn default() -> Self {
        Self { penalties: half_decades(2, -12), normalization: Normalization::UnitVector }
    }
}

/// Fits `ridge` with the penalty chosen by leave-one-out.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &RidgeSettings,
) -> Result<Fitted, HeadError> {
    let penalties = sorted_penalties(&settings_of.penalties)?;
    let (mut rows, normalizer) = gather_training(training.features, &inputs, &checked.rows, settings_of.normalization)?;
    let (means, norm) = standardise_rows(&mut rows);
    let (local, present) = compress(&checked.labels);
    let system = System::new(rotate(&rows)?, &local, present.len());
    let mut temperatures = Vec::with_capacity(penalties.len());
    let mut candidates = Vec::with_capacity(penalties.len());
    for &penalty in &penalties {
        let held_out = expand(&system.leave_one_out(penalty), &present, checked.classes);
        let temperature = fit_temperature(&held_out, checked.classes, &checked.labels).value;
        let scaled = held_out.iter().map(|&value| (f64::from(value) / temperature) as f32).collect();
        candidates.push((settings([("penalty", Setting::Number(penalty))]), scaled));
        temperatures.push(temperature);
    }
    let choice = choose(checked, candidates);
    let model = system.solve(penalties[choice.chosen], temperatures[choice.chosen]);
    let rule = Affine::expand(&model, &means, norm, &present, checked.classes);
    let head = Head::new(Method::Ridge, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// Predictions of the classes present, spread over all classes; an absent class is predicted as 0, like a wrong one.
fn expand(predictions: &Mat<f64>, present: &[usize], classes: usize) -> Vec<f32> {
    let mut out = vec![0.0_f32; predictions.nrows() * classes];
    for row in 0..predictions.nrows() {
        for (position, &class) in present.iter().enumerate() {
            out[row * classes + class] = predictions[(row, position)] as f32;
        }
    }
    out
}

/// Everything that does not depend on the penalty.
struct System {
    rotation: Rotation,
    labels: Vec<usize>,
    /// Share of each class.
    shares: Vec<f64>,
    /// `Z^T Y`, `[rank, classes]`.
    moments: Mat<f64>,
}

impl System {
    fn new(rotation: Rotation, labels: &[usize], classes: usize) -> Self {
        let count = labels.len() as f64;
        let mut shares = vec![0.0; classes];
        labels.iter().for_each(|&label| shares[label] += 1.0 / count);
        let targets =
            Mat::from_fn(labels.len(), classes, |row, class| f64::from(u8::from(labels[row] == class)) - shares[class]);
        let moments = product(rotation.rows.transpose(), targets.as_ref());
        Self { rotation, labels: labels.to_vec(), shares, moments }
    }

    /// The penalty on the sum of squares; rows have mean square norm 1.
    fn absolute(&self, penalty: f64) -> f64 {
        penalty * self.labels.len() as f64
    }

    /// `diag(1/(s + a)) Z^T Y`.
    fn rotated_weights(&self, penalty: f64) -> Mat<f64> {
        let absolute = self.absolute(penalty);
        let values = &self.rotation.values;
        Mat::from_fn(values.len(), self.shares.len(), |i, class| self.moments[(i, class)] / (values[i] + absolute))
    }

    /// Prediction of each row by the model fitted without it.
    fn leave_one_out(&self, penalty: f64) -> Mat<f64> {
        let absolute = self.absolute(penalty);
        let rows = &self.rotation.rows;
        let mut fitted = product(rows.as_ref(), self.rotated_weights(penalty).as_ref());
        for row in 0..fitted.nrows() {
            let own = rows.row(row).iter().zip(&self.rotation.values).map(|(z, s)| z * z / (s + absolute)).sum::<f64>();
            let left = (1.0 - 1.0 / self.labels.len() as f64 - own).max(f64::EPSILON);
            for class in 0..self.shares.len() {
                let target = f64::from(u8::from(self.labels[row] == class));
                fitted[(row, class)] = target - (target - self.shares[class] - fitted[(row, class)]) / left;
            }
        }
        fitted
    }

    /// Weights and bias, divided by the temperature.
    fn solve(&self, penalty: f64, temperature: f64) -> Centred {
        let weights = product(self.rotation.basis.as_ref(), self.rotated_weights(penalty).as_ref());
        let flat =
            (0..weights.nrows()).flat_map(|row| weights.row(row).iter().map(|w| w / temperature).collect::<Vec<_>>());
        Centred { weights: flat.collect(), bias: self.shares.iter().map(|share| share / temperature).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dense::Matrix;
    use super::*;

    fn sample(rows: usize, columns: usize) -> Matrix {
        let values = (0..rows * columns).map(|i| ((i * 53 % 97) as f32 - 48.0) / 31.0).collect();
        Matrix { rows, columns, values }
    }

    /// Prediction of one row by a model fitted on the others with the same absolute penalty, by plain normal equations.
    fn brute_force(matrix: &Matrix, labels: &[usize], classes: usize, row: usize, absolute: f64) -> Vec<f64> {
        let others: Vec<usize> = (0..matrix.rows).filter(|&other| other != row).collect();
        let count = others.len() as f64;
        let mean = |column: usize| others.iter().map(|&r| f64::from(matrix.row(r)[column])).sum::<f64>() / count;
        let means: Vec<f64> = (0..matrix.columns).map(mean).collect();
        let x = Mat::from_fn(others.len(), matrix.columns, |i, j| f64::from(matrix.row(others[i])[j]) - means[j]);
        let share = |class: usize| others.iter().filter(|&&r| labels[r] == class).count() as f64 / count;
        let y = Mat::from_fn(others.len(), classes, |i, c| f64::from(u8::from(labels[others[i]] == c)) - share(c));
        let mut normal = product(x.transpose(), x.as_ref());
        (0..matrix.columns).for_each(|j| normal[(j, j)] += absolute);
        let mut system = product(x.transpose(), y.as_ref());
        // Gaussian elimination; the matrix is positive definite, so no pivoting is needed.
        for pivot in 0..matrix.columns {
            for below in pivot + 1..matrix.columns {
                let factor = normal[(below, pivot)] / normal[(pivot, pivot)];
                for j in pivot..matrix.columns {
                    normal[(below, j)] -= factor * normal[(pivot, j)];
                }
                for c in 0..classes {
                    system[(below, c)] -= factor * system[(pivot, c)];
                }
            }
        }
        for pivot in (0..matrix.columns).rev() {
            for c in 0..classes {
                let known: f64 = (pivot + 1..matrix.columns).map(|j| normal[(pivot, j)] * system[(j, c)]).sum();
                system[(pivot, c)] = (system[(pivot, c)] - known) / normal[(pivot, pivot)];
            }
        }
        let centred = |j: usize| f64::from(matrix.row(row)[j]) - means[j];
        (0..classes).map(|c| share(c) + (0..matrix.columns).map(|j| centred(j) * system[(j, c)]).sum::<f64>()).collect()
    }

    #[test]
    fn leave_one_out_equals_refitting_without_the_row() {
        for (rows, columns) in [(14, 5), (9, 12)] {
            let mut matrix = sample(rows, columns);
            let labels: Vec<usize> = (0..rows).map(|i| (i * i + 1) % 3).collect();
            let (local, present) = compress(&labels);
            standardise_rows(&mut matrix);
            let system = System::new(rotate(&matrix).unwrap(), &local, present.len());
            for penalty in [1e-3, 0.1, 3.0] {
                let held_out = system.leave_one_out(penalty);
                for row in 0..rows {
                    let expected = brute_force(&matrix, &local, present.len(), row, system.absolute(penalty));
                    for class in 0..present.len() {
                        let difference = (held_out[(row, class)] - expected[class]).abs();
                        // The mean is taken away in single precision.
                        assert!(difference < 1e-5, "{rows}x{columns} penalty {penalty} row {row}: {difference}");
                    }
                }
            }
        }
    }
}
