//! How answers differ between groups of images that should be treated alike: accuracy in every cell of class and group, the worst
//! cell, and what a group adds to the chance of an answer (`spec/bias-transfer.md` section 7.3).
//!
//! ```text
//! acc(y, a) = Pr[f = y | y, a]          acc(a) = sum_y w(y) acc(y, a)
//! D(c, a)   = sum_y w(y) (Pr[f = c | y, a] - Pr[f = c | y, not a])
//! ```
//!
//! `w(y)` is the share of class `y` among all images, so that a group in which some class is frequent is not taken for one whose
//! answers are tilted: where classes and groups are independent these are the plain shares. Classes that are missing on one side of a
//! comparison are left out of it and named.

use serde::{Deserialize, Serialize};

use heirloom_transfer::fit::Share;

use crate::level::WeightedPair;
use crate::{AttackError, Difference, Level};

/// Images from which a cell says something about its accuracy.
pub const SMALL: usize = 10;

/// Images of one class in one group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The class.
    pub class: usize,
    /// The group.
    pub group: usize,
    /// Share that is answered right; nothing is known of an empty cell.
    pub right: Share,
}

/// One group against all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The group.
    pub group: usize,
    /// Its images.
    pub images: usize,
    /// Accuracy with the classes weighted as in all images; `None` where no class occurs in every group.
    pub accuracy: Option<f64>,
    /// The class whose answers the group changes most, and by how much.
    pub rate_gap: Option<RateGap>,
}

/// What a group adds to the chance that an image is taken for a class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateGap {
    /// The class.
    pub class: usize,
    /// Chance of the answer in the group, and in the others, classes weighted alike.
    pub rates: [f64; 2],
    /// The first less the second.
    pub rate: Difference,
    /// The same among images of the class (equalised odds, true positives).
    pub of_class: Option<Difference>,
    /// The same among images of other classes (false positives), classes weighted alike.
    pub of_others: Option<Difference>,
}

/// The largest difference of accuracy between two groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupGap {
    /// The group with the highest accuracy.
    pub best: usize,
    /// The group with the lowest.
    pub worst: usize,
    /// By how much they differ.
    pub gap: Difference,
}

/// All measures over groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMeasures {
    /// Every cell, by class, then group.
    pub cells: Vec<Cell>,
    /// Every group.
    pub groups: Vec<GroupRecord>,
    /// The cell with the lowest accuracy among those of [`SMALL`] images or more.
    pub worst: Option<Cell>,
    /// The largest difference between groups.
    pub gap: Option<GroupGap>,
    /// Association of class and group, 0 (independent) to 1: Cramér's V. Above 0 the weights matter.
    pub association: f64,
    /// Classes that are missing in some group, and take no part in comparing accuracies.
    pub missing: Vec<usize>,
    /// What the intervals are adjusted for.
    pub level: Level,
}

/// The classes and groups of images, and the answers to them.
#[derive(Debug, Clone, Copy)]
pub struct Grouped<'a> {
    /// Class of each image.
    pub labels: &'a [usize],
    /// Answer to each.
    pub answers: &'a [usize],
    /// Group of each.
    pub groups: &'a [usize],
    /// Number of classes.
    pub classes: usize,
    /// Number of groups.
    pub count: usize,
}

