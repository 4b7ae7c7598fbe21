//! Classes of uneven size, and what is done about them (`spec/robustness.md` section 2; SMOTE: Chawla et al. 2002).

use heirloom_data::augment::{Draws, Key};
use heirloom_data::labels::{minority, uneven_sizes};
use heirloom_transfer::fit::Share;
use heirloom_transfer::heads::Given;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::fits::{Fits, Rows};
use crate::{AuditError, Difference, Level, paired_difference};

/// Exponents of the power law: the smallest leaves the fewest rows.
const GAMMAS: [f64; 7] = [0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0];
/// The largest class has so many times the rows of the smallest.
const RATIO: usize = 20;
/// Rows of the smallest class, at least.
const SMALLEST: usize = 2;
/// Rows of the same class that new ones are made with.
const NEIGHBOURS: usize = 5;
/// Heads that are fitted.
pub(super) const FITTED: usize = GAMMAS.len() * Balancing::ALL.len();

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// Nothing.
    None,
    /// Rows of small classes count more.
    CostSensitive,
    /// Rows of small classes are drawn again and again.
    OverSampling,
    /// New rows of small classes are made between two of them, in the space of the features.
    Smote,
    /// A control: as many rows in all, as many of each class.
    Even,
    /// The other control: nothing, on features of random weights.
    RandomWeights,
}

impl Balancing {
    /// All, in the order of the report.
    pub const ALL: [Self; 6] =
        [Self::None, Self::CostSensitive, Self::OverSampling, Self::Smote, Self::Even, Self::RandomWeights];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::CostSensitive => "cost-sensitive",
            Self::OverSampling => "over-sampling",
            Self::Smote => "SMOTE",
            Self::Even => "even classes",
            Self::RandomWeights => "random weights",
        }
    }
}

/// Errors with classes of some unevenness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImbalancePoint {
    /// Exponent of the power law.
    pub gamma: f64,
    /// Training rows of each class, the largest first.
    pub sizes: Vec<usize>,
    /// What is done, error in all, and mean error of the classes that are smaller than the mean.
    pub errors: Vec<(Balancing, Share, f64)>,
    /// How much more errors there are with nothing done than with as many rows of even classes, rows paired.
    pub beyond_even: Option<Difference>,
}

/// Uneven classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImbalanceRecord {
    /// By exponent.
    pub points: Vec<ImbalancePoint>,
}

/// `None` where classes have too few rows.
pub(super) fn measured(fits: &Fits<'_>) -> Result<Option<ImbalanceRecord>, AuditError> {
    let mut available: Vec<(usize, usize)> = fits.sizes().into_iter().enumerate().collect();
    available.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
    let points = GAMMAS.into_par_iter().map(|gamma| point(fits, &available, gamma));
    let points: Vec<Option<ImbalancePoint>> = points.collect::<Result<_, _>>()?;
    let points: Option<Vec<ImbalancePoint>> = points.into_iter().collect();
    Ok(points.map(|points| ImbalanceRecord { points }))
}

/// The largest sizes of a law that the classes, the largest first, have rows for.
fn sizes(available: &[(usize, usize)], gamma: f64) -> Option<Vec<usize>> {
    let most = available.first()?.1;
    let fits = |sizes: &Vec<usize>| sizes.iter().zip(available).all(|(size, (_, rows))| size <= rows);
    let of = |largest: usize| {
        let smallest = (largest as f64 / RATIO as f64).round() as usize;
        uneven_sizes(available.len(), largest, smallest.max(SMALLEST), gamma).ok()
    };
    (super::FEWEST..=most).rev().filter_map(of).find(fits)
}

fn point(fits: &Fits<'_>, available: &[(usize, usize)], gamma: f64) -> Result<Option<ImbalancePoint>, AuditError> {
    let Some(sizes) = sizes(available, gamma) else { return Ok(None) };
    let of_class: Vec<(usize, usize)> = available.iter().map(|(class, _)| *class).zip(sizes.iter().copied()).collect();
    let uneven = drawn(fits, &of_class);
    let total: usize = sizes.iter().sum();
    let even: Vec<(usize, usize)> = available.iter().map(|(class, rows)| (*class, *rows)).collect();
    let even = drawn(fits, &spread(&even, total));
    let small: Vec<usize> = minority(&sizes).into_iter().map(|place| of_class[place].0).collect();
    let (mut errors, mut wrong_of) = (Vec::new(), Vec::new());
    for balancing in Balancing::ALL {
        let features = if balancing == Balancing::RandomWeights { fits.input.random } else { Some(fits.input.own) };
        let Some(features) = features else { continue };
        let rows = match balancing {
            Balancing::None | Balancing::RandomWeights => uneven.clone(),
            Balancing::CostSensitive => weighted(&uneven, &of_class),
            Balancing::OverSampling => repeated(fits, &uneven, sizes[0], false),
            Balancing::Smote => repeated(fits, &uneven, sizes[0], true),
            Balancing::Even => even.clone(),
        };
        let wrong = fits.wrong(features, &fits.head(features, &rows, Given::default())?)?;
        let rate = wrong.iter().sum::<f64>() / wrong.len() as f64;
        errors.push((balancing, Share::rate(rate, wrong.len()), of_classes(fits, &wrong, &small)));
        wrong_of.push((balancing, wrong));
    }
    let of = |wanted| wrong_of.iter().find(|(balancing, _)| *balancing == wanted).map(|(_, wrong)| wrong);
    let beyond_even = of(Balancing::None).zip(of(Balancing::Even)).and_then(|(none, even)| {
        let more: Vec<f64> = none.iter().zip(even).map(|(none, even)| none - even).collect();
        paired_difference(&more, Level::of(1), fits.seed)
    });
    Ok(Some(ImbalancePoint { gamma, sizes, errors, beyond_even }))
}

