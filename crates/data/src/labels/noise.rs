//! Wrong labels by a matrix that says how often each class is taken for each other (`spec/robustness.md` section 1).
//!
//! ```text
//! uniform       (1 - s) I + (s / K) 1          the right label may be drawn again: s (K - 1) / K of the labels are wrong
//! flip          (1 - s) on the diagonal, s at one other class, drawn once for each class
//! hierarchical  (1 - s) I + s spread evenly inside the class's group
//! ```

use crate::augment::{Draws, Key};

/// Words that keep the streams of random numbers apart.
const FLIPS: u64 = 1;
const LABELS: u64 = 2;
const TRUST: u64 = 3;
/// Share of trusted rows from which on every class has one.
const EVERY_CLASS: f64 = 0.05;
/// Orders that are tried until every class has one.
const TRIES: u64 = 1000;

/// How often each class is given each label, `[class, label]`, each row of sum 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Corruption {
    classes: usize,
    shares: Vec<f64>,
}

/// A corruption that there is none of.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptionError {
    /// A strength outside 0 to 1.
    #[error("a strength of {strength} is not from 0 to 1")]
    Strength {
        /// What was asked for.
        strength: f64,
    },
    /// Fewer than two classes.
    #[error("labels of {classes} classes cannot be wrong")]
    Classes {
        /// How many there are.
        classes: usize,
    },
    /// Shares that are no matrix of the classes, or whose rows are no distributions.
    #[error("row {row} of a corruption of {classes} classes is no distribution over them")]
    Shares {
        /// Classes.
        classes: usize,
        /// The first row that is none.
        row: usize,
    },
}

impl Corruption {
    /// Each label is replaced with probability `strength` by one drawn evenly from all classes, the right one included.
    ///
    /// ```
    /// let noise = heirloom_data::labels::Corruption::uniform(4, 0.4)?;
    /// assert!((noise.wrong() - 0.3).abs() < 1e-12);
    /// # Ok::<(), heirloom_data::labels::CorruptionError>(())
    /// ```
    ///
    /// # Errors
    /// A strength outside 0 to 1, fewer than two classes.
    pub fn uniform(classes: usize, strength: f64) -> Result<Self, CorruptionError> {
        Self::hierarchical(&vec![0; classes], strength)
    }

    /// Each class is taken for one other, drawn once, with probability `strength`.
    ///
    /// # Errors
    /// As [`Corruption::uniform`].
    pub fn flip(classes: usize, strength: f64, seed: u64) -> Result<Self, CorruptionError> {
        check(classes, strength)?;
        let mut draws = Draws::of_image(Key { seed, epoch: FLIPS, row: classes });
        let mut shares = vec![0.0; classes * classes];
        for class in 0..classes {
            let other = draws.below(classes - 1);
            let other = if other < class { other } else { other + 1 };
            shares[class * classes + class] = 1.0 - strength;
            shares[class * classes + other] = strength;
        }
        Ok(Self { classes, shares })
    }

    /// Each label is replaced with probability `strength` by one of its group, the right one included; `groups` has that of each class.
    ///
    /// # Errors
    /// As [`Corruption::uniform`].
    pub fn hierarchical(groups: &[usize], strength: f64) -> Result<Self, CorruptionError> {
        let classes = groups.len();
        check(classes, strength)?;
        let share = |class: usize, label: usize| {
            let members = groups.iter().filter(|group| **group == groups[class]).count();
            let spread = if groups[class] == groups[label] { strength / members as f64 } else { 0.0 };
            if class == label { 1.0 - strength + spread } else { spread }
        };
        let shares = (0..classes * classes).map(|at| share(at / classes, at % classes)).collect();
        Ok(Self { classes, shares })
    }

    /// Shares that were estimated, `[class, label]`.
    ///
    /// # Errors
    /// A row that is no distribution.
    pub fn estimated(classes: usize, shares: Vec<f64>) -> Result<Self, CorruptionError> {
        if classes < 2 {
            return Err(CorruptionError::Classes { classes });
        }
        let valid = |row: &[f64]| {
            row.len() == classes
                && row.iter().all(|share| *share >= 0.0)
                && (row.iter().sum::<f64>() - 1.0).abs() < 1e-6
        };
        let rows = shares.chunks(classes).map(valid).chain(std::iter::repeat(false)).take(classes);
        match rows.enumerate().find(|(_, valid)| !valid) {
            Some((row, _)) => Err(CorruptionError::Shares { classes, row }),
            None if shares.len() > classes * classes => Err(CorruptionError::Shares { classes, row: classes }),
            None => Ok(Self { classes, shares }),
        }
    }

    /// `[class, label]`.
    #[must_use]
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Share of wrong labels where all classes are of one size.
    #[must_use]
    pub fn wrong(&self) -> f64 {
        let right: f64 = (0..self.classes).map(|class| self.shares[class * (self.classes + 1)]).sum();
        1.0 - right / self.classes as f64
    }

    /// The labels as they are given, each by a draw of its own; one that is no class stays as it is.
    #[must_use]
    pub fn given(&self, labels: &[usize], seed: u64) -> Vec<usize> {
        let of = |(row, &label): (usize, &usize)| match self.shares.chunks(self.classes).nth(label) {
            Some(shares) => drawn(shares, Draws::of_image(Key { seed, epoch: LABELS, row }).unit()),
            None => label,
        };
        labels.iter().enumerate().map(of).collect()
    }
}

/// The place that a number from 0 to 1 falls to.
fn drawn(shares: &[f64], number: f64) -> usize {
    let mut sum = 0.0;
    let reached = shares.iter().position(|share| {
        sum += share;
        number < sum
    });
    // Sums of shares may end a little below 1: then the last place that can be drawn.
    reached.unwrap_or_else(|| shares.iter().rposition(|share| *share > 0.0).unwrap_or(0))
}

