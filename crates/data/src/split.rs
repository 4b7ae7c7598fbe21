//! Stratified, group-aware hold-outs and folds. Bins are filled by shares: the largest groups first, then single rows in an
//! order that the seed fixes, each into the bin that lacks its classes most (Sainte-Laguë's divisors, class by class), so
//! every class is spread over the bins as evenly as whole groups allow. Nothing depends on the number of threads.

use std::collections::BTreeMap;

/// What is to be split: parallel slices, one entry a row.
#[derive(Debug, Clone, Copy)]
pub struct SplitInput<'a> {
    /// Class of each row.
    pub labels: &'a [usize],
    /// Group of each row (see [`crate::Groups::ids`]); `None` when every row stands alone.
    pub groups: Option<&'a [usize]>,
    /// What the random order of rows is drawn from; with the first eight bytes of the content digests the split does not
    /// depend on the order of the rows. `None` takes the position.
    pub keys: Option<&'a [u64]>,
}

/// Why a split cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Fewer than two folds.
    #[error("{folds} folds: at least 2 are needed")]
    Folds {
        /// The number asked for.
        folds: usize,
    },
    /// A share of nothing or everything.
    #[error("a hold-out of {fraction} of the rows is not between 0 and 1")]
    Fraction {
        /// The share asked for.
        fraction: f64,
    },
    /// Fewer groups than bins.
    #[error("{rows} rows in {groups} groups cannot be split into {bins} parts")]
    TooFewGroups {
        /// Rows.
        rows: usize,
        /// Groups, single rows included.
        groups: usize,
        /// Parts asked for.
        bins: usize,
    },
    /// Slices of different lengths.
    #[error("{labels} labels, {other} {what}: one a row expected")]
    Lengths {
        /// Number of labels.
        labels: usize,
        /// Number of the others.
        other: usize,
        /// What they are.
        what: &'static str,
    },
}

/// A class that the split cannot treat as it should, counted and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitWarning {
    /// Some folds hold no row of the class.
    #[error(
        "class {class} has {rows} rows in {groups} groups, fewer than the {folds} folds: some folds have none of it"
    )]
    FewerThanFolds {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
        /// Its groups.
        groups: usize,
        /// Number of folds.
        folds: usize,
    },
    /// The held-out part has no row of the class.
    #[error("class {class} has {rows} rows: none of them is held out")]
    NoneHeldOut {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
    },
    /// The training part has no row of the class.
    #[error("class {class} has {rows} rows, all in one held-out group: none is left to train on")]
    NoneLeft {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
    },
}

/// A partition into folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    /// Fold of each row, `0..folds`.
    pub fold_of: Vec<usize>,
    /// Number of folds.
    pub folds: usize,
    /// Classes that are too small.
    pub warnings: Vec<SplitWarning>,
}

impl Folds {
    /// Rows of one fold and all others, `(held out, rest)`, in rising order.
    pub fn rows(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        (0..self.fold_of.len()).partition(|row| self.fold_of[*row] == fold)
    }
}

/// Rows to train on and rows held out, in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOut {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows held out.
    pub held_out: Vec<usize>,
    /// Classes that are too small.
    pub warnings: Vec<SplitWarning>,
}

/// Splits rows into `folds` stratified folds; a group never straddles two.
///
/// ```
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let input = heirloom_data::SplitInput { labels: &labels, groups: None, keys: None };
/// let folds = heirloom_data::folds(input, 2, 7)?;
/// let (held_out, rest) = folds.rows(0);
/// assert_eq!((held_out.len(), rest.len()), (4, 4));
/// assert_eq!(held_out.iter().filter(|row| labels[**row] == 1).count(), 2);
/// # Ok::<(), heirloom_data::SplitError>(())
/// ```
///
/// # Errors
/// Fewer than two folds, fewer groups than folds, or slices of different lengths.
pub fn folds(input: SplitInput, folds: usize, seed: u64) -> Result<Folds, SplitError> {
    if folds < 2 {
        return Err(SplitError::Folds { folds });
    }
    let fold_of = fill(input, &vec![1.0 / folds as f64; folds], seed)?;
    let mut groups_of: BTreeMap<usize, (usize, Vec<usize>)> = BTreeMap::new();
    for (row, label) in input.labels.iter().enumerate() {
        let entry = groups_of.entry(*label).or_default();
        entry.0 += 1;
        entry.1.push(input.group(row));
    }
    let mut warnings = Vec::new();
    for (class, (rows, mut groups)) in groups_of {
        groups.sort_unstable();
        groups.dedup();
        if groups.len() < folds {
            warnings.push(SplitWarning::FewerThanFolds { class, rows, groups: groups.len(), folds });
        }
    }
    Ok(Folds { fold_of, folds, warnings })
}

