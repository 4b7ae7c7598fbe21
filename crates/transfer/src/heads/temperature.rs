//! Temperature: the one number that logits are divided by so that the softmax is calibrated on rows the head was not fitted
//! on (`spec/robustness.md` section 5.2). It never changes a prediction.

use rayon::prelude::*;

use super::affine::ABSENT_LOGIT;
use super::softmax::softmax_in_place;

/// Range of the inverse temperature.
const INVERSE_RANGE: (f64, f64) = (1e-4, 1e5);
/// Rows whose sums are formed together, on one thread.
const PIECE: usize = 256;

/// A fitted temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// What logits are divided by.
    pub value: f64,
    /// Every row was classified correctly, so that the likelihood has no maximum; `value` then makes the mean confidence
    /// `(n + 1) / (n + 2)` for `n` rows, the rule of succession.
    pub separable: bool,
}

/// The temperature with the least mean log loss on `logits` `[rows, classes]`.
///
/// The loss is convex in `1/T`; its derivative, the mean of `E_p[z] - z_label`, is brought to zero by bisection. Rows whose
/// own class the model could not know (no training row) are left out. Give out-of-fold logits, never those of fitted rows.
///
/// ```
/// let logits = [2., 0., 0., 1., 3., 0., 0., 2.5, 1., 4., 0., 1., 0.5, 0., 3., 3., 1., 0.];
/// let fitted = heirloom_transfer::heads::fit_temperature(&logits, 3, &[0, 1, 2, 0, 2, 1]);
/// assert!((fitted.value - 1.374_719_576_9).abs() < 1e-6 && !fitted.separable);
/// ```
#[must_use]
pub fn fit_temperature(logits: &[f32], classes: usize, labels: &[usize]) -> Temperature {
    let known = |&(row, label): &(&[f32], usize)| f64::from(row[label]) > 0.5 * ABSENT_LOGIT;
    let rows: Vec<(&[f32], usize)> = logits.chunks(classes.max(1)).zip(labels.iter().copied()).filter(known).collect();
    if rows.is_empty() {
        return Temperature { value: 1.0, separable: false };
    }
    let separable =
        rows.iter().all(|(row, label)| row.iter().enumerate().all(|(c, z)| c == *label || *z < row[*label]));
    let wanted = (rows.len() + 1) as f64 / (rows.len() + 2) as f64;
    let inverse = bisect(|inverse| {
        let (slope, confidence) = summary(&rows, inverse);
        if separable { confidence >= wanted } else { slope >= 0.0 }
    });
    Temperature { value: 1.0 / inverse, separable }
}

/// Divides out-of-fold logits by the temperature that suits them, and returns it; those of classes that a model could not know
/// stay as they are.
pub(crate) fn temper(logits: &mut [f32], classes: usize, labels: &[usize]) -> f64 {
    let temperature = fit_temperature(logits, classes, labels).value;
    let known = logits.iter_mut().filter(|logit| f64::from(**logit) > 0.5 * ABSENT_LOGIT);
    known.for_each(|logit| *logit = (f64::from(*logit) / temperature) as f32);
    temperature
}

/// The inverse temperature, on a log scale, at which `reached` turns true.
fn bisect(reached: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (INVERSE_RANGE.0.ln(), INVERSE_RANGE.1.ln());
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if reached(middle.exp()) { high = middle } else { low = middle }
    }
    (0.5 * (low + high)).exp()
}

/// Derivative of the mean log loss by the inverse temperature, and the mean largest probability.
fn summary(rows: &[(&[f32], usize)], inverse: f64) -> (f64, f64) {
    let pieces: Vec<(f64, f64)> = rows.par_chunks(PIECE).map(|rows| sums(rows, inverse)).collect();
    let (slope, confidence) = pieces.iter().fold((0.0, 0.0), |sum, piece| (sum.0 + piece.0, sum.1 + piece.1));
    (slope / rows.len() as f64, confidence / rows.len() as f64)
}

fn sums(rows: &[(&[f32], usize)], inverse: f64) -> (f64, f64) {
    let (mut slope, mut confidence) = (0.0, 0.0);
    let mut row = Vec::new();
    for (logits, label) in rows {
        row.clear();
        row.extend(logits.iter().map(|&logit| f64::from(logit) * inverse));
        softmax_in_place(&mut row);
        slope += row.iter().zip(*logits).map(|(p, &z)| p * f64::from(z)).sum::<f64>() - f64::from(logits[*label]);
        confidence += row.iter().copied().fold(0.0, f64::max);
    }
    (slope, confidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TV6 of `spec/robustness.md` stands in the documentation of [`fit_temperature`]; here its scaling (property 6).
    #[test]
    fn logits_scaled_by_k_have_a_temperature_scaled_by_k() {
        let logits = [2.0_f32, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 2.5, 1.0, 4.0, 0.0, 1.0, 0.5, 0.0, 3.0, 3.0, 1.0, 0.0];
        let labels = [0, 1, 2, 0, 2, 1];
        let tripled: Vec<f32> = logits.iter().map(|logit| 3.0 * logit).collect();
        let (one, three) = (fit_temperature(&logits, 3, &labels), fit_temperature(&tripled, 3, &labels));
        assert!((three.value / one.value - 3.0).abs() < 1e-6);
    }

    #[test]
    fn separable_rows_get_the_rule_of_succession() {
        let fitted = fit_temperature(&[3.0, 0.0, 0.0, 1.0], 2, &[0, 1]);
        assert!(fitted.separable);
        let confidence = |gap: f64| 1.0 / (1.0 + (-gap / fitted.value).exp());
        assert!((0.5 * (confidence(3.0) + confidence(1.0)) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_class_that_could_not_be_known_is_left_out() {
        let known = fit_temperature(&[2.0, 0.0, 0.0, 1.0, 0.5, 0.0], 2, &[0, 1, 1]);
        let with_unknown = fit_temperature(&[2.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, -1e4], 2, &[0, 1, 1, 1]);
        assert_eq!(known, with_unknown);
    }
}