impl GroupMeasures {
    /// Measures `images`. Intervals are adjusted for one comparison of every class in every group, and of every two groups.
    ///
    /// ```
    /// use heirloom_audit::{GroupMeasures, Grouped};
    ///
    /// // The same accuracy in both groups, and yet the group decides the answer.
    /// let images = Grouped { labels: &[1, 0, 1, 0], answers: &[1, 1, 0, 0], groups: &[1, 1, 0, 0], classes: 2, count: 2 };
    /// let measures = GroupMeasures::of(images)?;
    /// assert_eq!(measures.groups.iter().map(|group| group.accuracy).collect::<Vec<_>>(), [Some(0.5), Some(0.5)]);
    /// assert_eq!(measures.groups[1].rate_gap.map(|gap| gap.rate.value.abs()), Some(1.0));
    /// # Ok::<(), heirloom_audit::AttackError>(())
    /// ```
    ///
    /// # Errors
    /// Lists of different length.
    pub fn of(images: Grouped<'_>) -> Result<Self, AttackError> {
        let counts = Counts::of(images)?;
        let pairs = images.count * images.count.saturating_sub(1) / 2;
        // Of two groups, one against the other is all there is.
        let sides = if images.count == 2 { 1 } else { images.count };
        let level = Level::of(images.classes * sides + pairs);
        let missing: Vec<usize> = (0..images.classes).filter(|class| counts.is_missing(*class)).collect();
        let cells = counts.cells();
        let groups: Vec<GroupRecord> = (0..images.count).map(|group| counts.group(group, &missing, level)).collect();
        let judged = cells.iter().filter(|cell| cell.right.n >= SMALL);
        Ok(Self {
            worst: judged.min_by(|a, b| a.right.value.total_cmp(&b.right.value)).copied(),
            gap: counts.gap(&groups, &missing, level),
            association: counts.association(),
            cells,
            groups,
            missing,
            level,
        })
    }

    /// Cells of fewer than [`SMALL`] images, empty ones included.
    pub fn small(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.right.n < SMALL)
    }
}

/// Images by class, group and answer.
struct Counts {
    classes: usize,
    groups: usize,
    /// `[class, group, answer]`.
    counts: Vec<usize>,
}

impl Counts {
    fn of(images: Grouped<'_>) -> Result<Self, AttackError> {
        let (labels, clean, triggered) = (images.labels.len(), images.answers.len(), images.groups.len());
        if labels != clean || labels != triggered {
            return Err(AttackError::Lengths { labels, clean, triggered });
        }
        let (classes, groups) = (images.classes, images.count);
        let mut counts = vec![0; classes * groups * classes];
        for ((label, answer), group) in images.labels.iter().zip(images.answers).zip(images.groups) {
            if *label < classes && *group < groups && *answer < classes {
                counts[(label * groups + group) * classes + answer] += 1;
            }
        }
        Ok(Self { classes, groups, counts })
    }

    fn answered(&self, class: usize, group: usize, answer: usize) -> usize {
        self.counts[(class * self.groups + group) * self.classes + answer]
    }

    fn images(&self, class: usize, group: usize) -> usize {
        (0..self.classes).map(|answer| self.answered(class, group, answer)).sum()
    }

    fn of_class(&self, class: usize) -> usize {
        (0..self.groups).map(|group| self.images(class, group)).sum()
    }

    fn of_group(&self, group: usize) -> usize {
        (0..self.classes).map(|class| self.images(class, group)).sum()
    }

    fn all(&self) -> usize {
        self.counts.iter().sum()
    }

    fn is_missing(&self, class: usize) -> bool {
        (0..self.groups).any(|group| self.images(class, group) == 0)
    }

    fn cells(&self) -> Vec<Cell> {
        let cell = |class: usize, group: usize| {
            let right = Share::of(self.answered(class, group, class), self.images(class, group));
            Cell { class, group, right }
        };
        (0..self.classes).flat_map(|class| (0..self.groups).map(move |group| cell(class, group))).collect()
    }

    /// Classes with their weights, which add up to 1.
    fn weights(&self, kept: impl Fn(usize) -> bool) -> Vec<(usize, f64)> {
        let kept: Vec<usize> = (0..self.classes).filter(|class| kept(*class)).collect();
        let total: usize = kept.iter().map(|class| self.of_class(*class)).sum();
        kept.into_iter().map(|class| (class, self.of_class(class) as f64 / total.max(1) as f64)).collect()
    }

    fn group(&self, group: usize, missing: &[usize], level: Level) -> GroupRecord {
        let weights = self.weights(|class| !missing.contains(&class));
        let right = |class: usize| self.answered(class, group, class) as f64 / self.images(class, group).max(1) as f64;
        let accuracy = weights.iter().map(|(class, weight)| weight * right(*class)).sum();
        let gaps = (0..self.classes).filter_map(|class| self.rate_gap(class, group, level));
        GroupRecord {
            group,
            images: self.of_group(group),
            accuracy: (!weights.is_empty()).then_some(accuracy),
            rate_gap: gaps.max_by(|a, b| a.rate.value.abs().total_cmp(&b.rate.value.abs())),
        }
    }