/// Holds out about `fraction` of the rows, stratified; a group never straddles the two parts.
///
/// # Errors
/// A fraction that is not between 0 and 1, fewer than two groups, or slices of different lengths.
pub fn hold_out(input: SplitInput, fraction: f64, seed: u64) -> Result<HoldOut, SplitError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(SplitError::Fraction { fraction });
    }
    let bins = fill(input, &[1.0 - fraction, fraction], seed)?;
    let (train, held_out) = (0..bins.len()).partition(|row| bins[*row] == 0);
    let mut counts: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (label, bin) in input.labels.iter().zip(&bins) {
        counts.entry(*label).or_default()[*bin] += 1;
    }
    let warnings = counts
        .into_iter()
        .filter_map(|(class, [kept, held])| match (kept, held) {
            (rows, 0) => Some(SplitWarning::NoneHeldOut { class, rows }),
            (0, rows) => Some(SplitWarning::NoneLeft { class, rows }),
            _ => None,
        })
        .collect();
    Ok(HoldOut { train, held_out, warnings })
}

impl SplitInput<'_> {
    fn check(&self, bins: usize) -> Result<(), SplitError> {
        let labels = self.labels.len();
        for (other, what) in [(self.groups.map(<[_]>::len), "groups"), (self.keys.map(<[_]>::len), "keys")] {
            if let Some(other) = other.filter(|other| *other != labels) {
                return Err(SplitError::Lengths { labels, other, what });
            }
        }
        let mut groups: Vec<usize> = (0..labels).map(|row| self.group(row)).collect();
        groups.sort_unstable();
        groups.dedup();
        if groups.len() < bins {
            return Err(SplitError::TooFewGroups { rows: labels, groups: groups.len(), bins });
        }
        Ok(())
    }

    fn group(&self, row: usize) -> usize {
        self.groups.map_or(row, |groups| groups[row])
    }

    fn key(&self, row: usize) -> u64 {
        self.keys.map_or(row as u64, |keys| keys[row])
    }
}

/// A group as the filling sees it.
struct Unit {
    rows: Vec<usize>,
    /// Rows of each class, by class.
    classes: BTreeMap<usize, usize>,
    /// Its place among units of its size.
    order: u64,
}

/// The bin of every row, bins filled to `shares`.
fn fill(input: SplitInput, shares: &[f64], seed: u64) -> Result<Vec<usize>, SplitError> {
    input.check(shares.len())?;
    let mut totals: BTreeMap<usize, usize> = BTreeMap::new();
    for label in input.labels {
        *totals.entry(*label).or_default() += 1;
    }
    let mut bin_of = vec![0; input.labels.len()];
    let mut held: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); shares.len()];
    let mut sizes = vec![0_usize; shares.len()];
    for unit in units(input, seed) {
        // Cost of a bin: how full the unit's classes already are there, each against the bin's share of the class.
        let cost = |bin: usize| -> f64 {
            let of_class = |(class, rows): (&usize, &usize)| {
                let before = held[bin].get(class).copied().unwrap_or(0);
                (rows * (2 * before + rows)) as f64 / (shares[bin] * totals[class] as f64)
            };
            unit.classes.iter().map(of_class).sum()
        };
        let fullness = |bin: usize| sizes[bin] as f64 / shares[bin];
        let best = (0..shares.len())
            .min_by(|a, b| cost(*a).total_cmp(&cost(*b)).then(fullness(*a).total_cmp(&fullness(*b))).then(a.cmp(b)));
        let bin = best.unwrap_or(0);
        for (class, rows) in &unit.classes {
            *held[bin].entry(*class).or_default() += rows;
        }
        sizes[bin] += unit.rows.len();
        for row in unit.rows {
            bin_of[row] = bin;
        }
    }
    Ok(bin_of)
}

/// The groups, largest first, equal sizes in an order drawn from the seed.
fn units(input: SplitInput, seed: u64) -> Vec<Unit> {
    let mut by_group: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in 0..input.labels.len() {
        by_group.entry(input.group(row)).or_default().push(row);
    }
    let mut units: Vec<Unit> = by_group
        .into_values()
        .map(|rows| {
            let mut classes = BTreeMap::new();
            for row in &rows {
                *classes.entry(input.labels[*row]).or_default() += 1;
            }
            let order = rows.iter().map(|row| mix(seed, input.key(*row))).min().unwrap_or(0);
            Unit { rows, classes, order }
        })
        .collect();
    units.sort_by(|a, b| (b.rows.len(), a.order, &a.rows).cmp(&(a.rows.len(), b.order, &b.rows)));
    units
}

