//! Multinomial logistic regression with a penalty on the rows of its weights, the group lasso, solved to a certified optimum (`spec/head2toe.md` section 3):
//!
//! ```text
//! P(W, b) = (1/n) sum_i CE(softmax(h_i W + b), y_i) + lambda sum_j ||W_j||_2        (W_j: row of column j over classes)
//! D(q)    = (1/n) sum_i H(q_i),    q_i in the simplex, sum_i (q_i - y_i) = 0, ||H_j^T (q - y)/n||_2 <= lambda for all j
//! ```
//!
//! `P >= D` for every feasible pair, so `P - D` bounds the distance to the optimum. `q = y + s (p - y)` is feasible once the
//! bias is optimal (then `sum (p - y) = 0`) and `s = min(1, lambda / max_j ||H_j^T (p - y)/n||)`. With [`Penalty::Entries`] it is the
//! plain lasso: a sum of absolute values, and the largest one in place of the dual norm.
//!
//! Below a gap of 1e-4 all products are in double precision, so that the certificate holds to the digits it states. What is solved is
//! the problem of the columns as [`Panel::gather`] gives them, scaled and rounded to single precision.
//!
//! A working set of columns is solved by accelerated proximal gradient (FISTA, Beck and Teboulle 2009, with the restart of
//! O'Donoghue and Candes 2015); one product with all columns then gives the certificate and the columns that must enter.

use heirloom_matrix::{MatRef, product};

use super::super::HeadError;
use super::super::softmax::softmax_rows;
use super::centred::{Centred, DOUBLE_BELOW};
use super::panel::Panel;
use super::penalty::Penalty;

/// Columns that enter a working set at a time, at least.
const ENTER: usize = 128;
/// Passes over all columns after which a penalty is given up with an error.
const MAX_PASSES: usize = 60;
/// Steps of the accelerated method between two checks of the working set's own gap.
const STEPS_PER_CHECK: usize = 20;
/// Norm of the bias's gradient at which it counts as optimal: for the certificate, and at most for a look at the working set.
const BIAS_TOLERANCE: (f64, f64) = (1e-12, 1e-7);
/// Relative error of a loss in double precision.
const ROUNDING: f64 = 1e-13;
/// Steps after which a working set is left as it is; the next pass over all columns goes on from there.
const MAX_STEPS: usize = 2000;

/// Euclidean norm.
pub(super) fn row_norm(row: &[f64]) -> f64 {
    row.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The optimum at one penalty.
#[derive(Debug, Clone)]
pub(super) struct Optimum {
    /// Penalty as a share of `lambda_max`.
    pub ratio: f64,
    /// Columns with a nonzero row, ascending, and the norms of their rows.
    pub active: Vec<(usize, f64)>,
    /// Their weights, `[active, classes]`.
    pub weights: Vec<f64>,
    /// Bias that goes with columns as they are, not centred.
    pub bias: Vec<f64>,
    /// Dual norm of each column's gradient at the optimum; at most `lambda` up to the gap.
    pub gradient_norms: Vec<f64>,
    /// `P - D` divided by the loss of the model without weights.
    pub relative_gap: f64,
    /// Value of `P`.
    pub objective: f64,
    /// The penalty.
    pub lambda: f64,
}

/// Labels of the rows that are fitted; positions index the panel's rows.
pub(super) struct Rows<'a> {
    pub positions: &'a [usize],
    /// Class of each position, renumbered over the classes that occur.
    pub labels: &'a [usize],
    /// Number of classes that occur.
    pub classes: usize,
}

/// A point: bias, weights of the working set, and what follows from them.
struct Fit<'a> {
    panel: &'a Panel<'a>,
    rows: &'a Rows<'a>,
    penalised: Penalty,
    working: Vec<usize>,
    /// Columns of the working set, their means taken away; the bias is that of centred columns throughout.
    matrix: Centred,
    means: Vec<f64>,
    /// Whether products are computed in double precision.
    double: bool,
    weights: Vec<f64>,
    bias: Vec<f64>,
    /// Loss of the model without weights.
    null_loss: f64,
    /// Bound on the curvature in use, at most `largest_bound`.
    step_bound: f64,
    /// Half the largest eigenvalue of the working set's Gram matrix over n, which bounds the curvature everywhere (Boehning
    /// 1992).
    largest_bound: f64,
}

