//! Federated averaging (McMahan, Moore, Ramage, Hampson, Aguera y Arcas 2017, arXiv 1602.05629, algorithm 1) of logistic heads.
//!
//! ```text
//! round:  W_k <- `local` steps of gradient descent from W on the rows of shard k;      W <- sum over k of (n_k / n) W_k
//! L = mean cross-entropy + penalty/2 |W|^2, the bias free
//! ```
//!
//! Shards take steps on all of their rows, so nothing is drawn. With one local step the average is a step of gradient descent on all rows
//! together, exactly; with more, fewer rounds are needed and shards that differ pull the average away from the head of all rows.

use heirloom_matrix::Mat;
use serde::{Deserialize, Serialize};

use super::{LinearHead, Sent, Shard, check};
use crate::adaptation::AdaptationError;
use crate::adaptation::deep::layer::{Layer, cross_entropy};

/// Settings of federated averaging.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AveragingOptions {
    /// Rounds: how often shards send.
    pub rounds: usize,
    /// Steps of a shard in each round.
    pub local: usize,
    /// Learning rate. Columns should be of size 1 or so, by statistics that all shards share.
    pub rate: f64,
    /// Penalty on the squared weights.
    pub penalty: f64,
}

impl Default for AveragingOptions {
    fn default() -> Self {
        Self { rounds: 50, local: 5, rate: 0.1, penalty: 1e-3 }
    }
}

/// A head that was averaged over shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AveragedHead {
    /// The head after the last round.
    pub head: LinearHead,
    /// Largest change of a weight or a bias in each round: whether it came to rest.
    pub changes: Vec<f64>,
    /// What each shard sends.
    pub sent: Sent,
}

/// Averages logistic heads over shards, from zero weights.
///
/// ```
/// use heirloom_transfer::adaptation::Samples;
/// use heirloom_transfer::federated::{AveragingOptions, Shard, average};
/// let (here, there) = (Samples::new(2, 1, vec![-1.0, 1.0])?, Samples::new(2, 1, vec![-2.0, 0.5])?);
/// let shards = [&here, &there].map(|samples| Shard { samples, labels: &[0, 1] });
/// let found = average(&shards, 2, &AveragingOptions::default())?;
/// assert_eq!(found.head.label(&here)?, [0, 1]);
/// assert_eq!((found.sent.numbers, found.sent.rounds), (5, 50));
/// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
/// ```
///
/// # Errors
/// No shard, shards that do not fit together, settings outside their range, or a training that diverges.
pub fn average(
    shards: &[Shard<'_>],
    classes: usize,
    options: &AveragingOptions,
) -> Result<AveragedHead, AdaptationError> {
    check_all(shards, classes, options)?;
    let columns = shards.first().map_or(0, |shard| shard.samples.columns());
    let all: usize = shards.iter().map(|shard| shard.labels.len()).sum();
    let (mut head, mut changes) = (Layer::zeros(columns, classes), Vec::new());
    for _ in 0..options.rounds {
        let mut sum = Layer::zeros(columns, classes);
        for shard in shards {
            add(&mut sum, &moved(&head, shard, options), shard.labels.len() as f64 / all as f64);
        }
        changes.push(change(&head, &sum));
        head = sum;
    }
    if changes.iter().any(|change| !change.is_finite()) {
        return Err(AdaptationError::Diverged { method: "federated averaging" });
    }
    let weights = (0..columns * classes).map(|at| head.weight[(at / classes, at % classes)]).collect();
    // Weights and bias, and the number of rows.
    let sent = Sent { numbers: (columns + 1) * classes + 1, rounds: options.rounds };
    Ok(AveragedHead { head: LinearHead { weights, bias: head.bias }, changes, sent })
}

fn check_all(shards: &[Shard<'_>], classes: usize, options: &AveragingOptions) -> Result<(), AdaptationError> {
    let Some(first) = shards.first() else {
        return Err(AdaptationError::Length { what: "the list of shards", expected: 1, found: 0 });
    };
    for (setting, value) in [("rate", options.rate), ("penalty", options.penalty)] {
        if !(value >= 0.0 && value.is_finite()) {
            let range = "0 or a positive number is needed";
            return Err(AdaptationError::Setting { setting, value: value.to_string(), range });
        }
    }
    for shard in shards {
        check(shard, classes)?;
        let (source_columns, target_columns) = (first.samples.columns(), shard.samples.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
    }
    Ok(())
}

/// The head after the local steps of one shard.
fn moved(head: &Layer, shard: &Shard<'_>, options: &AveragingOptions) -> Layer {
    let (mut own, rows) = (head.clone(), shard.samples.view());
    for _ in 0..options.local.max(1) {
        let (_, by_logits) = cross_entropy(&own.forward(rows), shard.labels, 0.0);
        let slope = own.slope(rows, by_logits.as_ref());
        let (kept, rate) = (1.0 - options.rate * options.penalty, options.rate);
        let (weight, slopes) = (&own.weight, &slope.weight);
        own.weight = Mat::from_fn(weight.nrows(), weight.ncols(), |row, column| {
            kept * weight[(row, column)] - rate * slopes[(row, column)]
        });
        own.bias.iter_mut().zip(&slope.bias).for_each(|(bias, slope)| *bias -= rate * slope);
    }
    own
}

/// `sum += share * head`.
fn add(sum: &mut Layer, head: &Layer, share: f64) {
    for column in 0..sum.weight.ncols() {
        for row in 0..sum.weight.nrows() {
            sum.weight[(row, column)] += share * head.weight[(row, column)];
        }
    }
    sum.bias.iter_mut().zip(&head.bias).for_each(|(sum, bias)| *sum += share * bias);
}

/// Largest change of any number; not a number where one is none.
fn change(before: &Layer, after: &Layer) -> f64 {
    let columns = 0..before.weight.ncols();
    let of_column = |column: usize| {
        let pairs = before.weight.col(column).iter().zip(after.weight.col(column).iter());
        pairs.map(|(before, after)| (after - before).abs()).collect::<Vec<f64>>()
    };
    let of_bias = before.bias.iter().zip(&after.bias).map(|(before, after)| (after - before).abs());
    let all = columns.flat_map(of_column).chain(of_bias);
    all.fold(0.0, |most: f64, value| if value.is_finite() { most.max(value) } else { f64::NAN })
}