/// splitmix64 of the key under the seed: a random order that any row's key alone decides.
fn mix(seed: u64, key: u64) -> u64 {
    let mut z = key ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2 {
        z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
    }
    z
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn input(labels: &[usize]) -> SplitInput<'_> {
        SplitInput { labels, groups: None, keys: None }
    }

    proptest! {
        #[test]
        fn every_class_is_spread_to_within_one_row(
            labels in prop::collection::vec(0..5_usize, 10..200), count in 2..8_usize, seed: u64,
        ) {
            let split = folds(input(&labels), count, seed).unwrap();
            for class in 0..5 {
                let mut rows = vec![0_usize; count];
                for (label, fold) in labels.iter().zip(&split.fold_of) {
                    rows[*fold] += usize::from(*label == class);
                }
                let (least, most) = (rows.iter().min().unwrap(), rows.iter().max().unwrap());
                prop_assert!(most - least <= 1, "class {}: {:?}", class, rows);
            }
            prop_assert_eq!(&split, &folds(input(&labels), count, seed).unwrap());
        }

        #[test]
        fn groups_never_straddle_and_every_row_is_in_one_fold(
            rows in prop::collection::vec((0..4_usize, 0..30_usize), 40..200), count in 2..6_usize, seed: u64,
        ) {
            let (labels, groups): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
            let split = match folds(SplitInput { labels: &labels, groups: Some(&groups), keys: None }, count, seed) {
                Ok(split) => split,
                Err(SplitError::TooFewGroups { groups, .. }) if groups < count => return Ok(()),
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            };
            let mut fold_of_group = BTreeMap::new();
            for (group, fold) in groups.iter().zip(&split.fold_of) {
                prop_assert!(*fold < count);
                prop_assert_eq!(*fold_of_group.entry(*group).or_insert(*fold), *fold);
            }
            let sizes: Vec<usize> = (0..count).map(|fold| split.rows(fold).0.len()).collect();
            prop_assert_eq!(sizes.iter().sum::<usize>(), labels.len());
        }

        #[test]
        fn the_hold_out_takes_its_share_of_every_class(
            labels in prop::collection::vec(0..4_usize, 20..300), seed: u64,
        ) {
            let split = hold_out(input(&labels), 0.2, seed).unwrap();
            for class in 0..4 {
                let count = |rows: &[usize]| rows.iter().filter(|row| labels[**row] == class).count();
                let (kept, held) = (count(&split.train), count(&split.held_out));
                let share = (kept + held) as f64 * 0.2;
                prop_assert!((held as f64 - share).abs() <= 1.0, "class {}: {} of {}", class, held, kept + held);
            }
        }

        #[test]
        fn with_keys_of_content_the_order_of_rows_changes_nothing(
            labels in prop::collection::vec(0..3_usize, 10..100), seed: u64, turn in 0..100_usize,
        ) {
            let keys: Vec<u64> = (0..labels.len() as u64).map(|row| mix(1, row)).collect();
            let split = folds(SplitInput { labels: &labels, groups: None, keys: Some(&keys) }, 3, seed).unwrap();
            let turn = turn % labels.len();
            let rotate = |mut values: Vec<u64>| { values.rotate_left(turn); values };
            let turned: Vec<usize> = rotate(labels.iter().map(|l| *l as u64).collect()).iter().map(|l| *l as usize).collect();
            let turned_keys = rotate(keys.clone());
            let again = folds(SplitInput { labels: &turned, groups: None, keys: Some(&turned_keys) }, 3, seed).unwrap();
            let mut expected = split.fold_of.clone();
            expected.rotate_left(turn);
            prop_assert_eq!(again.fold_of, expected);
        }
    }

    #[test]
    fn different_seeds_give_different_folds() {
        let labels: Vec<usize> = (0..60).map(|row| row % 3).collect();
        assert_ne!(folds(input(&labels), 5, 1).unwrap(), folds(input(&labels), 5, 2).unwrap());
    }

    #[test]
    fn classes_with_fewer_rows_than_folds_are_reported() {
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 2];
        let warnings = folds(input(&labels), 3, 0).unwrap().warnings;
        let expected = [(1, 2), (2, 1)];
        let expected =
            expected.map(|(class, rows)| SplitWarning::FewerThanFolds { class, rows, groups: rows, folds: 3 });
        assert_eq!(warnings, expected);
        let held_out = hold_out(input(&labels), 0.2, 0).unwrap();
        assert!(held_out.warnings.contains(&SplitWarning::NoneHeldOut { class: 2, rows: 1 }));
        assert!(held_out.train.contains(&8));
    }

    #[test]
    fn what_cannot_be_split_is_refused_with_its_figures() {
        let labels = [0, 1, 0];
        assert_eq!(folds(input(&labels), 1, 0), Err(SplitError::Folds { folds: 1 }));
        assert_eq!(folds(input(&labels), 4, 0), Err(SplitError::TooFewGroups { rows: 3, groups: 3, bins: 4 }));
        let one_group = SplitInput { labels: &labels, groups: Some(&[7, 7, 7]), keys: None };
        assert_eq!(hold_out(one_group, 0.2, 0), Err(SplitError::TooFewGroups { rows: 3, groups: 1, bins: 2 }));
        assert_eq!(hold_out(input(&labels), 1.0, 0), Err(SplitError::Fraction { fraction: 1.0 }));
        let uneven = SplitInput { labels: &labels, groups: Some(&[1]), keys: None };
        assert_eq!(folds(uneven, 2, 0), Err(SplitError::Lengths { labels: 3, other: 1, what: "groups" }));
    }
}
