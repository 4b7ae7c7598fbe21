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

/// How far probabilities can be trusted. All but the last are 0 at their best.
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
    /// Mean absolute calibration error in the same groups.
    #[serde(default)]
    pub adaptive_deviation: f64,
    /// How well doubt finds mistakes ([`soft_f1`]); 1 at its best, and 0 where there is no mistake to find.
    #[serde(default)]
    pub soft_f1: f64,
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
            adaptive_deviation: adaptive_deviation(answers, group_size(answers.len())),
            soft_f1: soft_f1(answers),
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
    let square: f64 = gaps(answers, size).iter().map(|(rows, gap)| gap * gap / *rows as f64).sum();
    (square / answers.len().max(1) as f64).sqrt()
}

/// Rows of each group, and the sum over them of confidence less right answers; what is left over joins the last group.
fn gaps(answers: &[Answer], size: usize) -> Vec<(usize, f64)> {
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    // Of equal confidences, wrong answers first: the result does not depend on the order of the rows.
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence).then(a.right.cmp(&b.right)));
    let groups = (sorted.len() / size.max(1)).max(1);
    let group = |index: usize| {
        let end = if index + 1 == groups { sorted.len() } else { (index + 1) * size };
        let rows = &sorted[(index * size).min(end)..end];
        (rows.len(), rows.iter().map(|answer| answer.confidence - f64::from(u8::from(answer.right))).sum())
    };
    (0..groups).map(group).filter(|(rows, _)| *rows > 0).collect()
}

/// Mean absolute calibration error over the same groups: `sum (rows / n) |mean confidence - share right|`.
#[must_use]
pub fn adaptive_deviation(answers: &[Answer], size: usize) -> f64 {
    gaps(answers, size).iter().map(|(_, gap)| gap.abs()).sum::<f64>() / answers.len().max(1) as f64
}

/// `[adaptive_error, adaptive_deviation]` as the code released with Hendrycks, Lee, Mazeika (2019) has them: the last group, that of the
/// surest rows, is left out, yet counted in `n`. For comparison with published figures alone.
#[must_use]
pub fn released_errors(answers: &[Answer], size: usize) -> [f64; 2] {
    let gaps = gaps(answers, size);
    let kept = &gaps[..gaps.len().saturating_sub(1)];
    let n = answers.len().max(1) as f64;
    let square: f64 = kept.iter().map(|(rows, gap)| gap * gap / *rows as f64).sum();
    [(square / n).sqrt(), kept.iter().map(|(_, gap)| gap.abs()).sum::<f64>() / n]
}

/// How well doubt finds mistakes, from 0 to 1: `2 sum (1 - c) w / sum (1 - c + w)` with `w` 1 for a wrong answer (Hendrycks et al. 2019).
#[must_use]
pub fn soft_f1(answers: &[Answer]) -> f64 {
    let (mut both, mut all) = (0.0, 0.0);
    for answer in answers {
        let (doubt, wrong) = (1.0 - answer.confidence, f64::from(u8::from(!answer.right)));
        both += doubt * wrong;
        all += doubt + wrong;
    }
    if all > 0.0 { 2.0 * both / all } else { 0.0 }
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
        assert!((adaptive_deviation(&answers(), 3) - 0.075).abs() < 1e-12);
        let released = released_errors(&answers(), 3);
        assert!((released[0] - 0.051_445_764_3).abs() < 1e-9 && (released[1] - 0.038).abs() < 1e-12, "{released:?}");
        assert!((soft_f1(&answers()) - 0.48).abs() < 1e-9);
        assert!((expected_error(&answers(), 15) - 0.325).abs() < 1e-9);
        assert!((expected_error(&answers(), 5) - 0.149).abs() < 1e-9);
    }

    /// Property 7.
    #[test]
    fn the_deviation_is_at_most_the_error_and_leaving_a_group_out_lowers_both() {
        for size in 1..=10 {
            let [error, deviation] = [adaptive_error(&answers(), size), adaptive_deviation(&answers(), size)];
            let released = released_errors(&answers(), size);
            assert!(deviation <= error + 1e-12 && released[0] <= error && released[1] <= deviation);
            assert_eq!(released == [0.0, 0.0], size > 5, "{size}");
        }
        assert_eq!((released_errors(&[], 3), soft_f1(&[])), ([0.0; 2], 0.0));
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
