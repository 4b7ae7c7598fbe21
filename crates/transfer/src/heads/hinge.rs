//! One-versus-rest linear machines with the squared hinge loss, all classes side by side, each to its own certified optimum.
//!
//! For a design with `n` rows `z_i` (columns centred, mean square row norm 1; see [`super::dense::standardise_rows`]) and signs
//! `t_i` (1 for the class, -1 for the rest):
//!
//! ```text
//! P(w, b) = (1/n) sum_i max(0, 1 - t_i (z_i w + b))^2 + (penalty/2) ||w||^2
//! D(a)    = sum_i a_i - (n/4) sum_i a_i^2 - ||sum_i a_i t_i z_i||^2 / (2 penalty),     a_i >= 0,  sum_i a_i t_i = 0
//! ```
//!
//! The bias is free. With `a_i = (2/n) max(0, 1 - t_i (z_i w + b))` and `b` at its optimum for the given `w`, `a` is feasible and the
//! duality gap is `P - D = ||g||^2 / (2 penalty)`, `g` the gradient of `P` by `w`.
//!
//! Newton's method on the rows inside the margin (Keerthi and DeCoste 2005, "A modified finite Newton method for fast solution of
//! large scale linear SVMs"): each system is solved by conjugate gradients with the bias eliminated, then the step along the line is
//! exact. All open classes share the products; a class whose gap is small enough leaves them. As in [`super::logistic`], `w` is held
//! as it is (primal) or as a combination of the rows (dual), in the inner product that goes with it.

use super::HeadError;
use super::logistic::Design;

/// Newton steps after which a class is given up with an error.
const MAX_STEPS: usize = 100;
/// Conjugate gradient steps of one Newton step, at most.
const MAX_INNER: usize = 40;
/// Share of the gradient's norm that may remain of a Newton system.
const FORCING: f64 = 0.1;
/// Gap, as a share of the loss without weights, that counts as the optimum where single precision lets it fall no further.
const STALLED_GAP: f64 = 1e-4;
/// Steps in which the gap did not halve after which it is taken to be stalled.
const STALLED_STEPS: usize = 6;

/// The machines at one penalty.
#[derive(Debug, Clone)]
pub(crate) struct Machines {
    /// Primal weights `[columns, classes]` or dual ones `[n, classes]`, row-major.
    pub weights: Vec<f64>,
    /// Bias `[classes]`.
    pub bias: Vec<f64>,
    /// Duality gap of each class as a share of its loss without weights.
    pub gaps: Vec<f64>,
}

/// Elements of the weight space, one per open class; `image` is their share of the decision values, or empty where it is not kept.
#[derive(Debug, Clone)]
struct Vectors {
    weights: Vec<f64>,
    image: Vec<f64>,
}

impl Vectors {
    /// `self += factors * other`, class by class.
    fn add(&mut self, factors: &[f64], other: &Self) {
        add_columns(&mut self.weights, factors, &other.weights);
        add_columns(&mut self.image, factors, &other.image);
    }

    /// `self = factors * self + other`.
    fn scale_and_add(&mut self, factors: &[f64], other: &Self) {
        for (to, from) in [(&mut self.weights, &other.weights), (&mut self.image, &other.image)] {
            for (to, from) in to.chunks_mut(factors.len()).zip(from.chunks(factors.len())) {
                to.iter_mut().zip(from).zip(factors).for_each(|((to, from), factor)| *to = factor * *to + from);
            }
        }
    }
}

/// `to += factors * from`, column by column; nothing where `to` is empty.
fn add_columns(to: &mut [f64], factors: &[f64], from: &[f64]) {
    for (to, from) in to.chunks_mut(factors.len()).zip(from.chunks(factors.len())) {
        to.iter_mut().zip(from).zip(factors).for_each(|((to, from), factor)| *to += factor * from);
    }
}

/// Inner product of each column.
fn column_dots(left: &[f64], right: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (left, right) in left.chunks(columns).zip(right.chunks(columns)) {
        sums.iter_mut().zip(left.iter().zip(right)).for_each(|(sum, (left, right))| *sum += left * right);
    }
    sums
}

/// Columns of a row-major matrix.
fn columns_of(values: &[f64], all: usize, picks: &[usize]) -> Vec<f64> {
    values.chunks(all).flat_map(|row| picks.iter().map(|&column| row[column])).collect()
}

/// The classes that are not yet at their optimum.
struct Open {
    classes: Vec<usize>,
    /// Column of each row's own class; past the end where that is closed.
    own: Vec<usize>,
    point: Vectors,
    bias: Vec<f64>,
    /// Least gap so far, and the steps since it last halved.
    best: Vec<(f64, usize)>,
}

struct Problem<'a> {
    design: Design<'a>,
    labels: &'a [usize],
    classes: usize,
}