/// Optima for `ratios` of `lambda_max`, from the largest ratio down, each to a relative gap of at most `tolerance`.
pub(super) fn path(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    ratios: &[f64],
    tolerance: f64,
    penalised: Penalty,
) -> Result<Vec<Optimum>, HeadError> {
    walk(panel, rows, ratios.iter().map(|&ratio| (ratio, tolerance)), penalised)
}

/// The optimum at the last of `ratios` to the second tolerance; those on the way are brought to the first.
pub(super) fn last(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    ratios: &[f64],
    tolerances: (f64, f64),
    penalised: Penalty,
) -> Result<Optimum, HeadError> {
    let steps = ratios
        .iter()
        .enumerate()
        .map(|(at, &ratio)| (ratio, if at + 1 == ratios.len() { tolerances.1 } else { tolerances.0 }));
    walk(panel, rows, steps, penalised)?.pop().ok_or(HeadError::NoRows)
}

fn walk(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    steps: impl Iterator<Item = (f64, f64)>,
    penalised: Penalty,
) -> Result<Vec<Optimum>, HeadError> {
    let steps: Vec<(f64, f64)> = steps.collect();
    let mut fit = Fit::new(panel, rows, penalised);
    fit.double = steps.iter().any(|(_, tolerance)| *tolerance < DOUBLE_BELOW);
    let (residuals, _) = fit.residuals(&vec![0.0; rows.labels.len() * rows.classes]);
    let mut norms = fit.all_norms(&residuals);
    let lambda_max = norms.iter().copied().fold(0.0, f64::max);
    let mut optima = Vec::new();
    for (ratio, tolerance) in steps {
        let (optimum, end) = fit.solve(ratio, ratio * lambda_max, norms, tolerance)?;
        norms = end;
        optima.push(optimum);
    }
    Ok(optima)
}

impl<'a> Fit<'a> {
    fn new(panel: &'a Panel<'a>, rows: &'a Rows<'a>, penalised: Penalty) -> Self {
        let bias = super::super::logistic::log_frequencies(rows.labels, rows.classes);
        let mut fit = Self {
            panel,
            rows,
            penalised,
            working: vec![],
            matrix: Centred::Double { rows: rows.positions.len(), columns: 0, values: vec![] },
            means: vec![],
            double: false,
            weights: vec![],
            bias,
            null_loss: 0.0,
            step_bound: 0.0,
            largest_bound: 0.0,
        };
        fit.null_loss = fit.residuals(&vec![0.0; rows.labels.len() * rows.classes]).1;
        fit
    }

    fn count(&self) -> f64 {
        self.rows.labels.len() as f64
    }

    /// `(P - Y)/n` and the mean loss at `image + bias`.
    fn residuals(&self, image: &[f64]) -> (Vec<f64>, f64) {
        residuals_at(self.rows, image, &self.bias)
    }

    /// Dual norms of the gradient of all columns for residuals of the fitted rows.
    fn all_norms(&self, residuals: &[f64]) -> Vec<f64> {
        let classes = self.rows.classes;
        if self.double {
            return self.panel.exact_gradient_norms(residuals, self.rows.positions, classes, self.penalised);
        }
        let mut spread = vec![0.0; self.panel.rows() * classes];
        for (&position, row) in self.rows.positions.iter().zip(residuals.chunks(classes)) {
            spread[position * classes..(position + 1) * classes].copy_from_slice(row);
        }
        self.panel.gradient_norms(&spread, classes, self.penalised).into_iter().map(f64::from).collect()
    }

    fn penalty(&self) -> f64 {
        self.penalised.value(&self.weights, self.rows.classes)
    }