/// So many rows of each class, in an order that every size begins.
fn drawn(fits: &Fits<'_>, of_class: &[(usize, usize)]) -> Rows {
    let mut rows = Rows::default();
    for (class, size) in of_class {
        let mut own: Vec<usize> =
            fits.input.train.iter().copied().filter(|row| fits.input.labels[*row] == *class).collect();
        Draws::of_batch(fits.seed, 0, *class).shuffle(&mut own);
        rows.rows.extend(own.iter().take(*size));
        rows.labels.extend(own.iter().take(*size).map(|_| *class));
    }
    rows
}

/// `total` rows over classes, as evenly as they have them.
fn spread(available: &[(usize, usize)], total: usize) -> Vec<(usize, usize)> {
    let mut sizes: Vec<(usize, usize)> = available.iter().map(|(class, _)| (*class, 0)).collect();
    let mut left = total.min(available.iter().map(|(_, rows)| rows).sum());
    while left > 0 {
        for (size, (_, rows)) in sizes.iter_mut().zip(available) {
            if left > 0 && size.1 < *rows {
                size.1 += 1;
                left -= 1;
            }
        }
    }
    sizes
}

/// Rows count as much as their class is small.
fn weighted(rows: &Rows, of_class: &[(usize, usize)]) -> Rows {
    let size = |label: &usize| of_class.iter().find(|(class, _)| class == label).map_or(1, |(_, size)| *size);
    Rows { weights: rows.labels.iter().map(|label| 1.0 / size(label) as f64).collect(), ..rows.clone() }
}

/// Rows of each class up to `size`, drawn again, as they are or moved towards a neighbour of their class.
fn repeated(fits: &Fits<'_>, rows: &Rows, size: usize, mixed: bool) -> Rows {
    let mut all = Rows { mixed: vec![None; rows.rows.len()], ..rows.clone() };
    for class in 0..fits.input.classes {
        let own: Vec<usize> =
            rows.rows.iter().zip(&rows.labels).filter(|(_, label)| **label == class).map(|(row, _)| *row).collect();
        let mut draws = Draws::of_image(Key { seed: fits.seed, epoch: u64::from(mixed), row: class });
        for _ in own.len()..size.max(own.len()) {
            let Some(row) = own.get(draws.below(own.len())).copied() else { break };
            let near = if mixed { nearest(fits, row, &own) } else { Vec::new() };
            let other = near.get(draws.below(near.len())).copied();
            all.rows.push(row);
            all.labels.push(class);
            all.mixed.push(other.map(|other| (other, draws.unit())));
        }
    }
    all
}

/// The nearest other rows by Euclidean distance of the features, the first of equals.
fn nearest(fits: &Fits<'_>, row: usize, own: &[usize]) -> Vec<usize> {
    let Some(block) = fits.input.own.blocks.first() else { return Vec::new() };
    let values = |row: usize| &block.values[row * block.width..(row + 1) * block.width];
    let apart = |other: usize| -> f64 {
        values(row).iter().zip(values(other)).map(|(one, other)| f64::from(one - other).powi(2)).sum()
    };
    let mut others: Vec<(f64, usize)> =
        own.iter().filter(|other| **other != row).map(|other| (apart(*other), *other)).collect();
    others.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    others.into_iter().take(NEIGHBOURS).map(|(_, other)| other).collect()
}

/// Mean over some classes of the error on their judged rows; classes without any are left out.
fn of_classes(fits: &Fits<'_>, wrong: &[f64], classes: &[usize]) -> f64 {
    let of = |class: &usize| {
        let own: Vec<f64> = fits
            .input
            .test
            .iter()
            .zip(wrong)
            .filter(|(row, _)| fits.input.labels[**row] == *class)
            .map(|(_, wrong)| *wrong)
            .collect();
        (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
    };
    let rates: Vec<f64> = classes.iter().filter_map(of).collect();
    rates.iter().sum::<f64>() / rates.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_largest_that_there_are_rows_for() {
        let available = [(4, 100), (1, 30), (0, 28), (2, 28), (3, 10)];
        for gamma in GAMMAS {
            let sizes = sizes(&available, gamma).unwrap();
            assert!(sizes.iter().zip(available).all(|(size, (_, rows))| *size <= rows), "{sizes:?}");
            assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]) && sizes[4] >= SMALLEST);
        }
        assert_eq!(sizes(&[(0, 8), (1, 8)], 1.0), None);
        let even = spread(&[(4, 100), (1, 3), (0, 50)], 20);
        assert_eq!(even, [(4, 9), (1, 3), (0, 8)]);
    }
}
