//! L2-penalised multinomial logistic regression, minimised by limited-memory BFGS along a path of penalties.
//!
//! The problem, for a design with `n` rows `z_i` (columns centred, mean square row norm 1; see
//! [`super::dense::standardise_rows`]) and labels `y_i`:
//!
//! ```text
//! f(W, b) = (1/n) sum_i [ logsumexp(z_i W + b) - (z_i W + b)[y_i] ] + (penalty/2) ||W||^2
//! ```
//!
//! The bias is free. `W` lives in the span of the rows, so it may be held as it is (primal, `[columns, classes]`) or as
//! `W = Z^T A` (dual, `A [n, classes]`, with the Gram matrix `K = Z Z^T`). The iteration is the same in both; only the inner
//! product differs: `<U, V> = sum U*V` against `sum U*(K V)`. A vector carries its image `Z U` (or `K U`), so that a line
//! search costs no product: one product per iteration in the dual, two in the primal.

use super::HeadError;
use super::dense::Matrix;
use super::given::RowTerms;
use super::softmax::softmax_rows;

/// Pairs remembered by L-BFGS.
const MEMORY: usize = 8;
/// Iterations after which a penalty is given up with an error.
const MAX_ITERATIONS: usize = 2000;
/// Iterations where labels may be wrong: the problem is then not convex, flat in places, and where it stands is taken.
const ITERATIONS_IF_WRONG: usize = 300;
/// A line search that finds no lower point any more has reached the rounding of single precision; below this gradient norm
/// (features have mean square norm 1, so it is a probability) that is the optimum.
const STALLED_GRADIENT: f64 = 1e-4;

