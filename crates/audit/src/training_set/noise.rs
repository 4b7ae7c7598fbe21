//! Wrong labels, and what corrections make of them (`spec/robustness.md` section 1; Patrini et al. 2017, Hendrycks et al. 2018).
//!
//! ```text
//! none      labels as they are given
//! forward   C[i] = what a first head says of the training row it takes most surely for class i (below its 97th percentile)
//! gold      some rows are trusted; C[i] = mean of what a first head, fitted on all others, says of the trusted rows of class i
//! ```

use heirloom_data::labels::{Corruption, trusted};
use heirloom_transfer::fit::Share;
use heirloom_transfer::heads::Given;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::fits::Fits;
use crate::{AuditError, Difference, Level, paired_difference};

/// Steps of the strength from 0 to 1.
const STEPS: usize = 10;
/// Shares of rows that are trusted.
const GOLD: [f64; 2] = [0.05, 0.1];
/// The surest rows of a class are passed over from here on: they may be odd ones.
const PERCENTILE: f64 = 0.97;
/// Heads that are fitted.
pub(super) const FITTED: usize = (STEPS + 1) * 7;

/// What is done about wrong labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Nothing.
    None,
    /// The control: nothing, on features of random weights.
    RandomWeights,
    /// How labels are wrong is guessed from the labels alone.
    Forward,
    /// It is estimated on a twentieth of the rows, whose labels are trusted.
    GoldTwentieth,
    /// The same with a tenth of the rows.
    GoldTenth,
}

impl Correction {
    /// All, in the order of the report.
    pub const ALL: [Self; 5] = [Self::None, Self::Forward, Self::GoldTwentieth, Self::GoldTenth, Self::RandomWeights];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RandomWeights => "none, random weights",
            Self::Forward => "forward",
            Self::GoldTwentieth => "gold, 5 % trusted",
            Self::GoldTenth => "gold, 10 % trusted",
        }
    }
}

/// Error over the strength of the noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseCurve {
    /// What is done about it.
    pub correction: Correction,
    /// Error at each strength.
    pub errors: Vec<Share>,
    /// Area under the curve, lower is better; its interval is over judged rows.
    pub area: Difference,
    /// How much more than with no correction, rows paired; none for that itself.
    pub beyond_none: Option<Difference>,
    /// Slope of the error at its beginning, in errors for each unit of strength.
    pub slope: f64,
    /// Strength at which the error is twice that of right labels; none where it never is.
    pub doubles_at: Option<f64>,
}

/// Wrong labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseRecord {
    /// Share of labels drawn anew, evenly from all classes.
    pub strengths: Vec<f64>,
    /// Share of labels that came out wrong.
    pub wrong: Vec<f64>,
    /// For each correction.
    pub curves: Vec<NoiseCurve>,
}

impl NoiseRecord {
    /// Error with right labels.
    pub(super) fn error(&self) -> f64 {
        self.curves.first().and_then(|curve| curve.errors.first()).map_or(0.0, |error| error.value)
    }
}

/// Area under a curve by trapezoids, strengths rising.
///
/// ```
/// let errors = [5., 6., 7., 9., 11., 14., 18., 25., 40., 65., 90.];
/// let strengths: Vec<f64> = (0..=10).map(|step| f64::from(step) / 10.0).collect();
/// assert!((heirloom_audit::training_set::area_under(&strengths, &errors) - 24.25).abs() < 1e-9);
/// ```
#[must_use]
pub fn area_under(strengths: &[f64], errors: &[f64]) -> f64 {
    let pairs = strengths.windows(2).zip(errors.windows(2));
    pairs.map(|(strength, error)| (strength[1] - strength[0]) * (error[0] + error[1]) / 2.0).sum()
}

/// Judged rows answered wrong at a strength, for every correction.
struct Point {
    given_wrong: f64,
    wrong: Vec<Vec<f64>>,
}

pub(super) fn measured(fits: &Fits<'_>) -> Result<NoiseRecord, AuditError> {
    let strengths: Vec<f64> = (0..=STEPS).map(|step| step as f64 / STEPS as f64).collect();
    let points = strengths.par_iter().enumerate().map(|(step, strength)| point(fits, step, *strength));
    let points: Vec<Point> = points.collect::<Result<_, _>>()?;
    let test = fits.input.test.len();
    let areas = |at: usize| -> Vec<f64> {
        let of = |row: usize| points.iter().map(|point| point.wrong[at][row]).collect::<Vec<f64>>();
        (0..test).map(|row| area_under(&strengths, &of(row))).collect()
    };
    let (none, mut curves) = (areas(0), Vec::new());
    // The control comes last, and may be missing.
    let measured = points.first().map_or(0, |point| point.wrong.len());
    for (at, correction) in Correction::ALL.into_iter().enumerate().take(measured) {
        let rates: Vec<f64> = points.iter().map(|point| mean(&point.wrong[at])).collect();
        let own = areas(at);
        let more: Vec<f64> = own.iter().zip(&none).map(|(own, none)| own - none).collect();
        let interval = |values: &[f64]| paired_difference(values, Level::of(1), fits.seed);
        let Some(area) = interval(&own) else { continue };
        curves.push(NoiseCurve {
            correction,
            errors: rates.iter().map(|rate| Share::rate(*rate, test)).collect(),
            area,
            beyond_none: if correction == Correction::None { None } else { interval(&more) },
            slope: (rates[1] - rates[0]) / (strengths[1] - strengths[0]),
            doubles_at: doubles(&strengths, &rates),
        });
    }
    Ok(NoiseRecord { wrong: points.iter().map(|point| point.given_wrong).collect(), strengths, curves })
}