    fn solve(
        &mut self,
        ratio: f64,
        lambda: f64,
        mut norms: Vec<f64>,
        tolerance: f64,
    ) -> Result<(Optimum, Vec<f64>), HeadError> {
        self.double = tolerance < DOUBLE_BELOW;
        let target = tolerance * self.null_loss;
        let mut gap = f64::INFINITY;
        for _ in 0..MAX_PASSES {
            self.enter(&norms, lambda);
            self.solve_working_set(lambda, (0.6 * target).max(0.02 * gap.min(self.null_loss)));
            let image = self.matrix.times(&self.weights, self.rows.classes);
            self.optimise_bias(&image, BIAS_TOLERANCE.0);
            let (residuals, loss) = self.residuals(&image);
            norms = self.all_norms(&residuals);
            let largest = norms.iter().copied().fold(0.0, f64::max);
            let objective = loss + lambda * self.penalty();
            gap = objective - self.dual(&residuals, lambda, largest);
            if gap <= target {
                let relative_gap = gap.max(0.0) / self.null_loss;
                return Ok((self.optimum(ratio, lambda, norms.clone(), relative_gap, objective), norms));
            }
        }
        Err(HeadError::NoCertificate { ratio, passes: MAX_PASSES, relative_gap: gap / self.null_loss, tolerance })
    }

    fn optimum(&self, ratio: f64, lambda: f64, gradient_norms: Vec<f64>, relative_gap: f64, objective: f64) -> Optimum {
        let classes = self.rows.classes;
        let (mut active, mut weights, mut bias) = (Vec::new(), Vec::new(), self.bias.clone());
        for ((&column, row), mean) in self.working.iter().zip(self.weights.chunks(classes)).zip(&self.means) {
            let norm = row_norm(row);
            if norm > 0.0 {
                active.push((column, norm));
                weights.extend_from_slice(row);
                bias.iter_mut().zip(row).for_each(|(bias, weight)| *bias -= mean * weight);
            }
        }
        Optimum { ratio, active, weights, bias, gradient_norms, relative_gap, objective, lambda }
    }

    /// Drops columns that are zero and well inside the bound, adds the worst violators.
    fn enter(&mut self, norms: &[f64], lambda: f64) {
        let classes = self.rows.classes;
        let mut kept: Vec<(usize, Vec<f64>)> = self
            .working
            .iter()
            .zip(self.weights.chunks(classes))
            .filter(|(column, row)| row_norm(row) > 0.0 || norms[**column] > 0.9 * lambda)
            .map(|(&column, row)| (column, row.to_vec()))
            .collect();
        let inside: std::collections::BTreeSet<usize> = kept.iter().map(|(column, _)| *column).collect();
        let mut violators: Vec<usize> =
            (0..norms.len()).filter(|column| norms[*column] > lambda && !inside.contains(column)).collect();
        let most = ENTER.max(kept.len());
        let order = |a: &usize, b: &usize| norms[*b].total_cmp(&norms[*a]).then(a.cmp(b));
        if violators.len() > most {
            violators.select_nth_unstable_by(most - 1, order);
            violators.truncate(most);
        }
        kept.extend(violators.into_iter().map(|column| (column, vec![0.0; classes])));
        kept.sort_unstable_by_key(|(column, _)| *column);
        self.working = kept.iter().map(|(column, _)| *column).collect();
        self.weights = kept.into_iter().flat_map(|(_, row)| row).collect();
        (self.matrix, self.means) = Centred::of(self.panel.gather(&self.working, self.rows.positions), self.double);
        self.largest_bound = 0.5 * self.matrix.largest_eigenvalue() / self.count();
        self.step_bound = self.step_bound.clamp(0.1 * self.largest_bound, self.largest_bound);
    }

    /// Dual value at the feasible point that the residuals give.
    fn dual(&self, residuals: &[f64], lambda: f64, largest: f64) -> f64 {
        let scale = if largest > lambda { lambda / largest } else { 1.0 };
        let count = self.count();
        let mut entropy = 0.0;
        for (row, &label) in residuals.chunks(self.rows.classes).zip(self.rows.labels) {
            for (class, value) in row.iter().enumerate() {
                let q = f64::from(u8::from(class == label)) + scale * count * value;
                entropy -= if q > 0.0 { q * q.ln() } else { 0.0 };
            }
        }
        entropy / count
    }