/// Where the weights live.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Design<'a> {
    /// Rows `[n, columns]`.
    Primal(&'a Matrix),
    /// Gram matrix of the rows, `[n, n]`.
    Dual(&'a Matrix),
}

/// A minimum, or the best point met.
#[derive(Debug, Clone)]
pub(crate) struct Solution {
    /// Primal weights `[columns, classes]` or dual ones `[n, classes]`, row-major.
    pub weights: Vec<f64>,
    /// Bias `[classes]`.
    pub bias: Vec<f64>,
    /// Norm of the gradient in the metric of the design.
    pub gradient_norm: f64,
    /// Iterations used.
    pub iterations: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
}

/// An element of the weight space: weights, bias, and the weights' image (its share of the logits).
#[derive(Debug, Clone)]
struct Element {
    weights: Vec<f64>,
    bias: Vec<f64>,
    image: Vec<f64>,
}

impl Element {
    fn zeros(weights: usize, bias: usize, image: usize) -> Self {
        Self { weights: vec![0.0; weights], bias: vec![0.0; bias], image: vec![0.0; image] }
    }

    /// `self += factor * other`; an image that is not kept has length 0.
    fn add(&mut self, factor: f64, other: &Self) {
        for (to, from) in
            [(&mut self.weights, &other.weights), (&mut self.bias, &other.bias), (&mut self.image, &other.image)]
        {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
        }
    }

    fn scale(&mut self, factor: f64) {
        for part in [&mut self.weights, &mut self.bias, &mut self.image] {
            part.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// The fixed parts of a problem.
struct Problem<'a> {
    design: Design<'a>,
    labels: &'a [usize],
    classes: usize,
    /// Logits `[n, classes]` that those of the model are added to; none where they are its own.
    offsets: &'a [f64],
    /// In the place of the design's, a Gram matrix of rows that differ from class to class, `[n * classes, n * classes]`.
    joint: Option<&'a [f64]>,
    /// What is known of the rows besides their labels.
    terms: Option<&'a RowTerms>,
}

/// A point of the iteration with everything derived from it.
struct State {
    point: Element,
    probabilities: Vec<f64>,
    objective: f64,
    gradient: Element,
}

impl Problem<'_> {
    fn rows(&self) -> usize {
        self.labels.len()
    }

    fn is_convex(&self) -> bool {
        self.terms.is_none_or(|terms| terms.columns.is_none())
    }

    fn weights(&self) -> usize {
        match self.design {
            Design::Primal(rows) => rows.columns * self.classes,
            Design::Dual(_) => self.rows() * self.classes,
        }
    }

    fn image(&self, weights: &[f64]) -> Vec<f64> {
        match self.design {
            Design::Primal(matrix) => matrix.times(weights, self.classes),
            Design::Dual(gram) => match self.joint {
                Some(gram) => crate::linearised::gram::times(gram, weights),
                None => gram.symmetric_times(weights, self.classes),
            },
        }
    }

    /// Squared-length form of the design, the bias included.
    fn inner(&self, left: &Element, right: &Element) -> f64 {
        let weights = match self.design {
            Design::Primal(_) => dot(&left.weights, &right.weights),
            Design::Dual(_) => dot(&left.weights, &right.image),
        };
        weights + dot(&left.bias, &right.bias)
    }

    fn square_of_weights(&self, point: &Element) -> f64 {
        match self.design {
            Design::Primal(_) => dot(&point.weights, &point.weights),
            Design::Dual(_) => dot(&point.weights, &point.image),
        }
    }

    /// Probabilities and mean log loss of `image + bias`.
    fn loss(&self, point: &Element) -> (Vec<f64>, f64) {
        let mut probabilities = point.image.clone();
        probabilities.iter_mut().zip(self.offsets).for_each(|(logit, offset)| *logit += offset);
        if let Some(terms) = self.terms {
            return self.loss_on(terms, probabilities, &point.bias);
        }
        let mut loss = 0.0;
        for (row, &label) in probabilities.chunks_mut(self.classes).zip(self.labels) {
            row.iter_mut().zip(&point.bias).for_each(|(logit, bias)| *logit += bias);
            loss -= row[label];
        }
        loss += softmax_rows(&mut probabilities, self.classes).iter().sum::<f64>();
        (probabilities, loss / self.rows() as f64)
    }

    /// The same where rows count differently, or labels may be wrong.
    fn loss_on(&self, terms: &RowTerms, mut logits: Vec<f64>, bias: &[f64]) -> (Vec<f64>, f64) {
        for row in logits.chunks_mut(self.classes) {
            row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
        }
        softmax_rows(&mut logits, self.classes);
        let rows = logits.chunks(self.classes).zip(self.labels).enumerate();
        let loss: f64 = rows.map(|(row, (probabilities, &label))| terms.loss(row, probabilities, label)).sum();
        (logits, loss / self.rows() as f64)
    }

    /// `(P - Y)/n`; the entry of the row's own class is the negated sum of the others, which keeps its precision near 0.
    fn residuals(&self, probabilities: &[f64]) -> Vec<f64> {
        let scale = 1.0 / self.rows() as f64;
        let mut residuals = probabilities.to_vec();
        for (place, (row, &label)) in residuals.chunks_mut(self.classes).zip(self.labels).enumerate() {
            if let Some(terms) = self.terms {
                terms.residual(place, row, label);
                row.iter_mut().for_each(|value| *value *= scale);
                continue;
            }
            row[label] = 0.0;
            row[label] = -row.iter().sum::<f64>();
            row.iter_mut().for_each(|value| *value *= scale);
        }
        residuals
    }

    fn state(&self, point: Element, probabilities: Vec<f64>, objective: f64, penalty: f64) -> State {
        let residuals = self.residuals(&probabilities);
        let mut bias = vec![0.0; self.classes];
        for row in residuals.chunks(self.classes) {
            bias.iter_mut().zip(row).for_each(|(bias, value)| *bias += value);
        }
        let (mut weights, mut image) = (residuals, Vec::new());
        match self.design {
            Design::Primal(rows) => weights = rows.transposed_times(&weights, self.classes),
            Design::Dual(_) => image = self.image(&weights),
        }
        weights.iter_mut().zip(&point.weights).for_each(|(gradient, weight)| *gradient += penalty * weight);
        image.iter_mut().zip(&point.image).for_each(|(gradient, image)| *gradient += penalty * image);
        State { point, probabilities, objective, gradient: Element { weights, bias, image } }
    }

    fn start(&self, point: Element, penalty: f64) -> State {
        let (probabilities, loss) = self.loss(&point);
        let objective = loss + 0.5 * penalty * self.square_of_weights(&point);
        self.state(point, probabilities, objective, penalty)
    }

    /// Second derivative of the objective along `direction`.
    fn curvature(&self, state: &State, direction: &Element, penalty: f64) -> f64 {
        let mut sum = 0.0;
        for (row, image) in state.probabilities.chunks(self.classes).zip(direction.image.chunks(self.classes)) {
            let (mut mean, mut square) = (0.0, 0.0);
            for ((probability, image), bias) in row.iter().zip(image).zip(&direction.bias) {
                let value = image + bias;
                mean += probability * value;
                square += probability * value * value;
            }
            sum += square - mean * mean;
        }
        sum / self.rows() as f64 + penalty * self.square_of_weights(direction)
    }

    /// A step along `direction` that lowers the objective enough (Armijo), begun at the Newton step of the line.
    fn line_search(&self, state: &State, direction: &Element, slope: f64, penalty: f64) -> Option<State> {
        let curvature = self.curvature(state, direction, penalty);
        let mut step = if curvature > 0.0 { (-slope / curvature).min(16.0) } else { 1.0 };
        for _ in 0..40 {
            let mut point = state.point.clone();
            point.add(step, direction);
            let (probabilities, loss) = self.loss(&point);
            let objective = loss + 0.5 * penalty * self.square_of_weights(&point);
            if objective <= state.objective + 1e-4 * step * slope {
                return Some(self.state(point, probabilities, objective, penalty));
            }
            step *= 0.4;
        }
        None
    }

    /// Minus the inverse-Hessian estimate times the gradient (the two-loop recursion), and its image.
    fn direction(&self, gradient: &Element, history: &[Pair]) -> Element {
        let mut direction = gradient.clone();
        let mut factors = Vec::with_capacity(history.len());
        for pair in history.iter().rev() {
            let factor = pair.inverse * self.inner(&direction, &pair.step);
            direction.add(-factor, &pair.change);
            factors.push(factor);
        }
        if let Some(last) = history.last() {
            direction.scale(last.scale);
        }
        for (pair, factor) in history.iter().zip(factors.iter().rev()) {
            let other = pair.inverse * self.inner(&direction, &pair.change);
            direction.add(factor - other, &pair.step);
        }
        direction.scale(-1.0);
        if let Design::Primal(_) = self.design {
            direction.image = self.image(&direction.weights);
        }
        direction
    }

    fn minimise(&self, point: Element, penalty: f64, tolerance: f64) -> (Solution, Element) {
        let mut state = self.start(point, penalty);
        let mut history: Vec<Pair> = Vec::new();
        let (mut iterations, mut converged) = (0, false);
        let most = if self.is_convex() { MAX_ITERATIONS } else { ITERATIONS_IF_WRONG };
        while iterations < most {
            let direction = self.direction(&state.gradient, &history);
            let slope = self.inner(&state.gradient, &direction);
            let square = self.inner(&state.gradient, &state.gradient);
            // f - min f <= |gradient|^2 / (2 penalty) by strong convexity; the step's promised decrease, -slope/2, once
            // the curvature pairs are in.
            let promised = if history.len() >= MEMORY.min(4) { -0.5 * slope } else { f64::INFINITY };
            if square <= 2.0 * penalty * tolerance || promised <= tolerance {
                converged = true;
                break;
            }
            let next = if slope < 0.0 { self.line_search(&state, &direction, slope, penalty) } else { None };
            let Some(next) = next else {
                if history.is_empty() {
                    break;
                }
                history.clear();
                continue;
            };
            self.remember(&mut history, &state, &next);
            state = next;
            iterations += 1;
        }
        let gradient_norm = self.inner(&state.gradient, &state.gradient).max(0.0).sqrt();
        let State { point, .. } = state;
        let solution =
            Solution { weights: point.weights.clone(), bias: point.bias.clone(), gradient_norm, iterations, converged };
        (solution, point)
    }

    fn remember(&self, history: &mut Vec<Pair>, before: &State, after: &State) {
        let mut step = after.point.clone();
        step.add(-1.0, &before.point);
        let mut change = after.gradient.clone();
        change.add(-1.0, &before.gradient);
        let product = self.inner(&change, &step);
        let square = self.inner(&change, &change);
        if product <= 1e-12 * square || square <= 0.0 {
            return;
        }
        if let Design::Primal(_) = self.design {
            step.image = Vec::new();
        }
        if history.len() == MEMORY {
            history.remove(0);
        }
        history.push(Pair { step, change, inverse: 1.0 / product, scale: product / square });
    }
}

/// One remembered pair of L-BFGS.
struct Pair {
    step: Element,
    change: Element,
    inverse: f64,
    scale: f64,
}

/// Minimises along `penalties`, each begun where the one before ended; give them from strong to weak.
///
/// `tolerance` bounds the distance of the objective from its minimum, in nats per row.
pub(crate) fn path(
    design: Design<'_>,
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
    terms: Option<&RowTerms>,
) -> Result<Vec<Solution>, HeadError> {
    let problem = Problem { design, labels, classes, offsets: &[], joint: None, terms };
    let mut point = Element::zeros(problem.weights(), 0, labels.len() * classes);
    point.bias = log_frequencies(labels, classes);
    let mut solutions = Vec::with_capacity(penalties.len());
    for &penalty in penalties {
        let (solution, end) = problem.minimise(point, penalty, tolerance);
        if problem.is_convex() && !solution.converged && solution.gradient_norm > STALLED_GRADIENT {
            let Solution { iterations, gradient_norm, .. } = solution;
            let solver = "logistic regression";
            return Err(HeadError::NotConverged { solver, penalty, iterations, gradient_norm });
        }
        solutions.push(solution);
        point = end;
        point.image = problem.image(&point.weights);
    }
    Ok(solutions)
}

/// Minimises along `penalties`, strong to weak, for a model whose logits are added to `offsets`, `[n, classes]`, and whose rows differ from
/// class to class, `gram` being their products, `[n * classes, n * classes]`. Ends before the first penalty whose optimum is not reached.
pub(crate) fn path_beside(
    gram: &[f64],
    offsets: &[f64],
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    tolerance: f64,
) -> Vec<Solution> {
    let none = Matrix::default();
    let problem = Problem { design: Design::Dual(&none), labels, classes, offsets, joint: Some(gram), terms: None };
    let mut point = Element::zeros(problem.weights(), classes, labels.len() * classes);
    let mut solutions = Vec::with_capacity(penalties.len());
    for &penalty in penalties {
        let (solution, end) = problem.minimise(point, penalty, tolerance);
        if !solution.converged && solution.gradient_norm > STALLED_GRADIENT {
            break;
        }
        solutions.push(solution);
        point = end;
        point.image = problem.image(&point.weights);
    }
    solutions
}

/// The optimal bias of a model without weights, with mean zero. Every class must have a row.
pub(crate) fn log_frequencies(labels: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0_f64; classes];
    labels.iter().for_each(|&label| counts[label] += 1.0);
    let logs: Vec<f64> = counts.iter().map(|count| count.ln()).collect();
    let mean = logs.iter().sum::<f64>() / classes as f64;
    logs.iter().map(|log| log - mean).collect()
}