fn point(fits: &Fits<'_>, step: usize, strength: f64) -> Result<Point, AuditError> {
    let (own, classes) = (fits.input.own, fits.input.classes);
    let right = fits.all(None);
    let seed = fits.seed.wrapping_add(step as u64);
    let given = fits.all(Some(Corruption::uniform(classes, strength)?.given(&right.labels, seed)));
    let given_wrong = given.labels.iter().zip(&right.labels).filter(|(given, right)| given != right).count();
    let plain = fits.head(own, &given, Given::default())?;
    let mut wrong = vec![fits.wrong(own, &plain)?];
    let forward = corruption(classes, surest(&fits.shares(own, &plain, &given.rows)?, classes))?;
    let none_trusted = vec![false; given.rows.len()];
    let given_forward = Given { corruption: Some((&forward, &none_trusted)), ..Given::default() };
    wrong.push(fits.wrong(own, &fits.head(own, &given, given_forward)?)?);
    for share in GOLD {
        wrong.push(gold(fits, &right.labels, &given.labels, (share, seed))?);
    }
    if let Some(random) = fits.input.random {
        wrong.push(fits.wrong(random, &fits.head(random, &given, Given::default())?)?);
    }
    Ok(Point { given_wrong: given_wrong as f64 / right.labels.len() as f64, wrong })
}

/// With the labels of some rows trusted.
fn gold(fits: &Fits<'_>, right: &[usize], given: &[usize], (share, seed): (f64, u64)) -> Result<Vec<f64>, AuditError> {
    let (own, classes) = (fits.input.own, fits.input.classes);
    let trusted = trusted(right, share, seed);
    let mixed: Vec<usize> = (0..right.len()).map(|row| if trusted[row] { right[row] } else { given[row] }).collect();
    let all = fits.all(Some(mixed));
    let mut silver = all.clone();
    let kept = |row: &usize| !trusted[*row];
    let places: Vec<usize> = (0..right.len()).filter(kept).collect();
    silver.rows = places.iter().map(|place| all.rows[*place]).collect();
    silver.labels = places.iter().map(|place| all.labels[*place]).collect();
    let first = fits.head(own, &silver, Given::default())?;
    let gold: Vec<usize> = (0..right.len()).filter(|row| trusted[*row]).collect();
    let rows: Vec<usize> = gold.iter().map(|row| all.rows[*row]).collect();
    let said = fits.shares(own, &first, &rows)?;
    let labels: Vec<usize> = gold.iter().map(|row| right[*row]).collect();
    let corruption = corruption(classes, means(&said, &labels, classes))?;
    let given = Given { corruption: Some((&corruption, &trusted)), ..Given::default() };
    fits.wrong(own, &fits.head(own, &all, given)?)
}

/// For each class what is said of the row that is most surely taken for it, below the percentile.
pub(super) fn surest(said: &[f32], classes: usize) -> Vec<Option<Vec<f64>>> {
    let rows: Vec<&[f32]> = said.chunks(classes).collect();
    let of_class = |class: usize| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|left, right| rows[*left][class].total_cmp(&rows[*right][class]).then(right.cmp(left)));
        let border = (PERCENTILE * (rows.len() as f64 - 1.0)).floor().max(0.0) as usize;
        let limit = order.get(border).map(|row| rows[*row][class])?;
        let below = order.iter().rev().find(|row| rows[**row][class] < limit).or(order.last());
        below.map(|row| rows[*row].iter().map(|share| f64::from(*share)).collect())
    };
    (0..classes).map(of_class).collect()
}

/// For each class the mean of what is said of its rows.
pub(super) fn means(said: &[f32], labels: &[usize], classes: usize) -> Vec<Option<Vec<f64>>> {
    let of_class = |class: usize| {
        let rows: Vec<&[f32]> =
            said.chunks(classes).zip(labels).filter(|(_, label)| **label == class).map(|(row, _)| row).collect();
        let column = |at: usize| rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / rows.len() as f64;
        (!rows.is_empty()).then(|| (0..classes).map(column).collect())
    };
    (0..classes).map(of_class).collect()
}

/// Rows made distributions; a class of which nothing is said is taken for itself.
fn corruption(classes: usize, rows: Vec<Option<Vec<f64>>>) -> Result<Corruption, AuditError> {
    let of = |(class, row): (usize, Option<Vec<f64>>)| {
        let own = || (0..classes).map(|at| f64::from(u8::from(at == class))).collect::<Vec<f64>>();
        let row = row.unwrap_or_else(own);
        let sum: f64 = row.iter().sum();
        row.into_iter().map(move |share| share / sum)
    };
    Ok(Corruption::estimated(classes, rows.into_iter().enumerate().flat_map(of).collect())?)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Where a curve first reaches twice its beginning, on a straight line between points.
fn doubles(strengths: &[f64], errors: &[f64]) -> Option<f64> {
    let goal = 2.0 * errors.first()?;
    if goal == 0.0 {
        return None;
    }
    let at = errors.iter().position(|error| *error >= goal)?;
    let before = at.checked_sub(1)?;
    let share = (goal - errors[before]) / (errors[at] - errors[before]);
    Some(strengths[before] + share * (strengths[at] - strengths[before]))
}
