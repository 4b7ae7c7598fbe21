//! One training of a linear head on several domains, and the best of several by held-out rows.

use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_data::SplitInput;
use heirloom_matrix::{Mat, MatRef};

use super::{
    Candidate, Draw, GeneralisationMethod, GeneralisationOptions, Labelled, correlation, group, mixed, pooled,
};
use crate::adaptation::deep::batches::{batch, picked};
use crate::adaptation::deep::layer::{Layer, Slope};
use crate::adaptation::{AdaptationError, Samples};

/// One fold of this many is held out.
const FOLDS: usize = 5;
/// Rows that a domain needs at least: two of them held out.
const FEWEST: usize = 10;

/// A linear head: `[columns, classes]` weights and a bias.
#[derive(Debug, Clone)]
pub(super) struct Head(Layer);

impl Head {
    /// The class of the largest logit of each row, the first of equals.
    pub(super) fn label(&self, rows: &Samples) -> Vec<usize> {
        largest(&self.0.forward(rows.view()))
    }
}

/// A domain in two parts, scaled.
pub(super) struct Prepared {
    /// Rows and classes to fit on.
    fit: (Mat<f64>, Vec<usize>),
    /// Rows and classes to choose by.
    held_out: (Mat<f64>, Vec<usize>),
}

/// Rows of one domain in one step, with their classes.
pub(super) struct Batch {
    pub rows: Mat<f64>,
    pub labels: Vec<usize>,
}

/// What a step learns from: rows, and the gradient of the loss by their logits.
pub(super) type Pulls = Vec<(Mat<f64>, Mat<f64>)>;

/// The best of several trainings.
pub(super) struct Best {
    pub candidates: Vec<Candidate>,
    pub chosen: usize,
    pub head: Head,
}

