//! Leaving out the features that are weakest on training images: a backdoor uses units that sleep on clean images (Fine-Pruning, Liu,
//! Dolan-Gavitt, Garg 2018). The trigger is not known to it.

use heirloom_transfer::heads::HeadError;

use super::Outcome;
use super::mask::{GIVEN_UP, leave_out, without};
use super::shown::{Shown, answered};

/// Shares of the features that may be left out.
const SHARES: [f64; 6] = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8];

/// As many as give up little accuracy on training rows that heads were not fitted on.
pub(super) fn answers(shown: &Shown) -> Result<Outcome, HeadError> {
    let order = by_strength(shown);
    let [fit, choose] = shown.split();
    let accuracy = |count: usize| -> Result<f64, HeadError> {
        let mut features = shown.train.clone();
        leave_out(&mut features, &order[..count]);
        let head = shown.fit(&features, &shown.labels, &fit, &shown.folds)?;
        let answers = answered(&head, &features, &choose)?;
        let right = answers.iter().zip(&choose).filter(|(answer, row)| **answer == shown.labels[**row]).count();
        Ok(right as f64 / choose.len().max(1) as f64)
    };
    let whole = accuracy(0)?;
    let mut taken = 0;
    for share in SHARES {
        let count = (share * order.len() as f64).floor() as usize;
        if accuracy(count)? < whole - GIVEN_UP {
            break;
        }
        taken = count;
    }
    let answers = without(shown, &order[..taken])?;
    Ok((answers, format!("{taken} of {} features left out", order.len()), shown.labels.len()))
}

/// All columns, the smallest mean size on training images first.
fn by_strength(shown: &Shown) -> Vec<(usize, usize)> {
    let mut ranked = Vec::new();
    for (at, block) in shown.train.blocks.iter().enumerate() {
        for column in 0..block.width {
            let values = block.values.iter().skip(column).step_by(block.width);
            ranked.push((values.map(|value| f64::from(value.abs())).sum::<f64>(), (at, column)));
        }
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, column)| column).collect()
}
