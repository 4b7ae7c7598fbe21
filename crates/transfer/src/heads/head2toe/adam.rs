//! The optimisation recipe of the paper, for replication (`spec/head2toe.md` sections 3, 4 and 9): Adam with the Keras
//! placement of epsilon, a cosine schedule from the first learning rate to 0, Glorot-uniform weights, batches in a fixed order
//! repeated for ever, and the group penalty added to the loss (no proximal step).

use heirloom_matrix::{MatMut, MatRef, multiply};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::affine::{ABSENT_LOGIT, Affine};
use super::super::dense::Matrix;
use super::super::softmax::softmax_in_place;
use super::group_lasso::Rows;
use super::scorer::Scorer;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// What a batch with fewer rows than the batch size is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ragged {
    /// Its own number of rows.
    #[default]
    Correct,
    /// The batch size, loss and penalty alike, as the released code does.
    Reference,
}

/// Which weights of the scoring head are penalised by one norm together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PenaltyGroups {
    /// Those of a column.
    #[default]
    Columns,
    /// Those of a tap.
    Taps,
    /// Those of a tap, and the coefficient is 1 whatever the settings say, as in the released code.
    TapsWithoutCoefficient,
}

/// Settings of the replication.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamRecipe {
    /// Learning rate of the first step.
    pub learning_rate: f64,
    /// Steps of the scoring head, and again of the final head.
    pub steps: usize,
    /// Rows in a batch.
    pub batch: usize,
    /// Coefficient of the group penalty of the scoring head; the final head has none.
    pub lambda: f64,
    /// What that penalty takes together.
    pub groups: PenaltyGroups,
    /// Scoring heads, each from other first weights and another order of the rows, whose scores are averaged.
    pub repeats: usize,
    /// Whether the norm of a column's weights is squared before scores are averaged or pulled toward their mean, as in the released code.
    pub squared_scores: bool,
    /// How the last batch of a pass is averaged.
    pub ragged: Ragged,
    /// Whether the accuracy is stated as the released code counts it, too: see [`batched_accuracy`].
    pub batched_accuracy: bool,
    /// Seed of the order of the rows and of the first weights.
    pub seed: u64,
}

impl Default for AdamRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            steps: 500,
            batch: 128,
            lambda: 1e-4,
            groups: PenaltyGroups::Columns,
            repeats: 1,
            squared_scores: false,
            ragged: Ragged::Correct,
            batched_accuracy: false,
            seed: 0,
        }
    }
}

impl AdamRecipe {
    /// Whether every number is in its range.
    pub(super) fn is_usable(&self) -> bool {
        self.steps > 0 && self.batch > 0 && self.repeats > 0 && self.learning_rate > 0.0 && self.lambda >= 0.0
    }
}

/// Learning rate of a step: `first/2 (1 + cos(pi step/steps))`.
#[must_use]
pub fn cosine_schedule(first: f64, step: usize, steps: usize) -> f64 {
    0.5 * first * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
}

/// Accuracy over rows that are evaluated in batches.
///
/// [`Ragged::Reference`] repeats the released code: each batch's number of right rows is divided by the batch size, and the
/// batches are averaged, so a shorter last batch is undercounted. 0 without rows.
///
/// ```
/// use heirloom_transfer::heads::{Ragged, batched_accuracy};
/// // T10 of the specification: 130 rows, all right, in batches of 50.
/// assert!((batched_accuracy(&[true; 130], 50, Ragged::Reference) - 0.866_667).abs() < 1e-6);
/// assert_eq!(batched_accuracy(&[true; 130], 50, Ragged::Correct), 1.0);
/// ```
#[must_use]
pub fn batched_accuracy(right: &[bool], batch: usize, ragged: Ragged) -> f64 {
    let batch = batch.max(1);
    let count = right.iter().filter(|right| **right).count() as f64;
    let rows = match ragged {
        Ragged::Correct => right.len(),
        Ragged::Reference => right.len().div_ceil(batch) * batch,
    };
    count / rows.max(1) as f64
}