    /// Damped Newton steps on the bias alone, with the image fixed.
    fn optimise_bias(&mut self, image: &[f64], tolerance: f64) {
        let classes = self.rows.classes;
        for _ in 0..20 {
            let (mut probabilities, loss) = self.residuals(image);
            let mut gradient = vec![0.0; classes];
            for (row, &label) in probabilities.chunks_mut(classes).zip(self.rows.labels) {
                gradient.iter_mut().zip(&*row).for_each(|(sum, value)| *sum += value);
                row.iter_mut().for_each(|value| *value *= self.count());
                row[label] += 1.0;
            }
            if row_norm(&gradient) < tolerance {
                break;
            }
            let mut hessian = bias_hessian(&probabilities, classes);
            if !self.damped_step(image, loss, &solve_singular(&mut hessian, &gradient)) {
                break;
            }
        }
    }

    /// Moves the bias against `step`, halved until the loss does not rise beyond its rounding; false where it cannot.
    fn damped_step(&mut self, image: &[f64], loss: f64, step: &[f64]) -> bool {
        let start = self.bias.clone();
        let mut factor = 1.0;
        for _ in 0..30 {
            self.bias
                .iter_mut()
                .zip(start.iter().zip(step))
                .for_each(|(bias, (old, step))| *bias = old - factor * step);
            if self.residuals(image).1 <= (1.0 + ROUNDING) * loss {
                return true;
            }
            factor *= 0.5;
        }
        self.bias = start;
        false
    }

    /// FISTA on the working set until its own gap is at most `target`.
    fn solve_working_set(&mut self, lambda: f64, target: f64) {
        let classes = self.rows.classes;
        let mut image = self.matrix.times(&self.weights, classes);
        let mut ahead = Point { weights: self.weights.clone(), bias: self.bias.clone(), image: image.clone() };
        let mut momentum = 1.0_f64;
        for step in 0..MAX_STEPS {
            if step % STEPS_PER_CHECK == 0 && self.working_gap(&image, lambda, target) <= target {
                break;
            }
            let next = self.proximal_step(&ahead, lambda);
            let turned: f64 = (ahead.weights.iter().zip(&next.weights).zip(&self.weights))
                .map(|((ahead, next), old)| (ahead - next) * (next - old))
                .sum();
            if turned > 0.0 {
                momentum = 1.0;
            }
            let grown = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            let factor = (momentum - 1.0) / grown;
            momentum = grown;
            let old = Point {
                weights: std::mem::replace(&mut self.weights, next.weights.clone()),
                bias: std::mem::replace(&mut self.bias, next.bias.clone()),
                image: std::mem::replace(&mut image, next.image.clone()),
            };
            ahead = next.beyond(&old, factor);
        }
    }