    /// Images of `class` in `group` or, turned, in all others: those answered `answer`, and all.
    fn side(&self, class: usize, group: usize, answer: usize, others: bool) -> [usize; 2] {
        let groups = (0..self.groups).filter(|one| (*one == group) != others);
        groups
            .fold([0, 0], |[part, all], one| [part + self.answered(class, one, answer), all + self.images(class, one)])
    }

    fn rate_gap(&self, answer: usize, group: usize, level: Level) -> Option<RateGap> {
        let pairs = |kept: &dyn Fn(usize) -> bool| -> Vec<WeightedPair> {
            let both =
                |class: usize| [false, true].iter().all(|others| self.side(class, group, answer, *others)[1] > 0);
            let weights = self.weights(|class| kept(class) && both(class));
            let pair = |(class, weight): &(usize, f64)| WeightedPair {
                weight: *weight,
                first: self.side(*class, group, answer, false),
                second: self.side(*class, group, answer, true),
            };
            weights.iter().map(pair).collect()
        };
        let difference = |pairs: Vec<WeightedPair>| (!pairs.is_empty()).then(|| level.weighted_difference(&pairs));
        let all = pairs(&|_| true);
        let rate = |side: &dyn Fn(&WeightedPair) -> [usize; 2]| {
            all.iter().map(|pair| pair.weight * side(pair)[0] as f64 / side(pair)[1].max(1) as f64).sum()
        };
        let rates = [rate(&|pair| pair.first), rate(&|pair| pair.second)];
        Some(RateGap {
            class: answer,
            rates,
            rate: difference(all)?,
            of_class: difference(pairs(&|class| class == answer)),
            of_others: difference(pairs(&|class| class != answer)),
        })
    }

    fn gap(&self, groups: &[GroupRecord], missing: &[usize], level: Level) -> Option<GroupGap> {
        let known = || groups.iter().filter_map(|record| record.accuracy.map(|accuracy| (record.group, accuracy)));
        let (best, _) = known().rev().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let (worst, _) = known().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let pair = |(class, weight): (usize, f64)| WeightedPair {
            weight,
            first: self.side(class, best, class, false),
            second: self.side(class, worst, class, false),
        };
        let pairs: Vec<WeightedPair> = self.weights(|class| !missing.contains(&class)).into_iter().map(pair).collect();
        (best != worst).then(|| GroupGap { best, worst, gap: level.weighted_difference(&pairs) })
    }

