//! Nearest class mean: a row goes to the class whose mean training row is closest, by Euclidean distance or by cosine. Both
//! are affine in the normalised features:
//!
//! ```text
//! Euclidean: -||x - mu_c||^2 / 2 = x mu_c - ||mu_c||^2 / 2 + (the same for all classes)
//! cosine:     x mu_c / ||mu_c||          (x has norm 1 under unit-vector normalisation)
//! ```
//!
//! The softmax of these over a temperature is the classifier of prototypical networks (Snell, Swersky, Zemel, NeurIPS 2017, arXiv
//! 1703.05175; `spec/regularisers-and-adaptation.md` section E2), which has the Euclidean metric and the temperature 1/2.
//!
//! The metric with the lower leave-one-out log loss is taken; a row leaves its own class's mean in closed form.

use super::affine::{ABSENT_LOGIT, Affine};
use super::choice::{Setting, choose, settings};
use super::dense::Matrix;
use super::input::{Input, gather_training};
use super::normalization::Normalization;
use super::temperature::fit_temperature;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// How far a row is from a class mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Squared Euclidean distance.
    Euclidean,
    /// Angle to the mean.
    Cosine,
}

impl Metric {
    const fn name(self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::Cosine => "cosine",
        }
    }
}

/// Settings of `ncm`.
#[derive(Debug, Clone, PartialEq)]
pub struct NcmSettings {
    /// Metrics to choose from.
    pub metrics: Vec<Metric>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for NcmSettings {
    fn default() -> Self {
        Self { metrics: vec![Metric::Euclidean, Metric::Cosine], normalization: Normalization::UnitVector }
    }
}

/// Fits `ncm` with the metric chosen by leave-one-out.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &NcmSettings,
) -> Result<Fitted, HeadError> {
    if settings_of.metrics.is_empty() {
        let range = "one or more of euclidean, cosine are needed";
        return Err(HeadError::Setting { setting: "metrics", value: "[]".to_string(), range });
    }
    let (rows, normalizer) = gather_training(training.features, &inputs, &checked.rows, settings_of.normalization)?;
    let sums = Sums::of(&rows, &checked.labels, checked.classes);
    let mut temperatures = Vec::new();
    let mut candidates = Vec::new();
    for &metric in &settings_of.metrics {
        let held_out = sums.leave_one_out(&rows, &checked.labels, metric);
        let temperature = fit_temperature(&held_out, checked.classes, &checked.labels).value;
        let scaled = held_out.iter().map(|&logit| (f64::from(logit) / temperature) as f32).collect();
        candidates.push((settings([("metric", Setting::Text(metric.name().to_string()))]), scaled));
        temperatures.push(temperature);
    }
    let choice = choose(checked, candidates);
    let rule = sums.rule(settings_of.metrics[choice.chosen], temperatures[choice.chosen]);
    let head = Head::new(Method::Ncm, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// Per class: the sum of its rows `[classes, columns]` and their number.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    columns: usize,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Sums {
    pub fn of(rows: &Matrix, labels: &[usize], classes: usize) -> Self {
        let columns = rows.columns;
        let mut out = Self { columns, sums: vec![0.0; classes * columns], counts: vec![0.0; classes] };
        for (row, &label) in labels.iter().enumerate() {
            out.counts[label] += 1.0;
            let sums = &mut out.sums[label * columns..(label + 1) * columns];
            sums.iter_mut().zip(rows.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        out
    }

    /// Counts a row for a class as much as `share` says.
    pub fn add(&mut self, class: usize, row: &[f32], share: f64) {
        self.counts[class] += share;
        let sums = &mut self.sums[class * self.columns..(class + 1) * self.columns];
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += share * f64::from(*value));
    }

    fn class(&self, class: usize) -> &[f64] {
        &self.sums[class * self.columns..(class + 1) * self.columns]
    }

    /// Logit of a row for a class with the given mean: `x mu - |mu|^2/2` or `x mu / |mu|`.
    fn logit(metric: Metric, product: f64, square: f64) -> f64 {
        match metric {
            Metric::Euclidean => product - 0.5 * square,
            Metric::Cosine if square > 0.0 => product / square.sqrt(),
            Metric::Cosine => 0.0,
        }
    }

    fn leave_one_out(&self, rows: &Matrix, labels: &[usize], metric: Metric) -> Vec<f32> {
        let classes = self.counts.len();
        let squares: Vec<f64> = (0..classes).map(|c| self.class(c).iter().map(|v| v * v).sum()).collect();
        let columns = |column: usize| (0..classes).map(move |class| self.sums[class * self.columns + column]);
        let products = rows.times(&(0..self.columns).flat_map(columns).collect::<Vec<f64>>(), classes);
        let mut out = vec![0.0_f32; labels.len() * classes];
        for (row, &label) in labels.iter().enumerate() {
            let own: f64 = rows.row(row).iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            for class in 0..classes {
                let mut product = products[row * classes + class];
                let (mut square, mut count) = (squares[class], self.counts[class]);
                if class == label {
                    square += own - 2.0 * product;
                    product -= own;
                    count -= 1.0;
                }
                let known = count > 0.0;
                let logit = || Self::logit(metric, product / count, square.max(0.0) / (count * count));
                out[row * classes + class] = if known { logit() as f32 } else { ABSENT_LOGIT as f32 };
            }
        }
        out
    }

    /// The rule with its logits divided by a temperature.
    pub fn rule(&self, metric: Metric, temperature: f64) -> Affine {
        let classes = self.counts.len();
        let mut rule =
            Affine { classes, weights: vec![0.0; self.columns * classes], bias: vec![ABSENT_LOGIT as f32; classes] };
        for class in (0..classes).filter(|&class| self.counts[class] > 0.0) {
            let mean: Vec<f64> = self.class(class).iter().map(|sum| sum / self.counts[class]).collect();
            let square: f64 = mean.iter().map(|value| value * value).sum();
            rule.bias[class] = (Self::logit(metric, 0.0, square) / temperature) as f32;
            for (column, value) in mean.iter().enumerate() {
                let weight = Self::logit(metric, *value, square) - Self::logit(metric, 0.0, square);
                rule.weights[column * classes + class] = (weight / temperature) as f32;
            }
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prototypes and probabilities of TV13 of `spec/regularisers-and-adaptation.md`.
    #[test]
    fn prototypes_are_those_of_the_spec() {
        let support = Matrix { rows: 4, columns: 2, values: vec![1.0, 0.0, 0.8, 0.2, 0.0, 1.0, 0.1, 0.9] };
        let queries = Matrix { rows: 2, columns: 2, values: vec![0.7, 0.4, 0.4, 0.6] };
        let sums = Sums::of(&support, &[0, 0, 1, 1], 2);
        let logits = sums.rule(Metric::Euclidean, 0.5).logits(&queries);
        let expected = [0.644_511_553_706, 0.355_488_446_294, 0.436_593_213_738, 0.563_406_786_262];
        for (found, expected) in crate::heads::probabilities(&logits, 2, 1.0).iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
        let mut unit = queries.clone();
        unit.values.chunks_mut(2).for_each(crate::heads::normalization::unit_vector);
        let logits = sums.rule(Metric::Cosine, 0.1).logits(&unit);
        for (found, expected) in
            logits.iter().zip([9.177_221_168_073, 5.410_870_360_861, 6.431_920_864_233, 8.600_546_538_737])
        {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    /// Property 13 there: with one row a class, the nearest mean is the nearest row.
    #[test]
    fn with_one_row_a_class_it_is_the_nearest_neighbour() {
        let value = |row: usize, column: usize| ((row * 37 + column * 101 + row * column * 13) % 211) as f32 / 211.0;
        let matrix = |rows: std::ops::Range<usize>| Matrix {
            rows: rows.len(),
            columns: 5,
            values: rows.flat_map(|row| (0..5).map(move |column| value(row, column))).collect(),
        };
        let (support, queries) = (matrix(0..6), matrix(6..40));
        let labels: Vec<usize> = (0..6).collect();
        let logits = Sums::of(&support, &labels, 6).rule(Metric::Euclidean, 1.0).logits(&queries);
        for (row, logits) in logits.chunks(6).enumerate() {
            let distance = |class: &usize| {
                let pairs = queries.row(row).iter().zip(support.row(*class));
                pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>()
            };
            let nearest = (0..6).min_by(|a, b| distance(a).total_cmp(&distance(b)));
            assert_eq!(nearest, Some(super::super::softmax::argmax(logits)), "row {row}");
        }
    }

    #[test]
    fn leaving_a_row_out_equals_refitting_without_it() {
        let rows = Matrix { rows: 6, columns: 2, values: vec![1., 0., 2., 1., 0., 3., 1., 4., 5., 5., 4., 6.] };
        let labels = [0, 0, 1, 1, 1, 2];
        for metric in [Metric::Euclidean, Metric::Cosine] {
            let held_out = Sums::of(&rows, &labels, 3).leave_one_out(&rows, &labels, metric);
            for row in 0..6 {
                let others: Vec<usize> = (0..6).filter(|&other| other != row).collect();
                let kept = rows.select_rows(&others);
                let kept_labels: Vec<usize> = others.iter().map(|&other| labels[other]).collect();
                let rule = Sums::of(&kept, &kept_labels, 3).rule(metric, 1.0);
                let expected = rule.logits(&rows.select_rows(&[row]));
                for class in 0..3 {
                    assert!((held_out[row * 3 + class] - expected[class]).abs() < 1e-5, "{metric:?} {row} {class}");
                }
            }
        }
    }
}
