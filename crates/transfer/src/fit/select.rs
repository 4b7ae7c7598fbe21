//! Choosing a method: each is fitted with its own settings chosen and judged by the log loss of its calibrated out-of-fold
//! predictions of the training rows. Taken is the cheapest to apply among those whose log loss exceeds the lowest by no more
//! than one standard error of the paired difference over rows. Rows outside the training rows are never read.

use super::record::Candidate;
use crate::heads::{Fitted, HeadError, Method, PROBABILITY_FLOOR, Setting, Settings, Training, fit};

/// The head that was taken, and what it was taken from.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub fitted: Fitted,
    pub candidates: Vec<Candidate>,
    /// The chosen settings in words.
    pub choice: String,
}

/// Fits every method and takes one by the rule above; with one method, its own candidates are the table.
pub(crate) fn select(methods: &[Method], training: &Training<'_>, settings: &Settings) -> Result<Selected, HeadError> {
    let fitted: Vec<Fitted> =
        methods.iter().map(|method| fit(*method, training, settings)).collect::<Result<_, _>>()?;
    let losses: Vec<Vec<f64>> = fitted.iter().map(|fitted| row_losses(fitted, training.labels)).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
    let best = (0..fitted.len()).min_by(|a, b| mean(&losses[*a]).total_cmp(&mean(&losses[*b]))).unwrap_or(0);
    let errors: Vec<f64> = losses.iter().map(|losses_of| paired_error(losses_of, &losses[best])).collect();
    let means: Vec<f64> = losses.iter().map(|losses| mean(losses)).collect();
    let costs: Vec<usize> = fitted.iter().map(|fitted| fitted.head.method().cost_rank()).collect();
    let taken = cheapest_tied(&means, &errors, &costs, best);
    let candidates = match fitted.as_slice() {
        [only] => own_candidates(only),
        many => {
            let line = |(index, fitted): (usize, &Fitted)| Candidate {
                method: fitted.head.method().name().to_string(),
                setting: settings_text(fitted),
                log_loss: mean(&losses[index]),
                standard_error: errors[index],
                accuracy: accuracy(fitted, training.labels),
                chosen: index == taken,
            };
            many.iter().enumerate().map(line).collect()
        }
    };
    let taken = fitted.into_iter().nth(taken).ok_or(HeadError::NoRows)?;
    let choice = settings_text(&taken);
    Ok(Selected { fitted: taken, candidates, choice })
}

/// The cheapest whose mean exceeds that of `best` by no more than its standard error.
fn cheapest_tied(means: &[f64], errors: &[f64], costs: &[usize], best: usize) -> usize {
    let tied = |index: &usize| means[*index] - means[best] <= errors[*index];
    (0..means.len()).filter(tied).min_by_key(|index| costs[*index]).unwrap_or(best)
}

/// The candidates of one method, as its own choice saw them.
fn own_candidates(fitted: &Fitted) -> Vec<Candidate> {
    let table = fitted.choice.table.iter().enumerate();
    table
        .map(|(index, candidate)| Candidate {
            method: fitted.head.method().name().to_string(),
            setting: text(&candidate.settings),
            log_loss: candidate.log_loss,
            standard_error: candidate.standard_error,
            accuracy: candidate.accuracy,
            chosen: index == fitted.choice.chosen,
        })
        .collect()
}

fn settings_text(fitted: &Fitted) -> String {
    fitted.choice.taken().map(|taken| text(&taken.settings)).unwrap_or_default()
}

/// `penalty 0.01, fraction 0.1`.
fn text(settings: &std::collections::BTreeMap<String, Setting>) -> String {
    let value = |setting: &Setting| match setting {
        Setting::Text(text) => text.clone(),
        Setting::Number(number) if *number == 0.0 || (1e-3..1e5).contains(&number.abs()) => {
            let rounded = format!("{number:.4}");
            rounded.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        Setting::Number(number) => format!("{number:.1e}"),
    };
    settings.iter().map(|(name, setting)| format!("{name} {}", value(setting))).collect::<Vec<_>>().join(", ")
}

/// Log loss of each training row by the calibrated out-of-fold probabilities, in nats.
fn row_losses(fitted: &Fitted, labels: &[usize]) -> Vec<f64> {
    let probabilities = fitted.out_of_fold_probabilities();
    let rows = probabilities.chunks(fitted.head.classes().max(1)).zip(&fitted.choice.rows);
    rows.map(|(row, at)| -f64::from(row[labels[*at]]).max(PROBABILITY_FLOOR).ln()).collect()
}

fn accuracy(fitted: &Fitted, labels: &[usize]) -> f64 {
    let probabilities = fitted.out_of_fold_probabilities();
    let rows = probabilities.chunks(fitted.head.classes().max(1)).zip(&fitted.choice.rows);
    let right = rows.filter(|(row, at)| super::scores::most_probable(row) == labels[**at]).count();
    right as f64 / fitted.choice.rows.len().max(1) as f64
}

/// Standard error of the mean of paired differences.
pub(crate) fn paired_error(losses: &[f64], reference: &[f64]) -> f64 {
    let differences: Vec<f64> = losses.iter().zip(reference).map(|(a, b)| a - b).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n.max(1.0);
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (variance / n.max(1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::cheapest_tied;

    #[test]
    fn a_tie_goes_to_the_cheapest_method() {
        // Means of 0.50, 0.52 (within its error of 0.03) and 0.60 (beyond 0.05).
        let (means, errors) = ([0.50, 0.52, 0.60], [0.0, 0.03, 0.05]);
        assert_eq!(cheapest_tied(&means, &errors, &[4, 2, 0], 0), 1);
        assert_eq!(cheapest_tied(&means, &errors, &[1, 2, 0], 0), 0);
        assert_eq!(cheapest_tied(&means, &[0.0, 0.01, 0.05], &[4, 2, 0], 0), 0);
    }
}