/// Refuses domains that do not fit together.
pub(super) fn check(domains: &[Labelled<'_>], classes: usize) -> Result<(), AdaptationError> {
    let Some(first) = domains.first() else {
        return Err(AdaptationError::Length { what: "the list of training domains", expected: 1, found: 0 });
    };
    for domain in domains {
        let (rows, found) = (domain.samples.rows(), domain.labels.len());
        let (source_columns, target_columns) = (first.samples.columns(), domain.samples.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        if rows < FEWEST {
            return Err(AdaptationError::TooFewRows { domain: "training domain", rows, needed: FEWEST });
        }
        if rows != found {
            return Err(AdaptationError::Length { what: "the list of labels", expected: rows, found });
        }
        if let Some(row) = domain.labels.iter().position(|label| *label >= classes) {
            return Err(AdaptationError::LabelOutside { row, label: domain.labels[row], classes });
        }
    }
    Ok(())
}

impl Prepared {
    /// Holds out a fifth of the rows, as many of every class as can be.
    pub(super) fn split(samples: &Samples, labels: &[usize], seed: u64) -> Result<Self, AdaptationError> {
        let folds = heirloom_data::folds(SplitInput { labels, groups: None, keys: None }, FOLDS, seed)
            .map_err(|error| AdaptationError::Classifier { reason: error.to_string() })?;
        let (held_out, fit) = folds.rows(0);
        let all = samples.view().to_owned();
        let part = |rows: &[usize]| (picked(&all, rows), rows.iter().map(|row| labels[*row]).collect());
        Ok(Self { fit: part(&fit), held_out: part(&held_out) })
    }

    /// Share of held-out rows that a head gets right.
    fn right(&self, head: &Head) -> f64 {
        let found = largest(&head.0.forward(self.held_out.0.as_ref()));
        let right = found.iter().zip(&self.held_out.1).filter(|(found, label)| found == label).count();
        right as f64 / found.len().max(1) as f64
    }
}

/// Trains with every draw and keeps the one that does best on held-out rows, domains counted by `weights`.
pub(super) fn best(
    method: GeneralisationMethod,
    domains: &[Prepared],
    weights: &[f64],
    classes: usize,
    options: &GeneralisationOptions,
    cancel: Option<&AtomicBool>,
) -> Result<Best, AdaptationError> {
    let mut candidates = Vec::<Candidate>::new();
    let mut best = None::<(usize, Head)>;
    for number in 0..options.draws.max(1) {
        if cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(AdaptationError::Stopped);
        }
        let draw = Draw::new(method, options.seed, number);
        let head = train(method, domains, weights, classes, options, draw)?;
        let validation = match head.is_finite() {
            true => domains.iter().zip(weights).map(|(domain, weight)| weight * domain.right(&head)).sum(),
            false => 0.0,
        };
        let better = |(kept, _): &(usize, Head)| validation > candidates[*kept].validation;
        if head.is_finite() && best.as_ref().is_none_or(better) {
            best = Some((number, head));
        }
        candidates.push(Candidate { draw, validation });
    }
    let (chosen, head) = best.ok_or(AdaptationError::Diverged { method: method.name() })?;
    Ok(Best { candidates, chosen, head })
}

/// One training from zero weights.
fn train(
    method: GeneralisationMethod,
    domains: &[Prepared],
    weights: &[f64],
    classes: usize,
    options: &GeneralisationOptions,
    draw: Draw,
) -> Result<Head, AdaptationError> {
    let columns = domains.first().map_or(0, |domain| domain.fit.0.ncols());
    let mut head = Layer::zeros(columns, classes);
    let counts: Vec<usize> = domains.iter().map(|domain| domain.fit.1.len()).collect();
    let strength = draw.strength.unwrap_or_default();
    let mut groups = group::Groups::new(&counts, strength)?;
    for step in 0..options.steps {
        let batches: Vec<Batch> =
            domains.iter().enumerate().map(|(at, domain)| rows_of(domain, at, step, options)).collect();
        let pulls = match method {
            GeneralisationMethod::Erm => pooled::pulls(&head, batches, weights),
            GeneralisationMethod::Coral => correlation::pulls(&head, batches, weights, strength),
            GeneralisationMethod::GroupDro => groups.pulls(&head, batches)?,
            GeneralisationMethod::Mixup => mixed::pulls(&head, &batches, strength, (options.seed, step)),
        };
        let rate = draw.rate * (1.0 - step as f64 / options.steps as f64);
        head.step_with(&sum(&head, &pulls), rate, draw.decay);
    }
    Ok(Head(head))
}

/// The rows of a domain that a step sees.
fn rows_of(domain: &Prepared, at: usize, step: usize, options: &GeneralisationOptions) -> Batch {
    let seed = options.seed.wrapping_mul(31).wrapping_add(at as u64);
    let rows = batch(seed, 0, step, domain.fit.1.len(), options.batch);
    Batch { rows: picked(&domain.fit.0, &rows), labels: rows.iter().map(|row| domain.fit.1[*row]).collect() }
}

/// The gradient of the head from all that a step learns from.
fn sum(head: &Layer, pulls: &Pulls) -> Slope {
    let mut all =
        Slope { weight: Mat::zeros(head.weight.nrows(), head.weight.ncols()), bias: vec![0.0; head.bias.len()] };
    for (rows, by_logits) in pulls {
        let slope = head.slope(rows.as_ref(), by_logits.as_ref());
        all.weight += slope.weight;
        all.bias.iter_mut().zip(&slope.bias).for_each(|(sum, value)| *sum += value);
    }
    all
}

impl Head {
    fn is_finite(&self) -> bool {
        let weights: MatRef<'_, f64> = self.0.weight.as_ref();
        self.0.bias.iter().all(|value| value.is_finite())
            && (0..weights.ncols()).all(|column| weights.col(column).iter().all(|value| value.is_finite()))
    }
}

fn largest(logits: &Mat<f64>) -> Vec<usize> {
    let best = |row: usize| {
        (0..logits.ncols()).fold(0, |best, class| if logits[(row, class)] > logits[(row, best)] { class } else { best })
    };
    (0..logits.nrows()).map(best).collect()
}
