//! Whether stated confidence and share of right answers agree (`spec/robustness.md` section 5.1).
//!
//! Every estimator reads rows that the model was not fitted on: the confidence `c` of the answer given, whether it is right
//! (`a` = 1) or not, the probability given to the true class, the squared distance of all probabilities from the truth.

use serde::{Deserialize, Serialize};

use crate::heads::PROBABILITY_FLOOR;

/// Ranges of equal width in the expected calibration error.
const RANGES: usize = 15;
/// Fewest rows in a group of the adaptive estimator.
const FEWEST: usize = 10;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Probability of the class that was given.
    pub confidence: f64,
    /// Whether that class is the row's own.
    pub right: bool,
    /// Probability of the row's own class.
    pub label_probability: f64,
    /// Squared distance of the probabilities from the indicator of the row's own class.
    pub brier: f64,
}

impl Answer {
    /// The answer that `probabilities` give to a row of class `label`; of equally probable classes the first is given.
    #[must_use]
    pub fn of(probabilities: &[f32], label: usize) -> Self {
        let first =
            |best: usize, (class, value): (usize, &f32)| if *value > probabilities[best] { class } else { best };
        let given = probabilities.iter().enumerate().fold(0, first);
        let distance =
            |(class, value): (usize, &f32)| (f64::from(*value) - f64::from(u8::from(class == label))).powi(2);
        let of = |class: usize| probabilities.get(class).map_or(0.0, |value| f64::from(*value));
        Self {
            confidence: of(given),
            right: given == label,
            label_probability: of(label),
            brier: probabilities.iter().enumerate().map(distance).sum(),
        }
    }
}

/// How far probabilities can be trusted. All are 0 at their best.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean negative logarithm (natural) of the probability of the true class; a probability below 1e-15 counts as that.
    pub log_loss: f64,
    /// Mean squared distance of the probabilities from the true class's indicator, summed over classes (Brier 1950).
    pub brier: f64,
    /// Expected calibration error in 15 ranges of equal width (Guo et al. 2017).
    pub expected_error: f64,
    /// Root mean square calibration error in groups of equally many rows.
    pub adaptive_error: f64,
}

impl Calibration {
    /// All estimators over `answers`; zeros where there are none.
    #[must_use]
    pub fn of(answers: &[Answer]) -> Self {
        if answers.is_empty() {
            return Self::default();
        }
        let mean = |value: &dyn Fn(&Answer) -> f64| answers.iter().map(value).sum::<f64>() / answers.len() as f64;
        Self {
            log_loss: mean(&|answer| -answer.label_probability.max(PROBABILITY_FLOOR).ln()),
            brier: mean(&|answer| answer.brier),
            expected_error: expected_error(answers, RANGES),
            adaptive_error: adaptive_error(answers, group_size(answers.len())),
        }
    }
}

/// `sum over ranges of (rows / n) |mean confidence - share right|` over `ranges` ranges (low, high] of equal width.
#[must_use]
pub fn expected_error(answers: &[Answer], ranges: usize) -> f64 {
    let mut gaps = vec![0.0_f64; ranges.max(1)];
    for answer in answers {
        let range = ((answer.confidence * ranges as f64).ceil() as usize).clamp(1, gaps.len()) - 1;
        gaps[range] += answer.confidence - f64::from(u8::from(answer.right));
    }
    gaps.iter().map(|gap| gap.abs()).sum::<f64>() / answers.len().max(1) as f64
}

/// `sqrt(sum over groups of (rows / n) (mean confidence - share right)^2)` over groups of `size` rows of rising confidence; what
/// is left over joins the last group.
#[must_use]
pub fn adaptive_error(answers: &[Answer], size: usize) -> f64 {
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    // Of equal confidences, wrong answers first: the result does not depend on the order of the rows.
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence).then(a.right.cmp(&b.right)));
    let groups = (sorted.len() / size.max(1)).max(1);
    let group = |index: usize| {
        let end = if index + 1 == groups { sorted.len() } else { (index + 1) * size };
        let rows = &sorted[(index * size).min(end)..end];
        let gap: f64 = rows.iter().map(|answer| answer.confidence - f64::from(u8::from(answer.right))).sum();
        if rows.is_empty() { 0.0 } else { gap * gap / rows.len() as f64 }
    };
    ((0..groups).map(group).sum::<f64>() / sorted.len().max(1) as f64).sqrt()
}

/// Rows of a group: fifteen groups, but none smaller than ten rows and none larger than a hundred.
fn group_size(rows: usize) -> usize {
    (rows / RANGES).clamp(FEWEST, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `spec/robustness.md` TV5.
    fn answers() -> Vec<Answer> {
        let confidences = [0.30, 0.45, 0.50, 0.55, 0.62, 0.70, 0.81, 0.90, 0.93, 0.99];
        let right = [false, true, false, true, true, false, true, true, true, true];
        let answer = |(confidence, right)| Answer { confidence, right, label_probability: 0.5, brier: 0.0 };
        confidences.into_iter().zip(right).map(answer).collect()
    }

    #[test]
    fn estimators_reproduce_the_test_vector() {
        assert!((adaptive_error(&answers(), 3) - 0.077_904_856_5).abs() < 1e-9);
        assert!((expected_error(&answers(), 15) - 0.325).abs() < 1e-9);
        assert!((expected_error(&answers(), 5) - 0.149).abs() < 1e-9);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let mut reversed = answers();
        reversed.reverse();
        let (a, b) = (Calibration::of(&answers()), Calibration::of(&reversed));
        assert!(
            (a.adaptive_error - b.adaptive_error).abs() < 1e-15 && (a.expected_error - b.expected_error).abs() < 1e-15
        );
    }

    #[test]
    fn certain_and_right_is_perfect_and_certain_and_wrong_is_not() {
        let right = Answer::of(&[0.0, 1.0], 1);
        assert_eq!(Calibration::of(&[right; 20]), Calibration::default());
        let wrong = Calibration::of(&[Answer::of(&[0.0, 1.0], 0); 20]);
        assert_eq!((wrong.brier, wrong.expected_error, wrong.adaptive_error), (2.0, 1.0, 1.0));
        assert!((wrong.log_loss + 1e-15_f64.ln()).abs() < 1e-9);
        assert_eq!(Calibration::of(&[]), Calibration::default());
    }

    #[test]
    fn of_equally_probable_classes_the_first_is_given() {
        assert!(Answer::of(&[0.5, 0.5], 0).right && !Answer::of(&[0.5, 0.5], 1).right);
    }
}