    /// Cramér's V of class and group.
    fn association(&self) -> f64 {
        let all = self.all() as f64;
        let mut squares = 0.0;
        for class in 0..self.classes {
            for group in 0..self.groups {
                let expected = self.of_class(class) as f64 * self.of_group(group) as f64 / all;
                if expected > 0.0 {
                    squares += (self.images(class, group) as f64 - expected).powi(2) / expected;
                }
            }
        }
        let filled = |count: usize, of: &dyn Fn(usize) -> usize| (0..count).filter(|one| of(*one) > 0).count();
        let classes = filled(self.classes, &|class| self.of_class(class));
        let groups = filled(self.groups, &|group| self.of_group(group));
        let freedom = classes.min(groups).saturating_sub(1);
        if freedom == 0 { 0.0 } else { (squares / (all * freedom as f64)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(labels: &[usize], answers: &[usize], groups: &[usize], count: usize) -> GroupMeasures {
        GroupMeasures::of(Grouped { labels, answers, groups, classes: 2, count }).unwrap()
    }

    #[test]
    fn figures_are_those_of_vector_t7() {
        let found = measures(&[1, 1, 0, 0, 1, 1, 0, 0], &[1, 1, 1, 0, 1, 0, 0, 0], &[1, 1, 1, 1, 0, 0, 0, 0], 2);
        assert_eq!(found.groups.iter().map(|group| group.accuracy).collect::<Vec<_>>(), [Some(0.75); 2]);
        assert_eq!((found.association, found.missing.len(), found.gap), (0.0, 0, None));
        let gap = Counts::of(Grouped {
            labels: &[1, 1, 0, 0, 1, 1, 0, 0],
            answers: &[1, 1, 1, 0, 1, 0, 0, 0],
            groups: &[1, 1, 1, 1, 0, 0, 0, 0],
            classes: 2,
            count: 2,
        });
        let gap = gap.unwrap().rate_gap(1, 1, Level::of(1)).unwrap();
        assert_eq!((gap.rate.value, gap.of_class.unwrap().value, gap.of_others.unwrap().value), (0.5, 0.5, 0.5));
        assert_eq!(gap.rates, [0.75, 0.25]);
        assert!(gap.rate.low < 0.5 && gap.rate.high > 0.5, "{gap:?}");
        // Every cell has two images, too few to call one the worst.
        assert_eq!((found.worst, found.small().count()), (None, 4));
    }

    #[test]
    fn classes_that_are_frequent_in_a_group_do_not_tilt_its_figures() {
        // A model that is right in 9 of 10 of class 0 and 5 of 10 of class 1, whatever the group; group 1 is mostly class 1.
        let (mut labels, mut answers, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for (class, group, images, right) in [(0, 0, 80, 72), (1, 0, 20, 10), (0, 1, 20, 18), (1, 1, 80, 40)] {
            labels.extend(vec![class; images]);
            groups.extend(vec![group; images]);
            answers.extend((0..images).map(|image| if image < right { class } else { 1 - class }));
        }
        let found = measures(&labels, &answers, &groups, 2);
        let accuracies: Vec<f64> = found.groups.iter().filter_map(|group| group.accuracy).collect();
        assert!(accuracies.iter().all(|accuracy| (accuracy - 0.7).abs() < 1e-12), "{accuracies:?}");
        assert!(found.groups.iter().all(|group| group.rate_gap.unwrap().rate.value.abs() < 1e-12));
        // Counts 80, 20, 20, 80 about an expected 50: chi squared 72 of 200 images.
        assert!((found.association - 0.6).abs() < 1e-12, "{}", found.association);
        assert_eq!(found.worst.map(|cell| (cell.class, cell.right.value)), Some((1, 0.5)));
    }

    #[test]
    fn a_class_that_a_group_lacks_is_named_and_left_out() {
        let found = measures(&[0, 0, 0, 0, 1, 1], &[0, 0, 0, 1, 1, 0], &[0, 0, 1, 1, 1, 1], 2);
        assert_eq!(found.missing, [1]);
        let gap = found.gap.unwrap();
        assert_eq!((gap.best, gap.worst, gap.gap.value), (0, 1, 0.5));
        assert_eq!(found.cells.iter().filter(|cell| cell.right.n == 0).count(), 1);
    }

    #[test]
    fn a_cue_that_decides_the_answer_lies_outside_its_interval() {
        let groups: Vec<usize> = (0..400).map(|image| image / 2 % 2).collect();
        let labels: Vec<usize> = (0..400).map(|image| image % 2).collect();
        let found = measures(&labels, &groups, &groups, 2);
        assert!(found.groups[1].rate_gap.unwrap().rate.low > 0.9 && found.level.comparisons == 3, "{found:?}");
        let honest = measures(&labels, &labels, &groups, 2);
        let rate = honest.groups[0].rate_gap.unwrap().rate;
        assert!(rate.low <= 0.0 && rate.high >= 0.0);
    }

    /// Vector T11: half precision would make 2048 of 2049.
    #[test]
    fn classes_are_stored_exactly() {
        let cell = Cell { class: 2049, group: 999, right: Share::of(1, 3) };
        let read: Cell = serde_json::from_str(&serde_json::to_string(&cell).unwrap()).unwrap();
        assert_eq!(read, cell);
    }

    #[test]
    fn lists_of_different_length_are_refused() {
        let images = Grouped { labels: &[0], answers: &[0], groups: &[], classes: 1, count: 1 };
        assert!(GroupMeasures::of(images).is_err());
    }
}
