//! From judged rows to the figures of the record.

use std::collections::BTreeMap;

use super::judge::Judged;
use super::record::{ClassScore, Evaluated, ReliabilityBin, Scores, Share};
use crate::calibration::{Answer, Calibration};

/// Ranges of confidence in the reliability diagram.
const BINS: usize = 10;

/// Index of the largest probability, the first of equals.
pub(crate) fn most_probable(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (class, value)| if *value > row[best] { class } else { best })
}

/// One judged row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// Row of the features.
    pub row: usize,
    pub label: usize,
    pub predicted: usize,
    pub confidence: f64,
    pub label_probability: f64,
}

/// What was predicted for each judged row.
pub(crate) fn verdicts(judged: &Judged, labels: &[usize], classes: usize) -> Vec<Verdict> {
    let rows = judged.probabilities.chunks(classes.max(1)).zip(&judged.rows);
    rows.map(|(probabilities, &row)| {
        let predicted = most_probable(probabilities);
        let label = labels[row];
        Verdict {
            row,
            label,
            predicted,
            confidence: f64::from(probabilities[predicted]),
            label_probability: f64::from(probabilities[label]),
        }
    })
    .collect()
}

/// Rows by true class and predicted class.
pub(crate) fn confusion(verdicts: &[Verdict], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for verdict in verdicts {
        counts[verdict.label][verdict.predicted] += 1;
    }
    counts
}

/// For the `most` pairs of true and predicted class with the most mistakes, the first mistake in `rows`; pairs with more mistakes first.
#[must_use]
pub fn examples(rows: &[Evaluated], most: usize) -> Vec<Evaluated> {
    let mut pairs = BTreeMap::<(usize, usize), (usize, &Evaluated)>::new();
    for row in rows.iter().filter(|row| row.label != row.predicted) {
        pairs.entry((row.label, row.predicted)).or_insert((0, row)).0 += 1;
    }
    let mut found: Vec<(usize, &Evaluated)> = pairs.into_values().collect();
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().take(most).map(|(_, row)| row.clone()).collect()
}

/// Scores by class; classes without a judged row are left out.
pub(crate) fn per_class(confusion: &[Vec<usize>], names: &[String]) -> Vec<ClassScore> {
    let said = |class: usize| confusion.iter().map(|row| row[class]).sum::<usize>();
    let score = |class: usize| {
        let rows = confusion[class].iter().sum::<usize>();
        let (right, said) = (confusion[class][class], said(class));
        ClassScore {
            class: names[class].clone(),
            rows,
            recall: Share::of(right, rows),
            precision: (said > 0).then(|| right as f64 / said as f64),
        }
    };
    (0..names.len()).map(score).filter(|score| score.rows > 0).collect()
}

/// Confidence against the share that is right, in ten equal ranges.
pub(super) fn reliability(verdicts: &[Verdict]) -> Vec<ReliabilityBin> {
    let range = |bin: usize| (bin as f64 / BINS as f64, (bin + 1) as f64 / BINS as f64);
    let place = |verdict: &&Verdict| ((verdict.confidence * BINS as f64) as usize).min(BINS - 1);
    let bin = |index: usize| {
        let inside: Vec<&Verdict> = verdicts.iter().filter(|verdict| place(verdict) == index).collect();
        let right = inside.iter().filter(|verdict| verdict.label == verdict.predicted).count();
        let (low, high) = range(index);
        let accuracy = if inside.is_empty() { 0.0 } else { right as f64 / inside.len() as f64 };
        ReliabilityBin { low, high, accuracy, rows: inside.len() }
    };
    (0..BINS).map(bin).collect()
}

/// How far `probabilities` `[rows, classes]` of the judged rows can be trusted.
fn calibration(probabilities: &[f32], rows: &[usize], labels: &[usize], classes: usize) -> Calibration {
    let answers = probabilities.chunks(classes.max(1)).zip(rows).map(|(row, &at)| Answer::of(row, labels[at]));
    Calibration::of(&answers.collect::<Vec<_>>())
}

/// All scores; `labels` holds the class of every row, `training` those that the most frequent class is taken from.
pub(super) fn scores(judged: &Judged, labels: &[usize], names: &[String], training: &[usize]) -> Scores {
    let verdicts = &verdicts(judged, labels, names.len());
    let per_class = per_class(&confusion(verdicts, names.len()), names);
    let after = calibration(&judged.probabilities, &judged.rows, labels, names.len());
    let right = verdicts.iter().filter(|verdict| verdict.label == verdict.predicted).count();
    let n = verdicts.len().max(1) as f64;
    let count = |class: usize| training.iter().filter(|label| **label == class).count();
    let classes = training.iter().max().map_or(0, |most| most + 1);
    let frequent = (0..classes).rev().max_by_key(|class| count(*class)).unwrap_or(0);
    Scores {
        accuracy: Share::of(right, verdicts.len()),
        balanced_accuracy: per_class.iter().map(|class| class.recall.value).sum::<f64>()
            / per_class.len().max(1) as f64,
        log_loss: after.log_loss,
        brier: after.brier,
        majority: verdicts.iter().filter(|verdict| verdict.label == frequent).count() as f64 / n,
        calibration_error: after.expected_error,
        adaptive_calibration_error: after.adaptive_error,
        before_calibration: calibration(&judged.uncalibrated, &judged.rows, labels, names.len()),
    }
}