impl Problem<'_> {
    fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Loss without weights at the best bias, per class.
    fn null_losses(&self) -> Vec<f64> {
        let share =
            |class: usize| self.labels.iter().filter(|label| **label == class).count() as f64 / self.rows() as f64;
        (0..self.classes).map(|class| (4.0 * share(class) * (1.0 - share(class))).max(f64::MIN_POSITIVE)).collect()
    }

    fn own(&self, classes: &[usize]) -> Vec<usize> {
        let mut places = vec![usize::MAX; self.classes];
        classes.iter().enumerate().for_each(|(place, &class)| places[class] = place);
        self.labels.iter().map(|&label| places[label]).collect()
    }

    /// The element whose inner product with a direction is `values` times the direction's image.
    fn lift(&self, values: Vec<f64>, columns: usize) -> Vectors {
        match self.design {
            Design::Primal(rows) => Vectors { weights: rows.transposed_times(&values, columns), image: vec![] },
            Design::Dual(gram) => Vectors { image: gram.symmetric_times(&values, columns), weights: values },
        }
    }

    fn inner(&self, left: &Vectors, right: &Vectors, columns: usize) -> Vec<f64> {
        match self.design {
            Design::Primal(_) => column_dots(&left.weights, &right.weights, columns),
            Design::Dual(_) => column_dots(&left.image, &right.weights, columns),
        }
    }

    /// First and second derivative by `step` of each class's mean loss at `image + bias + step * moved`; `moved` is 1 where none
    /// is given.
    fn slopes(&self, open: &Open, moved: Option<&[f64]>, steps: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let columns = open.classes.len();
        let (mut first, mut second) = (vec![0.0; columns], vec![0.0; columns]);
        let ones = vec![1.0; columns];
        for (row, image) in open.point.image.chunks(columns).enumerate() {
            let moved = moved.map_or(ones.as_slice(), |moved| &moved[row * columns..(row + 1) * columns]);
            let own = open.own[row];
            for column in 0..columns {
                let value = image[column] + open.bias[column] + steps[column] * moved[column];
                let sign = if column == own { 1.0 } else { -1.0 };
                let slack = 1.0 - sign * value;
                let inside = if slack > 0.0 { moved[column] } else { 0.0 };
                first[column] -= sign * slack * inside;
                second[column] += inside * moved[column];
            }
        }
        let scale = 2.0 / self.rows() as f64;
        first.iter_mut().chain(&mut second).for_each(|value| *value *= scale);
        (first, second)
    }

    /// The step that minimises each class's mean loss plus `linear * step + curvature * step^2 / 2`: Newton's method on a
    /// piecewise linear slope, kept inside the bracket that its signs give.
    fn line(&self, open: &Open, moved: Option<&[f64]>, linear: &[f64], curvature: &[f64]) -> Vec<f64> {
        let columns = open.classes.len();
        let mut steps = vec![if moved.is_some() { 1.0 } else { 0.0 }; columns];
        let mut bracket = vec![(f64::NEG_INFINITY, f64::INFINITY); columns];
        for _ in 0..60 {
            let (first, second) = self.slopes(open, moved, &steps);
            let mut settled = true;
            for column in 0..columns {
                let slope = first[column] + linear[column] + curvature[column] * steps[column];
                let rise = second[column] + curvature[column];
                let (low, high) = &mut bracket[column];
                let narrow = low.is_finite() && *high - *low <= 1e-14 * low.abs().max(1.0);
                if slope.abs() <= 1e-13 * (1.0 + rise) || rise <= 0.0 || narrow {
                    continue;
                }
                if slope > 0.0 {
                    *high = steps[column]
                } else {
                    *low = steps[column]
                }
                let newton = steps[column] - slope / rise;
                let outside = newton <= *low || newton >= *high;
                steps[column] =
                    if outside && low.is_finite() && high.is_finite() { 0.5 * (*low + *high) } else { newton };
                settled = false;
            }
            if settled {
                break;
            }
        }
        steps
    }

    /// `-(2/n) t max(0, 1 - t (image + bias))`, and which rows are inside the margin (1 or 0).
    fn residuals(&self, open: &Open) -> (Vec<f64>, Vec<f64>) {
        let columns = open.classes.len();
        let scale = 2.0 / self.rows() as f64;
        let (mut residuals, mut inside) = (open.point.image.clone(), vec![0.0; open.point.image.len()]);
        for (row, (residuals, inside)) in residuals.chunks_mut(columns).zip(inside.chunks_mut(columns)).enumerate() {
            let own = open.own[row];
            for column in 0..columns {
                let sign = if column == own { 1.0 } else { -1.0 };
                let slack = (1.0 - sign * (residuals[column] + open.bias[column])).max(0.0);
                residuals[column] = -scale * sign * slack;
                inside[column] = if slack > 0.0 { 1.0 } else { 0.0 };
            }
        }
        (residuals, inside)
    }

    /// Means of `image` over the rows inside the margin.
    fn means_inside(image: &[f64], inside: &[f64], columns: usize) -> Vec<f64> {
        let mut sums = column_dots(image, inside, columns);
        let mut counts = vec![0.0; columns];
        inside.chunks(columns).for_each(|row| counts.iter_mut().zip(row).for_each(|(count, one)| *count += one));
        sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum /= count.max(1.0));
        sums
    }

    /// The Hessian times `direction`, the bias eliminated, and the direction's image.
    fn curve(&self, direction: &Vectors, inside: &[f64], penalty: f64, columns: usize) -> (Vectors, Vec<f64>) {
        let image = match self.design {
            Design::Primal(rows) => rows.times(&direction.weights, columns),
            Design::Dual(_) => direction.image.clone(),
        };
        let means = Self::means_inside(&image, inside, columns);
        let scale = 2.0 / self.rows() as f64;
        let mut bent = image.clone();
        for (bent, inside) in bent.chunks_mut(columns).zip(inside.chunks(columns)) {
            bent.iter_mut().zip(inside).zip(&means).for_each(|((v, inside), mean)| *v = scale * inside * (*v - mean));
        }
        let mut product = self.lift(bent, columns);
        product.add(&vec![penalty; columns], direction);
        (product, image)
    }

    /// The Newton direction and its image, by conjugate gradients in all open classes at once.
    fn direction(&self, gradient: &Vectors, inside: &[f64], penalty: f64, columns: usize) -> (Vectors, Vec<f64>) {
        let minus = vec![-1.0; columns];
        let mut residual =
            Vectors { weights: vec![0.0; gradient.weights.len()], image: vec![0.0; gradient.image.len()] };
        let mut sum = residual.clone();
        let mut sum_image = vec![0.0; inside.len()];
        residual.add(&minus, gradient);
        let mut ahead = residual.clone();
        let mut squares = self.inner(&residual, &residual, columns);
        let first = squares.clone();
        for _ in 0..MAX_INNER {
            if squares.iter().zip(&first).all(|(now, first)| *now <= FORCING * FORCING * first) {
                break;
            }
            let (product, image) = self.curve(&ahead, inside, penalty, columns);
            let curvatures = match self.design {
                Design::Primal(_) => column_dots(&ahead.weights, &product.weights, columns),
                Design::Dual(_) => column_dots(&image, &product.weights, columns),
            };
            // A class that is solved far beyond what was asked for stands still.
            let steps: Vec<f64> = (0..columns)
                .map(|column| {
                    let open = squares[column] > 1e-10 * first[column] && curvatures[column] > 0.0;
                    if open { squares[column] / curvatures[column] } else { 0.0 }
                })
                .collect();
            sum.add(&steps, &ahead);
            add_columns(&mut sum_image, &steps, &image);
            let back: Vec<f64> = steps.iter().map(|step| -step).collect();
            residual.add(&back, &product);
            let next = self.inner(&residual, &residual, columns);
            let turn: Vec<f64> = next
                .iter()
                .zip(&squares)
                .map(|(next, now)| if *now > 0.0 { next.max(0.0) / now } else { 0.0 })
                .collect();
            ahead.scale_and_add(&turn, &residual);
            squares = next;
        }
        (sum, sum_image)
    }

    /// Moves the biases of the open classes to their optimum.
    fn settle_bias(&self, open: &mut Open) {
        let zeros = vec![0.0; open.classes.len()];
        let steps = self.line(open, None, &zeros, &zeros);
        open.bias.iter_mut().zip(&steps).for_each(|(bias, step)| *bias += step);
    }

    /// Solves every class at `penalty` from the machines given.
    fn minimise(&self, start: &Machines, penalty: f64, tolerance: f64) -> Result<Machines, HeadError> {
        let nulls = self.null_losses();
        let mut out = start.clone();
        let image = match self.design {
            Design::Primal(rows) => rows.times(&start.weights, self.classes),
            Design::Dual(gram) => gram.symmetric_times(&start.weights, self.classes),
        };
        let classes: Vec<usize> = (0..self.classes).collect();
        let mut open = Open {
            own: self.own(&classes),
            point: Vectors { weights: start.weights.clone(), image },
            bias: start.bias.clone(),
            best: vec![(f64::INFINITY, 0); self.classes],
            classes,
        };
        for step in 0..=MAX_STEPS {
            self.settle_bias(&mut open);
            let columns = open.classes.len();
            let (residuals, inside) = self.residuals(&open);
            let mut gradient = self.lift(residuals, columns);
            gradient.add(&vec![penalty; columns], &open.point);
            let squares = self.inner(&gradient, &gradient, columns);
            let gaps: Vec<f64> = open
                .classes
                .iter()
                .zip(&squares)
                .map(|(&class, square)| square.max(0.0) / (2.0 * penalty * nulls[class]))
                .collect();
            let kept = self.close(&mut open, &mut out, &gaps, tolerance);
            if kept.is_empty() {
                return Ok(out);
            }
            if step == MAX_STEPS {
                let gradient_norm = kept.iter().map(|&column| squares[column].max(0.0).sqrt()).fold(0.0, f64::max);
                return Err(HeadError::NotConverged {
                    solver: "the linear machine",
                    penalty,
                    iterations: step,
                    gradient_norm,
                });
            }
            let pick = |values: &[f64]| columns_of(values, columns, &kept);
            let gradient = Vectors { weights: pick(&gradient.weights), image: pick(&gradient.image) };
            self.advance(&mut open, &gradient, &pick(&inside), penalty);
        }
        Ok(out)
    }

    /// One Newton step of all open classes.
    fn advance(&self, open: &mut Open, gradient: &Vectors, inside: &[f64], penalty: f64) {
        let columns = open.classes.len();
        let (direction, image) = self.direction(gradient, inside, penalty, columns);
        let shifts: Vec<f64> = Self::means_inside(&image, inside, columns).iter().map(|mean| -mean).collect();
        let mut moved = image.clone();
        moved
            .chunks_mut(columns)
            .for_each(|row| row.iter_mut().zip(&shifts).for_each(|(value, shift)| *value += shift));
        let (linear, curvature) = match self.design {
            Design::Primal(_) => (
                column_dots(&open.point.weights, &direction.weights, columns),
                column_dots(&direction.weights, &direction.weights, columns),
            ),
            Design::Dual(_) => (
                column_dots(&open.point.image, &direction.weights, columns),
                column_dots(&image, &direction.weights, columns),
            ),
        };
        let scaled = |values: &[f64]| values.iter().map(|value| penalty * value).collect::<Vec<_>>();
        let steps = self.line(open, Some(&moved), &scaled(&linear), &scaled(&curvature));
        open.point.add(&steps, &Vectors { weights: direction.weights, image });
        open.bias.iter_mut().zip(steps.iter().zip(&shifts)).for_each(|(bias, (step, shift))| *bias += step * shift);
    }

    /// Writes out the classes that are at their optimum and drops them; returns the columns that stay.
    fn close(&self, open: &mut Open, out: &mut Machines, gaps: &[f64], tolerance: f64) -> Vec<usize> {
        let columns = open.classes.len();
        let mut kept = Vec::with_capacity(columns);
        for (column, &class) in open.classes.iter().enumerate() {
            let (best, waited) = &mut open.best[column];
            *waited = if gaps[column] < 0.5 * *best { 0 } else { *waited + 1 };
            *best = best.min(gaps[column]);
            let stalled = *waited >= STALLED_STEPS && gaps[column] <= STALLED_GAP;
            if gaps[column] > tolerance && !stalled {
                kept.push(column);
                continue;
            }
            let source = open.point.weights.iter().skip(column).step_by(columns);
            out.weights.iter_mut().skip(class).step_by(self.classes).zip(source).for_each(|(to, from)| *to = *from);
            (out.bias[class], out.gaps[class]) = (open.bias[column], gaps[column]);
        }
        if kept.len() < columns {
            let pick = |values: &[f64]| columns_of(values, columns, &kept);
            open.point = Vectors { weights: pick(&open.point.weights), image: pick(&open.point.image) };
            open.bias = kept.iter().map(|&column| open.bias[column]).collect();
            open.best = kept.iter().map(|&column| open.best[column]).collect();
            open.classes = kept.iter().map(|&column| open.classes[column]).collect();
            open.own = self.own(&open.classes);
        }
        kept
    }
}

/// Solves along `penalties`, each begun where the one before ended; give them from strong to weak.
///
/// `tolerance` bounds each class's duality gap, as a share of its loss without weights.
pub(crate) fn path(
    design: Design<'_>,
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
) -> Result<Vec<Machines>, HeadError> {
    let problem = Problem { design, labels, classes };
    let side = match design {
        Design::Primal(rows) => rows.columns,
        Design::Dual(gram) => gram.columns,
    };
    let mut machines =
        Machines { weights: vec![0.0; side * classes], bias: vec![0.0; classes], gaps: vec![f64::INFINITY; classes] };
    let mut out = Vec::with_capacity(penalties.len());
    for &penalty in penalties {
        machines = problem.minimise(&machines, penalty, tolerance)?;
        out.push(machines.clone());
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
