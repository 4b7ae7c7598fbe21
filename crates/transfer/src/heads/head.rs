//! A fitted head: which columns it reads, how it scales them, the rule that turns them into logits, and the temperature that
//! turns logits into calibrated probabilities.

use super::affine::Affine;
use super::cache_model::Cache;
use super::dense::Matrix;
use super::input::{self, Input};
use super::knn::Neighbours;
use super::normalization::{Normalization, Normalizer};
use super::softmax::softmax_in_place;
use super::{HeadError, Method};
use crate::Features;

/// From normalised features to logits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// `x W + b`.
    Affine(Affine),
    /// Votes of the nearest training rows.
    Neighbours(Neighbours),
    /// Class prototypes and a cache of training rows.
    Cache(Cache),
}

impl Rule {
    /// `x W + b` with weights `[columns, classes]`.
    pub(crate) const fn affine(classes: usize, weights: Vec<f32>, bias: Vec<f32>) -> Self {
        Self::Affine(Affine { classes, weights, bias })
    }
}

/// A fitted head.
///
/// ```
/// # use heirloom_engine::Shape;
/// # use heirloom_transfer::{Block, ClassTokenMode, Features, Pooling};
/// use heirloom_transfer::heads::{Method, Settings, Training, fit};
/// let values: Vec<f32> = (0..40).flat_map(|i| [(i % 2) as f32 + 0.1, 1.0 - 0.01 * i as f32]).collect();
/// let pooling = Pooling { target: 1, class_token: ClassTokenMode::Normal };
/// let block = Block { tap: "pre_logits".into(), shape: Shape::Vector { channels: 2 }, pooling, width: 2, values };
/// let features = Features { rows: 40, blocks: vec![block] };
/// let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
/// let folds: Vec<usize> = (0..40).map(|i| i / 8).collect();
/// let rows: Vec<usize> = (0..40).collect();
/// let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: 2 };
/// let fitted = fit(Method::Linear, &training, &Settings::default())?;
/// let probabilities = fitted.head.probabilities(&features, &[0, 1])?;
/// assert!(probabilities[0] > 0.5 && probabilities[3] > 0.5);
/// # Ok::<(), heirloom_transfer::heads::HeadError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub(crate) method: Method,
    pub(crate) classes: usize,
    pub(crate) inputs: Vec<Input>,
    pub(crate) normalizer: Normalizer,
    pub(crate) rule: Rule,
    pub(crate) temperature: f64,
}

impl Head {
    pub(crate) fn new(method: Method, classes: usize, inputs: Vec<Input>, normalizer: Normalizer, rule: Rule) -> Self {
        Self { method, classes, inputs, normalizer, rule, temperature: 1.0 }
    }

    /// A head that reads all columns of one block as they are.
    pub(crate) fn plain(method: Method, classes: usize, input: Input, rule: Rule) -> Self {
        Self::new(method, classes, vec![input], Normalizer::None, rule)
    }

    /// Divides logits by this before the softmax.
    pub(crate) fn set_temperature(&mut self, temperature: f64) {
        self.temperature = temperature;
    }

    /// Weights `[columns, classes]` and bias on features as they come, where the head is one linear map of one whole block.
    pub(crate) fn on_raw_features(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        let (Rule::Affine(affine), [Input { columns: None, .. }]) = (&self.rule, self.inputs.as_slice()) else {
            return None;
        };
        let (mut weights, mut bias) = (affine.weights.clone(), affine.bias.clone());
        match &self.normalizer {
            Normalizer::None => {}
            Normalizer::UnitVector => return None,
            Normalizer::PerFeature { mean, factor } => {
                for (row, (&mean, &factor)) in weights.chunks_mut(self.classes).zip(mean.iter().zip(factor)) {
                    for (weight, bias) in row.iter_mut().zip(&mut bias) {
                        *weight *= factor;
                        *bias -= mean * *weight;
                    }
                }
            }
        }
        Some((weights, bias))
    }

    /// The method that fitted it.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// How the columns of a tap are scaled.
    #[must_use]
    pub const fn normalization(&self) -> Normalization {
        self.normalizer.kind()
    }

    /// What logits are divided by before the softmax; fitted on out-of-fold predictions.
    #[must_use]
    pub const fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The columns read, tap by tap in the order of the features; taps without a selected column are absent.
    #[must_use]
    pub fn columns(&self) -> &[Input] {
        &self.inputs
    }

    /// Numbers stored by the rule and the normalisation (weights, bias, class means, training rows).
    #[must_use]
    pub fn stored_values(&self) -> usize {
        let normalisation = match &self.normalizer {
            Normalizer::PerFeature { mean, factor } => mean.len() + factor.len(),
            Normalizer::UnitVector | Normalizer::None => 0,
        };
        let rule = match &self.rule {
            Rule::Affine(affine) => affine.weights.len() + affine.bias.len(),
            Rule::Neighbours(neighbours) => neighbours.rows.values.len() + neighbours.labels.len(),
            Rule::Cache(cache) => {
                let prototypes = cache.prototypes.weights.len() + cache.prototypes.bias.len();
                prototypes + cache.rows.values.len() + cache.labels.len() + 2
            }
        };
        normalisation + rule
    }

    /// Floating-point operations of one prediction from features: a multiplication and an addition are two.
    #[must_use]
    pub fn operations(&self) -> u64 {
        let columns = input::width(&self.inputs) as u64;
        match &self.rule {
            Rule::Affine(affine) => 2 * columns * affine.classes as u64,
            Rule::Neighbours(neighbours) => 2 * columns * neighbours.rows.rows as u64,
            Rule::Cache(cache) => 2 * columns * (self.classes + cache.rows.rows) as u64,
        }
    }

    /// Logits `[rows, classes]`, row-major, before the temperature.
    ///
    /// # Errors
    /// A block that is missing or has another width, a row past the end, a value that is not finite.
    pub fn logits(&self, features: &Features, rows: &[usize]) -> Result<Vec<f32>, HeadError> {
        let normalised = input::gather(features, &self.inputs, rows, &self.normalizer)?;
        Ok(self.apply(&normalised))
    }

    /// Calibrated probabilities `[rows, classes]`, row-major.
    ///
    /// # Errors
    /// As [`Head::logits`].
    pub fn probabilities(&self, features: &Features, rows: &[usize]) -> Result<Vec<f32>, HeadError> {
        Ok(probabilities(&self.logits(features, rows)?, self.classes, self.temperature))
    }

    pub(crate) fn apply(&self, normalised: &Matrix) -> Vec<f32> {
        match &self.rule {
            Rule::Affine(affine) => affine.logits(normalised),
            Rule::Neighbours(neighbours) => neighbours.logits(normalised, self.classes),
            Rule::Cache(cache) => cache.logits(normalised, self.classes),
        }
    }
}

/// Softmax of `logits / temperature`, row by row.
#[must_use]
pub fn probabilities(logits: &[f32], classes: usize, temperature: f64) -> Vec<f32> {
    let mut out = Vec::with_capacity(logits.len());
    let mut row = vec![0.0_f64; classes];
    for logits in logits.chunks(classes.max(1)) {
        row.iter_mut().zip(logits).for_each(|(value, &logit)| *value = f64::from(logit) / temperature);
        softmax_in_place(&mut row);
        out.extend(row.iter().map(|&value| value as f32));
    }
    out
}
