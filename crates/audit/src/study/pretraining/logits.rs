//! Accuracies of several models on several data sets on one scale (Kornblith, Shlens, Le 2019; `spec/robustness.md` section 7.2).
//!
//! ```text
//! l(a) = ln(a / (1 - a))      adj[m, d] = l(a[m, d]) - mean over m' of l(a[m', d])      score of m = mean over d of adj[m, d]
//! ```
//!
//! A difference of 0.1 is one of 10 % in the odds of a right answer.

/// A line through points with their correlation.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fitted {
    /// Pearson's correlation.
    pub correlation: f64,
    /// Slope of the least-squares line.
    pub slope: f64,
    /// Its value at 0.
    pub intercept: f64,
}

/// Log odds of an accuracy on `images` images, at least half an image away from none and all.
#[must_use]
pub fn log_odds(accuracy: f64, images: usize) -> f64 {
    let border = 0.5 / images.max(1) as f64;
    let accuracy = accuracy.clamp(border, 1.0 - border);
    (accuracy / (1.0 - accuracy)).ln()
}

/// The score of every model: mean over data sets of its log odds less the mean of all models'. `log_odds[model][set]`; sets beyond the
/// shortest list are left out.
///
/// ```
/// use heirloom_audit::study::pretraining::{adjusted_means, log_odds};
/// let accuracies = [[0.90, 0.70, 0.85], [0.92, 0.75, 0.80], [0.95, 0.60, 0.88]];
/// let odds: Vec<Vec<f64>> =
///     accuracies.iter().map(|row| row.iter().map(|a| log_odds(*a, 1000)).collect()).collect();
/// assert!((adjusted_means(&odds)[2] - 0.108_699_036_185).abs() < 1e-9);
/// ```
#[must_use]
pub fn adjusted_means(log_odds: &[Vec<f64>]) -> Vec<f64> {
    let sets = log_odds.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |set: usize| log_odds.iter().map(|row| row[set]).sum::<f64>() / log_odds.len() as f64;
    let means: Vec<f64> = (0..sets).map(mean).collect();
    let of = |row: &Vec<f64>| row.iter().zip(&means).map(|(own, mean)| own - mean).sum::<f64>() / sets.max(1) as f64;
    log_odds.iter().map(of).collect()
}

/// The least-squares line of `y` over `x`; `None` for fewer than three points, or where either does not vary.
#[must_use]
pub fn line(x: &[f64], y: &[f64]) -> Option<Fitted> {
    let count = x.len().min(y.len());
    if count < 3 {
        return None;
    }
    let mean = |values: &[f64]| values[..count].iter().sum::<f64>() / count as f64;
    let (at, of) = (mean(x), mean(y));
    let sum = |product: &dyn Fn(f64, f64) -> f64| -> f64 { (0..count).map(|i| product(x[i] - at, y[i] - of)).sum() };
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    let slope = xy / xx;
    (xx > 0.0 && yy > 0.0).then(|| Fitted { correlation: xy / (xx * yy).sqrt(), slope, intercept: of - slope * at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCURACIES: [[f64; 3]; 3] = [[0.90, 0.70, 0.85], [0.92, 0.75, 0.80], [0.95, 0.60, 0.88]];

    fn odds() -> Vec<Vec<f64>> {
        ACCURACIES.iter().map(|row| row.iter().map(|accuracy| log_odds(*accuracy, 1000)).collect()).collect()
    }

    #[test]
    fn vector_tv7() {
        let found = adjusted_means(&odds());
        for (found, expected) in found.iter().zip([-0.079_037_883_433, -0.029_661_152_751, 0.108_699_036_185]) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
        let source: Vec<f64> = [0.70, 0.74, 0.78].iter().map(|accuracy| log_odds(*accuracy, 1000)).collect();
        let line = line(&source, &found).unwrap();
        assert!((line.correlation - 0.971_787_059_89).abs() < 1e-9, "{line:?}");
        assert!((line.slope - 0.451_918_533_603).abs() < 1e-9, "{line:?}");
        assert!((line.intercept + 0.475_860_091_237).abs() < 1e-9, "{line:?}");
    }

    #[test]
    fn all_and_none_right_are_half_an_image_away() {
        assert!((log_odds(1.0, 50) - (99.0_f64).ln()).abs() < 1e-12);
        assert!((log_odds(0.0, 50) + log_odds(1.0, 50)).abs() < 1e-12);
        assert_eq!((line(&[1.0, 2.0], &[1.0, 2.0]), line(&[1.0; 3], &[1.0, 2.0, 3.0])), (None, None));
    }

    proptest! {
        /// Property 11: what all models have in common on a data set cancels.
        #[test]
        fn an_easier_data_set_changes_nothing(shift in -3.0..3.0_f64, set in 0..3_usize) {
            let (before, mut moved) = (adjusted_means(&odds()), odds());
            moved.iter_mut().for_each(|row| row[set] += shift);
            for (before, after) in before.iter().zip(adjusted_means(&moved)) {
                prop_assert!((before - after).abs() < 1e-12);
            }
        }
    }
}
