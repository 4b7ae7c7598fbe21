//! Scores from the source's own classifier: how well its classes foretell the target's.

use super::{RankingError, Sample};

/// Bins that are looked at together: their shares of a thousand rows stay in the processor's second cache between the two times they are read.
const TOGETHER: usize = 128;
/// Sums that run beside each other.
const LANES: usize = 8;

/// Negative conditional entropy (Tran, Nguyen, Hassner 2019): `sum J(y, z) ln(J(y, z) / J(z))` with `z` the source's answer. 0 is perfect, and
/// reached by chance where the source has more classes than there are rows.
pub(super) fn nce(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let source = sample.source.map_err(Clone::clone)?;
    // Of all pairs of an answer and a label few occur: sorted, they are counted without a table.
    let mut pairs: Vec<(usize, usize)> = source.answers().iter().copied().zip(sample.labels.iter().copied()).collect();
    pairs.sort_unstable();
    let rows = pairs.len() as f64;
    let of_answer = |pairs: &[(usize, usize)]| {
        let of_pair = |equal: &[(usize, usize)]| equal.len() as f64 * (equal.len() as f64 / pairs.len() as f64).ln();
        pairs.chunk_by(|a, b| a == b).map(of_pair).sum::<f64>() / rows
    };
    Ok(pairs.chunk_by(|a, b| a.0 == b.0).map(of_answer).sum())
}

/// Log expected empirical prediction (Nguyen et al. 2020).
pub(super) fn leep(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let source = sample.source.map_err(Clone::clone)?;
    leep_of(source.probabilities(), source.classes(), sample.labels, sample.classes)
}

/// The same from any soft assignment of rows to bins, `[rows, bins]`, row by row.
pub(super) fn leep_of<T: Copy + Into<f64>>(
    soft: &[T],
    bins: usize,
    labels: &[usize],
    classes: usize,
) -> Result<f64, RankingError> {
    let mut expected = vec![0.0; labels.len()];
    for first in (0..bins).step_by(TOGETHER) {
        let some = first..bins.min(first + TOGETHER);
        let rows = || labels.iter().zip(soft.chunks(bins.max(1)).map(|row| &row[some.clone()]));
        let given = given(rows(), classes, some.len());
        for (sum, (label, shares)) in expected.iter_mut().zip(rows()) {
            *sum += inner(&given[label * some.len()..][..some.len()], shares);
        }
    }
    let mean = expected.iter().map(|value| value.ln()).sum::<f64>() / labels.len() as f64;
    if mean.is_finite() {
        Ok(mean)
    } else {
        Err(RankingError::Undefined("a row whose class no source class foretells"))
    }
}

/// `J(y | z)`, `[classes, bins]`; 0 in a bin that nothing falls into.
fn given<'a, T: Copy + Into<f64> + 'a>(
    rows: impl Iterator<Item = (&'a usize, &'a [T])>,
    classes: usize,
    bins: usize,
) -> Vec<f64> {
    let (mut joint, mut marginal) = (vec![0.0; classes * bins], vec![0.0; bins]);
    for (label, shares) in rows {
        let of_label = &mut joint[label * bins..][..bins];
        of_label.iter_mut().zip(shares).for_each(|(sum, share)| *sum += (*share).into());
    }
    for of_label in joint.chunks(bins.max(1)) {
        marginal.iter_mut().zip(of_label).for_each(|(sum, share)| *sum += share);
    }
    for of_label in joint.chunks_mut(bins.max(1)) {
        // What is not finite goes on into the mean, which is then refused.
        let shares = of_label.iter_mut().zip(&marginal).filter(|(_, marginal)| **marginal != 0.0);
        shares.for_each(|(share, marginal)| *share /= marginal);
    }
    joint
}

/// The sum of products, by [`LANES`] sums that do not wait for each other.
fn inner<T: Copy + Into<f64>>(given: &[f64], shares: &[T]) -> f64 {
    let (given, given_rest) = given.as_chunks::<LANES>();
    let (shares, shares_rest) = shares.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (given, shares) in given.iter().zip(shares) {
        for lane in 0..LANES {
            sums[lane] += given[lane] * shares[lane].into();
        }
    }
    let rest = given_rest.iter().zip(shares_rest).map(|(given, share)| given * (*share).into());
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::{SOURCE, sample};

    /// Vectors TV2 and TV3, and a source that says nothing, which leaves the entropy of the labels.
    #[test]
    fn scores_of_the_source_are_those_of_the_vectors() {
        let toy = sample();
        let exact = |soft: &[f64]| leep_of(soft, 4, &toy.labels, 3).unwrap();
        assert!((exact(SOURCE.as_flattened()) + 0.720_630_735_900).abs() < 1e-9);
        let entropy: f64 = [3.0, 3.0, 2.0].iter().map(|count: &f64| count / 8.0 * (count / 8.0).ln()).sum();
        assert!((exact(&[0.25; 32]) - entropy).abs() < 1e-12);
        // Probabilities are kept in single precision.
        assert!((leep(&toy.sample()).unwrap() + 0.720_630_735_900).abs() < 1e-7);
        assert!(nce(&toy.sample()).unwrap().abs() < 1e-12);
    }

    /// More bins than are looked at together, and a number of them that no lane divides.
    #[test]
    fn bins_are_looked_at_in_parts_without_a_difference() {
        let (bins, labels) = (3 * TOGETHER + 5, [0, 1, 2, 0, 1, 2, 0, 1]);
        let soft: Vec<f64> = (0..8 * bins).map(|at| f64::from((at * 7919 % 101) as u32) / 1e4).collect();
        let share = |row: usize, bin: usize| soft[row * bins + bin];
        let slow: f64 = (0..8)
            .map(|row| {
                let of_bin = |bin: usize| {
                    let all: f64 = (0..8).map(|other| share(other, bin)).sum();
                    let own: f64 =
                        (0..8).filter(|other| labels[*other] == labels[row]).map(|other| share(other, bin)).sum();
                    if all > 0.0 { own / all * share(row, bin) } else { 0.0 }
                };
                (0..bins).map(of_bin).sum::<f64>().ln()
            })
            .sum();
        let found = leep_of(&soft, bins, &labels, 3).unwrap();
        assert!((found - slow / 8.0).abs() < 1e-12, "{found} {}", slow / 8.0);
    }
}
