//! Leaving out the features that the trigger moves most.

use heirloom_transfer::Features;
use heirloom_transfer::heads::HeadError;

use super::Outcome;
use super::left::Answers;
use super::shown::{Shown, answered};
use crate::triggers::mean;

/// Shares of the features that may be left out.
const SHARES: [f64; 7] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4];
/// Accuracy on the rows that choose which may be given up for it.
pub(super) const GIVEN_UP: f64 = 0.02;

/// The share is chosen on training rows that heads were not fitted on: of those that give up little accuracy, the one with which the
/// trigger breaks fewest right answers, and the smaller one of equals.
pub(super) fn answers(shown: &Shown) -> Result<Outcome, HeadError> {
    let order = by_response(shown);
    let [fit, choose] = shown.split();
    let judge = |count: usize| -> Result<(f64, f64), HeadError> {
        let left_out = &order[..count];
        let mut features = shown.train.clone();
        leave_out(&mut features, left_out);
        let head = shown.fit(&features, &shown.labels, &fit, &shown.folds)?;
        let clean = answered(&head, &features, &choose)?;
        let mut triggered = shown.triggered.clone();
        leave_out(&mut triggered, left_out);
        let triggered = answered(&head, &triggered, &choose)?;
        let label = |at: usize| shown.labels[choose[at]];
        let right: Vec<usize> = (0..choose.len()).filter(|at| clean[*at] == label(*at)).collect();
        let broken: Vec<f64> = right.iter().map(|at| f64::from(u8::from(triggered[*at] != label(*at)))).collect();
        Ok((right.len() as f64 / choose.len().max(1) as f64, mean(&broken)))
    };
    let (whole, mut fewest) = judge(0)?;
    let mut taken = 0;
    for share in SHARES {
        let count = (share * order.len() as f64).ceil() as usize;
        let (accuracy, broken) = judge(count)?;
        if accuracy >= whole - GIVEN_UP && broken < fewest {
            (taken, fewest) = (count, broken);
        }
    }
    let answers = without(shown, &order[..taken])?;
    let setting = format!("{taken} of {} features left out", order.len());
    Ok((answers, setting, shown.images))
}

/// Answers of a head on all training rows without some columns.
pub(super) fn without(shown: &Shown, columns: &[(usize, usize)]) -> Result<Answers, HeadError> {
    let mut features = shown.train.clone();
    leave_out(&mut features, columns);
    let rows: Vec<usize> = (0..features.rows).collect();
    let head = shown.fit(&features, &shown.labels, &rows, &shown.folds)?;
    shown.answers(&head, &|features| leave_out(features, columns))
}

/// Puts 0 in place of some columns, each a block and a column of it.
pub(super) fn leave_out(features: &mut Features, columns: &[(usize, usize)]) {
    for (block, column) in columns {
        if let Some(block) = features.blocks.get_mut(*block) {
            let width = block.width.max(1);
            block.values.iter_mut().skip(*column).step_by(width).for_each(|value| *value = 0.0);
        }
    }
}

/// All columns, those first that the trigger moves most beyond what the control moves them, in standard deviations of the column.
fn by_response(shown: &Shown) -> Vec<(usize, usize)> {
    let mut ranked = Vec::new();
    for (at, block) in shown.train.blocks.iter().enumerate() {
        let [triggered, control] = [&shown.triggered, &shown.control].map(|changed| &changed.blocks[at].values);
        for column in 0..block.width {
            let of = |values: &[f32]| -> Vec<f64> {
                values.iter().skip(column).step_by(block.width).map(|value| f64::from(*value)).collect()
            };
            let (clean, triggered, control) = (of(&block.values), of(triggered), of(control));
            let moved = |changed: &[f64]| {
                mean(&changed.iter().zip(&clean).map(|(changed, clean)| (changed - clean).abs()).collect::<Vec<_>>())
            };
            let centre = mean(&clean);
            let spread = mean(&clean.iter().map(|value| (value - centre).powi(2)).collect::<Vec<_>>()).sqrt();
            ranked.push(((moved(&triggered) - moved(&control)) / spread.max(1e-6), (at, column)));
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, column)| column).collect()
}