/// First and second moments of some parameters.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Moments {
    fn zeros(size: usize) -> Self {
        Self { first: vec![0.0; size], second: vec![0.0; size] }
    }

    /// One step, numbered from 1; epsilon stands outside the bias correction.
    fn step(&mut self, values: &mut [f32], gradient: &[f32], learning_rate: f64, step: usize) {
        let power = step.min(i32::MAX as usize) as i32;
        let rate = learning_rate * (1.0 - BETA2.powi(power)).sqrt() / (1.0 - BETA1.powi(power));
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        for ((value, &slope), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            *first = BETA1 as f32 * *first + (1.0 - BETA1) as f32 * slope;
            *second = BETA2 as f32 * *second + (1.0 - BETA2) as f32 * slope * slope;
            *value -= rate as f32 * *first / (second.sqrt() + EPSILON as f32);
        }
    }
}

/// Loss and gradients of one batch.
struct Batch {
    loss: f64,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What is added to the mean loss of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Added<'a> {
    Nothing,
    /// A coefficient times the sum of the norms of each column's weights.
    Columns(f64),
    /// The same with one norm for each tap, of so many columns.
    Taps(f64, &'a [usize]),
}

/// Mean cross-entropy plus a penalty, divided by `divisor` rows rather than by the batch's own number where the two differ.
fn batch_gradient(rows: &Matrix, labels: &[usize], model: &Affine, added: Added<'_>, divisor: usize) -> Batch {
    let (classes, count) = (model.classes, rows.rows);
    let mut logits = vec![0.0_f32; count * classes];
    let weights = MatRef::from_row_major_slice(&model.weights, rows.columns, classes);
    let out = MatMut::from_row_major_slice_mut(&mut logits, count, classes);
    multiply(out, rows.view(), weights);
    let mut batch = Batch { loss: 0.0, weights: vec![], bias: vec![0.0; classes] };
    let mut row = vec![0.0_f64; classes];
    for (logits, &label) in logits.chunks_mut(classes).zip(labels) {
        row.iter_mut().zip(logits.iter().zip(&model.bias)).for_each(|(z, (&a, &b))| *z = f64::from(a) + f64::from(b));
        let own = row[label];
        batch.loss += softmax_in_place(&mut row) - own;
        row[label] -= 1.0;
        for ((residual, sum), value) in logits.iter_mut().zip(&mut batch.bias).zip(&row) {
            *residual = (value / divisor as f64) as f32;
            *sum += *residual;
        }
    }
    let residuals: Vec<f64> = logits.iter().map(|&value| f64::from(value)).collect();
    batch.weights = rows.transposed_times(&residuals, classes).into_iter().map(|value| value as f32).collect();
    batch.loss /= divisor as f64;
    let share = count as f64 / divisor as f64;
    match added {
        Added::Columns(lambda) if lambda > 0.0 => {
            add_penalty(model, lambda * share, std::iter::repeat_n(1, rows.columns), &mut batch);
        }
        Added::Taps(lambda, widths) if lambda > 0.0 => {
            add_penalty(model, lambda * share, widths.iter().copied(), &mut batch);
        }
        _ => {}
    }
    batch
}

/// Adds `lambda sum_g ||W_g||` over groups of so many columns each, and its subgradient: `W_g / ||W_g||`, and 0 for a group of zeros.
fn add_penalty(model: &Affine, lambda: f64, groups: impl Iterator<Item = usize>, batch: &mut Batch) {
    let (mut weights, mut gradients) = (model.weights.as_slice(), batch.weights.as_mut_slice());
    for columns in groups {
        let (group, after) = weights.split_at(columns * model.classes);
        let (gradient, rest) = std::mem::take(&mut gradients).split_at_mut(columns * model.classes);
        (weights, gradients) = (after, rest);
        let norm = group.iter().map(|&weight| f64::from(weight) * f64::from(weight)).sum::<f64>().sqrt();
        batch.loss += lambda * norm;
        if norm > 0.0 {
            let factor = (lambda / norm) as f32;
            gradient.iter_mut().zip(group).for_each(|(slope, weight)| *slope += factor * weight);
        }
    }
}

/// Trains a head by the recipe on normalised `rows`; nothing is added to the loss of the final head.
pub(super) fn train(rows: &Matrix, labels: &[usize], classes: usize, recipe: &AdamRecipe, added: Added<'_>) -> Affine {
    let mut random = ChaCha8Rng::seed_from_u64(recipe.seed);
    let order = shuffled(rows.rows, &mut random);
    let (rows, labels) = (rows.select_rows(&order), order.iter().map(|&row| labels[row]).collect::<Vec<_>>());
    let limit = (6.0 / (rows.columns + classes) as f64).sqrt();
    let weights = (0..rows.columns * classes).map(|_| ((2.0 * uniform(&mut random) - 1.0) * limit) as f32).collect();
    let mut model = Affine { classes, weights, bias: vec![0.0; classes] };
    let mut moments = (Moments::zeros(model.weights.len()), Moments::zeros(classes));
    let size = recipe.batch.max(1);
    let batches: Vec<(Matrix, &[usize])> = (0..rows.rows)
        .step_by(size)
        .map(|first| {
            let picks: Vec<usize> = (first..rows.rows.min(first + size)).collect();
            (rows.select_rows(&picks), &labels[first..first + picks.len()])
        })
        .collect();
    for step in 0..recipe.steps {
        let (rows, labels) = &batches[step % batches.len()];
        let divisor = if recipe.ragged == Ragged::Reference { size } else { labels.len() };
        let batch = batch_gradient(rows, labels, &model, added, divisor);
        let rate = cosine_schedule(recipe.learning_rate, step, recipe.steps);
        moments.0.step(&mut model.weights, &batch.weights, rate, step + 1);
        moments.1.step(&mut model.bias, &batch.bias, rate, step + 1);
    }
    model
}

/// Relevance of every column, the mean over the recipe's repeats of the scoring head; `all` holds every column of the fitted rows,
/// `widths` the number of columns of each tap.
pub(super) fn scores(all: &Matrix, widths: &[usize], rows: &Rows<'_>, recipe: &AdamRecipe, scorer: Scorer) -> Vec<f64> {
    let added = match recipe.groups {
        PenaltyGroups::Columns => Added::Columns(recipe.lambda),
        PenaltyGroups::Taps => Added::Taps(recipe.lambda, widths),
        PenaltyGroups::TapsWithoutCoefficient => Added::Taps(1.0, widths),
    };
    let mut mean = vec![0.0; all.columns];
    for repeat in 0..recipe.repeats {
        let again = AdamRecipe { seed: recipe.seed.wrapping_add(repeat as u64), ..recipe.clone() };
        let head = train(all, rows.labels, rows.classes, &again, added);
        for (mean, size) in mean.iter_mut().zip(sizes(&head, scorer)) {
            let score = if recipe.squared_scores { size * size } else { size };
            *mean += score / recipe.repeats as f64;
        }
    }
    mean
}

/// Sizes of the rows of the weights: the relevance score.
pub(super) fn sizes(model: &Affine, scorer: Scorer) -> Vec<f64> {
    let wide = |row: &[f32]| row.iter().map(|&weight| f64::from(weight)).collect::<Vec<_>>();
    model.weights.chunks(model.classes).map(|row| scorer.measure(&wide(row))).collect()
}

/// A model of the classes present, spread over all of them.
pub(super) fn spread(model: &Affine, present: &[usize], classes: usize) -> Affine {
    let columns = model.weights.len() / model.classes;
    let mut out = Affine { classes, weights: vec![0.0; columns * classes], bias: vec![ABSENT_LOGIT as f32; classes] };
    for (position, &class) in present.iter().enumerate() {
        out.bias[class] = model.bias[position];
        for column in 0..columns {
            out.weights[column * classes + class] = model.weights[column * model.classes + position];
        }
    }
    out
}

/// Uniform in [0, 1).
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn shuffled(count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, (uniform(random) * (last + 1) as f64) as usize);
    }
    order
}

#[cfg(test)]
mod tests;
