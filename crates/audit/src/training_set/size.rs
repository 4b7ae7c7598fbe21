//! Fewer images of each class: where what the network learned before stops mattering (`spec/robustness.md` section 6.3).

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::fit::Share;
use heirloom_transfer::heads::Given;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::fits::{Fits, Rows};
use crate::{AuditError, Difference, Level, paired_difference};

/// Rows of each class that are tried where there are as many.
const EACH: [usize; 7] = [1, 2, 5, 10, 20, 50, 100];
/// Draws of them.
const DRAWS: usize = 3;
/// Heads that are fitted.
pub(super) const FITTED: usize = EACH.len() * DRAWS * 2 + 2;

/// Errors with some rows of each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizePoint {
    /// Rows of each class at most; all there are where `None`.
    pub each: Option<usize>,
    /// Rows in all.
    pub rows: usize,
    /// Error, mean over draws.
    pub own: Share,
    /// Error on features of random weights, where there are any.
    pub random: Option<Share>,
    /// What the weights are worth: errors of the second less those of the first, mean over draws, judged rows paired.
    pub worth: Option<Difference>,
}

/// Fewer rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeRecord {
    /// From few to all.
    pub points: Vec<SizePoint>,
}

pub(super) fn measured(fits: &Fits<'_>) -> Result<SizeRecord, AuditError> {
    let most = fits.sizes().into_iter().max().unwrap_or(0);
    let each: Vec<Option<usize>> = EACH.into_iter().filter(|each| *each < most).map(Some).chain([None]).collect();
    let points = each.into_par_iter().map(|each| point(fits, each));
    Ok(SizeRecord { points: points.collect::<Result<_, _>>()? })
}

fn point(fits: &Fits<'_>, each: Option<usize>) -> Result<SizePoint, AuditError> {
    let draws = if each.is_some() { DRAWS } else { 1 };
    let (mut own, mut random, mut count) = (Vec::new(), Vec::new(), 0);
    for draw in 0..draws {
        let rows = some(fits, each, draw);
        count = rows.rows.len();
        for (features, wrong) in [(Some(fits.input.own), &mut own), (fits.input.random, &mut random)] {
            let Some(features) = features else { continue };
            wrong.push(fits.wrong(features, &fits.head(features, &rows, Given::default())?)?);
        }
    }
    let test = fits.input.test.len();
    let mean = |all: &[Vec<f64>], row: usize| all.iter().map(|wrong| wrong[row]).sum::<f64>() / all.len() as f64;
    let rate = |all: &[Vec<f64>]| Share::rate((0..test).map(|row| mean(all, row)).sum::<f64>() / test as f64, test);
    let less: Vec<f64> = (0..test).map(|row| mean(&random, row) - mean(&own, row)).collect();
    let (random, worth) = match fits.input.random {
        Some(_) => (Some(rate(&random)), paired_difference(&less, Level::of(1), fits.seed)),
        None => (None, None),
    };
    Ok(SizePoint { each, rows: count, own: rate(&own), random, worth })
}

/// Some rows of each class.
fn some(fits: &Fits<'_>, each: Option<usize>, draw: usize) -> Rows {
    let Some(each) = each else { return fits.all(None) };
    let mut rows = Rows::default();
    for class in 0..fits.input.classes {
        let mut own: Vec<usize> =
            fits.input.train.iter().copied().filter(|row| fits.input.labels[*row] == class).collect();
        Draws::of_image(Key { seed: fits.seed, epoch: draw as u64, row: class }).shuffle(&mut own);
        own.truncate(each);
        rows.labels.extend(own.iter().map(|_| class));
        rows.rows.extend(own);
    }
    rows
}
