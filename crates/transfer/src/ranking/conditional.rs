//! Scores from the source's own classifier: how well its classes foretell the target's.

use heirloom_matrix::Mat;

use super::{RankingError, Sample};

/// Negative conditional entropy (Tran, Nguyen, Hassner 2019): `sum J(y, z) ln(J(y, z) / J(z))` with `z` the source's answer. 0 is perfect, and
/// reached by chance where the source has more classes than there are rows.
pub(super) fn nce(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let source = sample.source.ok_or(RankingError::NoSource)?;
    let (rows, bins) = (sample.labels.len(), source.ncols());
    let answers = answers(source)?;
    let mut joint = vec![0.0; sample.classes * bins];
    let places = sample.labels.iter().zip(&answers).map(|(label, answer)| answer * sample.classes + label);
    places.for_each(|place| joint[place] += 1.0 / rows as f64);
    let of_bin = |joint: &[f64]| {
        let marginal: f64 = joint.iter().sum();
        joint.iter().filter(|share| **share > 0.0).map(|share| share * (share / marginal).ln()).sum::<f64>()
    };
    Ok(joint.chunks(sample.classes.max(1)).map(of_bin).sum())
}

/// The most probable bin of every row, the first of equals.
fn answers(source: &Mat<f64>) -> Result<Vec<usize>, RankingError> {
    let (mut best, mut finite) = (vec![(f64::NEG_INFINITY, 0); source.nrows()], true);
    for bin in 0..source.ncols() {
        best.iter_mut().zip(source.col_as_slice(bin)).for_each(|(best, value)| {
            finite &= value.is_finite();
            if *value > best.0 {
                *best = (*value, bin);
            }
        });
    }
    let refused = RankingError::Undefined("a probability that is not finite");
    finite.then(|| best.into_iter().map(|(_, bin)| bin).collect()).ok_or(refused)
}

/// Log expected empirical prediction (Nguyen et al. 2020).
pub(super) fn leep(sample: &Sample<'_>) -> Result<f64, RankingError> {
    leep_of(sample.source.ok_or(RankingError::NoSource)?, sample.labels, sample.classes)
}

/// The same from any soft assignment of rows to bins, `[rows, bins]`.
pub(super) fn leep_of(soft: &Mat<f64>, labels: &[usize], classes: usize) -> Result<f64, RankingError> {
    let rows = labels.len();
    let mut expected = vec![0.0; rows];
    for bin in 0..soft.ncols() {
        let shares = soft.col_as_slice(bin);
        let mut joint = vec![0.0; classes];
        labels.iter().zip(shares).for_each(|(label, share)| joint[*label] += share);
        let marginal: f64 = joint.iter().sum();
        // What is not finite goes on into the mean, which is then refused.
        if marginal != 0.0 {
            joint.iter_mut().for_each(|share| *share /= marginal);
            let of_rows = labels.iter().zip(shares).map(|(label, share)| joint[*label] * share);
            expected.iter_mut().zip(of_rows).for_each(|(sum, value)| *sum += value);
        }
    }
    let mean = expected.iter().map(|value| value.ln()).sum::<f64>() / rows as f64;
    if mean.is_finite() {
        Ok(mean)
    } else {
        Err(RankingError::Undefined("a row whose class no source class foretells"))
    }
}