    /// One proximal step from `from`, with the step bound found by backtracking.
    fn proximal_step(&mut self, from: &Point, lambda: f64) -> Point {
        let classes = self.rows.classes;
        let (residuals, loss) = residuals_at(self.rows, &from.image, &from.bias);
        let gradient = self.matrix.transposed_times(&residuals, classes);
        let mut bias_gradient = vec![0.0; classes];
        for row in residuals.chunks(classes) {
            bias_gradient.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        loop {
            let mut weights = from.weights.clone();
            weights.iter_mut().zip(&gradient).for_each(|(weight, slope)| *weight -= slope / self.step_bound);
            self.penalised.shrink(&mut weights, classes, lambda / self.step_bound);
            // The Hessian of the bias is at most 1/2, and centred columns keep it apart from the weights.
            let bias: Vec<f64> = from.bias.iter().zip(&bias_gradient).map(|(bias, slope)| bias - 2.0 * slope).collect();
            let image = self.matrix.times(&weights, classes);
            let (_, reached) = residuals_at(self.rows, &image, &bias);
            // The linear term is taken from the images, like both losses: what is rounded in them then enters squared.
            let moved = image.iter().zip(&from.image).map(|(new, old)| new - old);
            let linear: f64 = residuals.iter().zip(moved).map(|(slope, moved)| slope * moved).sum();
            let square: f64 = weights.iter().zip(&from.weights).map(|(new, old)| (new - old).powi(2)).sum();
            let bias_square: f64 = bias_gradient.iter().map(|slope| slope * slope).sum();
            let bound = loss + linear + 0.5 * self.step_bound * square - bias_square;
            if reached <= bound + ROUNDING * loss || self.step_bound >= self.largest_bound {
                self.step_bound = (0.93 * self.step_bound).max(0.01 * self.largest_bound);
                return Point { weights, bias, image };
            }
            self.step_bound = (1.5 * self.step_bound).min(self.largest_bound);
        }
    }

    /// Gap over the working set alone, at the best bias, exact enough to be held against `target`; the bias itself is left as it is.
    fn working_gap(&mut self, image: &[f64], lambda: f64, target: f64) -> f64 {
        let bias = self.bias.clone();
        self.optimise_bias(image, BIAS_TOLERANCE.1.min(0.01 * target));
        let (residuals, loss) = self.residuals(image);
        self.bias = bias;
        let gradient = self.matrix.transposed_times(&residuals, self.rows.classes);
        let largest = gradient.chunks(self.rows.classes).map(|row| self.penalised.dual_norm(row)).fold(0.0, f64::max);
        loss + lambda * self.penalty() - self.dual(&residuals, lambda, largest)
    }
}

/// Weights, bias and the weights' share of the logits.
struct Point {
    weights: Vec<f64>,
    bias: Vec<f64>,
    image: Vec<f64>,
}

impl Point {
    /// `self + factor * (self - old)`.
    fn beyond(mut self, old: &Self, factor: f64) -> Self {
        for (new, old) in
            [(&mut self.weights, &old.weights), (&mut self.bias, &old.bias), (&mut self.image, &old.image)]
        {
            new.iter_mut().zip(old).for_each(|(new, old)| *new += factor * (*new - old));
        }
        self
    }
}

/// `(P - Y)/n` and the mean loss at `image + bias`.
fn residuals_at(rows: &Rows<'_>, image: &[f64], bias: &[f64]) -> (Vec<f64>, f64) {
    let count = rows.labels.len() as f64;
    let mut residuals = image.to_vec();
    let mut loss = 0.0;
    for (row, &label) in residuals.chunks_mut(rows.classes).zip(rows.labels) {
        row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
        loss -= row[label];
    }
    loss += softmax_rows(&mut residuals, rows.classes).iter().sum::<f64>();
    for (row, &label) in residuals.chunks_mut(rows.classes).zip(rows.labels) {
        row[label] = 0.0;
        row[label] = -row.iter().sum::<f64>();
        row.iter_mut().for_each(|value| *value /= count);
    }
    (residuals, loss / count)
}

/// Second derivative of the mean loss by the bias, `diag(mean p) - P^T P / n`, from probabilities `[rows, classes]`.
fn bias_hessian(probabilities: &[f64], classes: usize) -> Vec<f64> {
    let count = (probabilities.len() / classes) as f64;
    let rows = MatRef::from_row_major_slice(probabilities, probabilities.len() / classes, classes);
    let square = product(rows.transpose(), rows);
    let mut hessian: Vec<f64> =
        (0..classes * classes).map(|at| -square[(at / classes, at % classes)] / count).collect();
    for row in probabilities.chunks(classes) {
        (0..classes).for_each(|class| hessian[class * classes + class] += row[class] / count);
    }
    hessian
}

/// A solution of `hessian * x = gradient` for a positive semidefinite matrix whose null space holds the constant vector.
fn solve_singular(hessian: &mut [f64], gradient: &[f64]) -> Vec<f64> {
    let size = gradient.len();
    for row in 0..size {
        for column in 0..size {
            hessian[row * size + column] += 1.0 / (size * size) as f64;
        }
        hessian[row * size + row] += 1e-14;
    }
    let mut solution = gradient.to_vec();
    for pivot in 0..size {
        for below in pivot + 1..size {
            let factor = hessian[below * size + pivot] / hessian[pivot * size + pivot];
            for column in pivot..size {
                hessian[below * size + column] -= factor * hessian[pivot * size + column];
            }
            solution[below] -= factor * solution[pivot];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| hessian[row * size + column] * solution[column]).sum();
        solution[row] = (solution[row] - known) / hessian[row * size + row];
    }
    solution
}

#[cfg(test)]
mod tests;
