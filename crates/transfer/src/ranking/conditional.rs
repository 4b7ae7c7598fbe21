//! Scores from the source's own classifier: how well its classes foretell the target's.

use heirloom_matrix::Mat;

use super::{RankingError, Sample};

/// Negative conditional entropy (Tran, Nguyen, Hassner 2019): `sum J(y, z) ln(J(y, z) / J(z))` with `z` the source's answer. 0 is perfect, and
/// reached by chance where the source has more classes than there are rows.
pub(super) fn nce(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let source = sample.source.ok_or(RankingError::NoSource)?;
    let (rows, bins) = (sample.labels.len(), source.ncols());
    let mut joint = vec![0.0; sample.classes * bins];
    for (row, label) in sample.labels.iter().enumerate() {
        let answer = (0..bins).fold(0, |best, bin| if source[(row, bin)] > source[(row, best)] { bin } else { best });
        joint[label * bins + answer] += 1.0 / rows as f64;
    }
    let marginal = |bin: usize| (0..sample.classes).map(|class| joint[class * bins + bin]).sum::<f64>();
    let marginals: Vec<f64> = (0..bins).map(marginal).collect();
    let term =
        |(at, share): (usize, &f64)| if *share > 0.0 { share * (share / marginals[at % bins]).ln() } else { 0.0 };
    Ok(joint.iter().enumerate().map(term).sum())
}

/// Log expected empirical prediction (Nguyen et al. 2020).
pub(super) fn leep(sample: &Sample<'_>) -> Result<f64, RankingError> {
    leep_of(sample.source.ok_or(RankingError::NoSource)?, sample.labels, sample.classes)
}

/// The same from any soft assignment of rows to bins, `[rows, bins]`.
pub(super) fn leep_of(soft: &Mat<f64>, labels: &[usize], classes: usize) -> Result<f64, RankingError> {
    let (rows, bins) = (labels.len(), soft.ncols());
    let mut joint = vec![0.0; classes * bins];
    for (row, label) in labels.iter().enumerate() {
        for bin in 0..bins {
            joint[label * bins + bin] += soft[(row, bin)] / rows as f64;
        }
    }
    let marginal: Vec<f64> =
        (0..bins).map(|bin| (0..classes).map(|class| joint[class * bins + bin]).sum::<f64>()).collect();
    let of_row = |(row, label): (usize, &usize)| {
        let expected = |bin: usize| {
            if marginal[bin] > 0.0 { joint[label * bins + bin] / marginal[bin] * soft[(row, bin)] } else { 0.0 }
        };
        (0..bins).map(expected).sum::<f64>().ln()
    };
    let mean = labels.iter().enumerate().map(of_row).sum::<f64>() / rows as f64;
    if mean.is_finite() {
        Ok(mean)
    } else {
        Err(RankingError::Undefined("a row whose class no source class foretells"))
    }
}