fn check(classes: usize, strength: f64) -> Result<(), CorruptionError> {
    if classes < 2 {
        return Err(CorruptionError::Classes { classes });
    }
    if !(0.0..=1.0).contains(&strength) {
        return Err(CorruptionError::Strength { strength });
    }
    Ok(())
}

/// Rows whose labels are trusted: a share of all, drawn again until every class that occurs has one where the share is 5 % or more and there
/// are as many rows.
#[must_use]
pub fn trusted(labels: &[usize], share: f64, seed: u64) -> Vec<bool> {
    let count = (share.clamp(0.0, 1.0) * labels.len() as f64).round() as usize;
    let classes = |rows: &[usize]| {
        let mut found: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    };
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    let all = classes(&rows);
    let whole = |rows: &[usize]| share < EVERY_CLASS || count < all || classes(&rows[..count]) == all;
    for attempt in 0..TRIES {
        rows = (0..labels.len()).collect();
        Draws::of_image(Key { seed, epoch: TRUST + attempt, row: labels.len() }).shuffle(&mut rows);
        if whole(&rows) {
            break;
        }
    }
    let mut trusted = vec![false; labels.len()];
    rows.iter().take(count).for_each(|row| trusted[*row] = true);
    trusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vector_tv1() {
        let noise = Corruption::uniform(4, 0.4).unwrap();
        for (at, share) in noise.shares().iter().enumerate() {
            let expected = if at % 5 == 0 { 0.7 } else { 0.1 };
            assert!((share - expected).abs() < 1e-12);
        }
        assert!((noise.wrong() - 0.3).abs() < 1e-12);
    }

    proptest! {
        /// Property 1: rows of sum 1, nothing at no strength, nothing left of the label at full uniform strength.
        #[test]
        fn rows_are_distributions(classes in 2..12_usize, strength in 0.0..=1.0_f64, seed in 0..99_u64) {
            let groups: Vec<usize> = (0..classes).map(|class| class / 3).collect();
            for noise in [
                Corruption::uniform(classes, strength).unwrap(),
                Corruption::flip(classes, strength, seed).unwrap(),
                Corruption::hierarchical(&groups, strength).unwrap(),
            ] {
                prop_assert!(noise.shares().chunks(classes).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
                prop_assert!(Corruption::estimated(classes, noise.shares().to_vec()).is_ok());
            }
            let labels: Vec<usize> = (0..50).map(|row| row % classes).collect();
            for none in [Corruption::uniform(classes, 0.0).unwrap(), Corruption::flip(classes, 0.0, seed).unwrap()] {
                prop_assert_eq!(none.given(&labels, seed), labels.clone());
            }
            let all = Corruption::uniform(classes, 1.0).unwrap();
            prop_assert!(all.shares().iter().all(|share| (share - 1.0 / classes as f64).abs() < 1e-12));
            let flipped = Corruption::flip(classes, 1.0, seed).unwrap().given(&labels, seed);
            prop_assert!(flipped.iter().zip(&labels).all(|(given, label)| given != label));
        }
    }

    #[test]
    fn labels_are_drawn_as_often_as_the_matrix_says() {
        let groups = [0, 0, 1, 1, 1];
        let labels: Vec<usize> = (0..20_000).map(|row| row % 5).collect();
        for noise in [
            Corruption::uniform(5, 0.3).unwrap(),
            Corruption::flip(5, 0.45, 7).unwrap(),
            Corruption::hierarchical(&groups, 0.6).unwrap(),
        ] {
            let given = noise.given(&labels, 3);
            assert_eq!(given, noise.given(&labels, 3));
            let mut counts = [0_usize; 25];
            labels.iter().zip(&given).for_each(|(label, given)| counts[label * 5 + given] += 1);
            for (count, share) in counts.iter().zip(noise.shares()) {
                let spread = (4000.0 * share * (1.0 - share)).sqrt();
                assert!((*count as f64 - 4000.0 * share).abs() <= 4.0 * spread + 1e-9, "{count} {share}");
            }
        }
        // A label that is no class stays.
        assert_eq!(Corruption::uniform(2, 1.0).unwrap().given(&[9], 0), [9]);
    }

    #[test]
    fn what_is_no_corruption_is_refused() {
        assert_eq!(Corruption::uniform(1, 0.1).unwrap_err(), CorruptionError::Classes { classes: 1 });
        assert_eq!(Corruption::flip(3, 1.1, 0).unwrap_err(), CorruptionError::Strength { strength: 1.1 });
        let refused = |shares: &[f64]| Corruption::estimated(2, shares.to_vec()).unwrap_err();
        assert_eq!(refused(&[1.0, 0.0, 0.5, 0.4]), CorruptionError::Shares { classes: 2, row: 1 });
        assert_eq!(refused(&[1.0, 0.0]), CorruptionError::Shares { classes: 2, row: 1 });
        assert_eq!(refused(&[1.0, 0.0, 0.5, 0.5, 1.0, 0.0]), CorruptionError::Shares { classes: 2, row: 2 });
    }

    #[test]
    fn trusted_rows_hold_every_class() {
        let labels: Vec<usize> = (0..200).map(|row| if row < 190 { 0 } else { 1 + row % 2 }).collect();
        for seed in 0..20 {
            let some = trusted(&labels, 0.05, seed);
            let of = |class: usize| some.iter().zip(&labels).filter(|(some, label)| **some && **label == class).count();
            assert_eq!(some.iter().filter(|some| **some).count(), 10);
            assert!((0..3).all(|class| of(class) > 0));
        }
        assert!(trusted(&labels, 0.0, 0).iter().all(|some| !some) && trusted(&labels, 1.0, 0).iter().all(|some| *some));
    }
}
