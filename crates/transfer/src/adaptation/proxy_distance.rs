//! The proxy A-distance (Ben-David, Blitzer, Crammer, Pereira 2006; `spec/regularisers-and-adaptation.md` section C2): how well a linear
//! classifier tells rows of two domains apart that it has not seen.
//!
//! ```text
//! d = 2 (1 - 2 e),   e the share of held-out rows given to the wrong domain;   0 where e is a half or more
//! ```
//!
//! The classifier is ridge regression, every row held out once (leave-one-out, exact in closed form), the penalty the one that does best
//! so. `e` is the mean of the error on either domain, and each domain counts as much in the fit as its rows, of which the larger domain
//! gives no more than the smaller.

use heirloom_engine::Shape;

use super::{AdaptationError, Samples};
use crate::heads::{Method, Settings, Training, fit};
use crate::{Block, Features, Pooling};

/// Two domains told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProxyDistance {
    /// Share of held-out rows given to the wrong domain, the mean of both domains.
    pub error: f64,
    /// 0 (not to be told apart) to 2.
    pub distance: f64,
}

impl ProxyDistance {
    /// The distance of an error of a domain classifier, 0 at least.
    ///
    /// ```
    /// use heirloom_transfer::adaptation::ProxyDistance;
    /// assert_eq!(ProxyDistance::of_error(0.25).distance, 1.0);
    /// ```
    #[must_use]
    pub fn of_error(error: f64) -> Self {
        Self { error, distance: (2.0 * (1.0 - 2.0 * error)).max(0.0) }
    }
}

/// The proxy A-distance between two domains `[rows, columns]`. Of the larger one, rows evenly spread over its order take part.
///
/// # Errors
/// Different columns, fewer than two rows of either, or a classifier that cannot be fitted.
pub fn proxy_distance(first: &Samples, second: &Samples) -> Result<ProxyDistance, AdaptationError> {
    if first.columns() != second.columns() {
        let (source_columns, target_columns) = (first.columns(), second.columns());
        return Err(AdaptationError::Columns { source_columns, target_columns });
    }
    for (domain, rows) in [("source", first.rows()), ("target", second.rows())] {
        if rows < 2 {
            return Err(AdaptationError::TooFewRows { domain, rows, needed: 2 });
        }
    }
    let each = first.rows().min(second.rows());
    let values = spread(first, each).chain(spread(second, each)).flatten().map(|value| *value as f32).collect();
    let (width, shape) = (first.columns(), Shape::Vector { channels: first.columns() });
    let block = Block { tap: "features".to_owned(), shape, pooling: Pooling::MEAN, width, values };
    let features = Features { rows: 2 * each, blocks: vec![block] };
    Ok(ProxyDistance::of_error(error(&features, each)?))
}

/// `count` rows, evenly spread.
fn spread(samples: &Samples, count: usize) -> impl Iterator<Item = &[f64]> {
    (0..count).map(move |at| samples.row(at * samples.rows() / count))
}

/// Share of wrong answers of the classifier on the first and on the last `each` rows, every row held out.
fn error(features: &Features, each: usize) -> Result<f64, AdaptationError> {
    let labels: Vec<usize> = (0..2 * each).map(|row| usize::from(row >= each)).collect();
    let rows: Vec<usize> = (0..2 * each).collect();
    // The method leaves out one row at a time; folds are not read.
    let training = Training { features, labels: &labels, rows: &rows, folds: &rows, classes: 2 };
    let fitted = fit(Method::Ridge, &training, &Settings::default())
        .map_err(|error| AdaptationError::Classifier { reason: error.to_string() })?;
    let held_out = fitted.choice.out_of_fold.chunks(2).zip(&labels);
    let wrong = held_out.filter(|(logits, label)| usize::from(logits[1] > logits[0]) != **label).count();
    Ok(wrong as f64 / labels.len() as f64)
}