/// Rows whose label is probably a mistake, by confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068): another class has at
/// least the mean probability that rows of that class give it, and the row's own class has less. The most suspect first.
pub(super) fn suspects(judged: &Judged, labels: &[usize], classes: usize) -> Vec<usize> {
    let (mut sums, mut counts) = (vec![0.0_f64; classes], vec![0_usize; classes]);
    let rows = || judged.probabilities.chunks(classes.max(1)).zip(&judged.rows);
    for (probabilities, row) in rows() {
        sums[labels[*row]] += f64::from(probabilities[labels[*row]]);
        counts[labels[*row]] += 1;
    }
    let threshold = |class: usize| if counts[class] == 0 { f64::INFINITY } else { sums[class] / counts[class] as f64 };
    let mut found: Vec<(f64, usize)> = rows()
        .filter_map(|(probabilities, &row)| {
            let (label, predicted) = (labels[row], most_probable(probabilities));
            let of = |class: usize| f64::from(probabilities[class]);
            let suspect = predicted != label && of(predicted) >= threshold(predicted) && of(label) < threshold(label);
            // A weak model confuses classes without being sure: only a clear "this is another one" is worth a look.
            let sure = of(predicted) > 0.5 && of(label) < 0.5 / classes as f64;
            (suspect && sure).then(|| (of(predicted) - of(label), row))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, row)| row).collect()
}

impl Verdict {
    /// The verdict with the image's place.
    pub(crate) fn placed(&self, table_row: usize, locator: String) -> Evaluated {
        Evaluated {
            row: table_row,
            locator,
            label: self.label,
            predicted: self.predicted,
            confidence: self.confidence,
            label_probability: self.label_probability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_agree_with_published_values() {
        // 81 of 263 (Newcombe 1998, table I, method 3): 0.2553 to 0.3662.
        let found = Share::of(81, 263);
        assert!((found.low - 0.2553).abs() < 1e-4 && (found.high - 0.3662).abs() < 1e-4, "{found:?}");
        // 0 of 20 (the same table): 0 to 0.1611.
        let none = Share::of(0, 20);
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 1e-4, "{none:?}");
    }

    fn judged() -> (Judged, Vec<usize>) {
        let probabilities = vec![0.92, 0.08, 0.85, 0.15, 0.25, 0.75, 0.96, 0.04];
        let uncalibrated = vec![0.6, 0.4, 0.6, 0.4, 0.4, 0.6, 0.6, 0.4];
        (Judged { rows: vec![0, 1, 2, 3], probabilities, uncalibrated }, vec![0, 0, 1, 1])
    }

    #[test]
    fn an_example_of_each_frequent_confusion_is_the_first_of_its_pair() {
        let row = |row: usize, label: usize, predicted: usize| Evaluated {
            row,
            locator: row.to_string(),
            label,
            predicted,
            confidence: 0.9,
            label_probability: 0.1,
        };
        let rows = [row(0, 0, 1), row(1, 1, 0), row(2, 1, 0), row(3, 2, 0), row(4, 2, 2)];
        let found = |most: usize| examples(&rows, most).iter().map(|row| row.row).collect::<Vec<_>>();
        assert_eq!(found(9), [1, 0, 3]);
        assert_eq!(found(1), [1]);
    }

    #[test]
    fn figures_of_four_rows_are_those_done_by_hand() {
        let (judged, labels) = judged();
        let verdicts = verdicts(&judged, &labels, 2);
        let confusion = confusion(&verdicts, 2);
        assert_eq!(confusion, vec![vec![2, 0], vec![1, 1]]);
        let names = ["a".to_string(), "b".to_string()];
        let per_class = per_class(&confusion, &names);
        assert_eq!(per_class[1].precision, Some(1.0));
        let scores = scores(&judged, &labels, &names, &labels);
        assert_eq!((scores.accuracy.value, scores.balanced_accuracy, scores.majority), (0.75, 0.75, 0.5));
        let loss = -(0.92_f64.ln() + 0.85_f64.ln() + 0.75_f64.ln() + 0.04_f64.ln()) / 4.0;
        assert!((scores.log_loss - loss).abs() < 1e-6);
        let brier = 2.0 * (0.08_f64.powi(2) + 0.15_f64.powi(2) + 0.25_f64.powi(2) + 0.96_f64.powi(2)) / 4.0;
        assert!((scores.brier - brier).abs() < 1e-6, "{}", scores.brier);
        // Every confidence is alone in its fifteenth; all four are one group of the adaptive estimator.
        assert!(
            (scores.calibration_error - (0.08 + 0.15 + 0.25 + 0.96) / 4.0).abs() < 1e-6,
            "{}",
            scores.calibration_error
        );
        assert!((scores.adaptive_calibration_error - (3.48 - 3.0) / 4.0).abs() < 1e-6);
        assert!((scores.before_calibration.expected_error - 0.15).abs() < 1e-6);
    }

    #[test]
    fn a_planted_wrong_label_is_the_only_suspect() {
        let (judged, labels) = judged();
        assert_eq!(suspects(&judged, &labels, 2), vec![3]);
    }
}
