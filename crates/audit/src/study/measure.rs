//! What is read from the answers to a probe, and over seeds and targets.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::{Cell, Found};
use super::resampling::{Resampling, Series};
use super::{Arm, Origin};

/// What is read from the answers to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Attack success rate: of the images answered right as they are, those answered wrong with the probe.
    Broken,
    /// What the probe adds to the share of answers with this class.
    Rate(usize),
    /// By how much the share of answers with this class is larger on images of the first kind than on the second, each label counting alike.
    Gap(usize),
    /// The same for the class it adds most to, chosen on the even images and taken on the odd ones.
    Pull,
}

impl Measure {
    /// What belongs to an origin. The biased class of the lopsided source's target is its second.
    pub fn of(origin: Origin) -> Self {
        match origin {
            Origin::Planted { .. } | Origin::Nothing { stock: false } => Self::Broken,
            Origin::Chosen { .. } => Self::Rate(1),
            Origin::Cue { .. } => Self::Gap(1),
            Origin::Stock | Origin::Nothing { stock: true } => Self::Pull,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Rate(_) => "rate",
            Self::Gap(_) => "gap",
            Self::Pull => "pull",
        }
    }

    /// The measure of a probe where each image counts as often as said; `None` where nothing is counted.
    pub fn take(self, cell: &Cell, probe: usize, times: Option<&[u16]>) -> Option<f64> {
        // A gap is between images as they are.
        let changed = if matches!(self, Self::Gap(_)) { &cell.clean } else { cell.changed.get(probe)? };
        let weight = |image: usize| times.map_or(1.0, |times| times.get(image).map_or(0.0, |times| f64::from(*times)));
        let share = |counts: &dyn Fn(usize) -> bool, among: &dyn Fn(usize) -> bool| {
            let (mut part, mut all) = (0.0, 0.0);
            for image in (0..changed.len()).filter(|image| among(*image)) {
                all += weight(image);
                part += if counts(image) { weight(image) } else { 0.0 };
            }
            (all > 0.0).then(|| part / all)
        };
        let added = |class: usize, among: &dyn Fn(usize) -> bool| {
            let with = share(&|image| changed[image] == class, among)?;
            Some(with - share(&|image| cell.clean[image] == class, among)?)
        };
        match self {
            Self::Broken => {
                share(&|image| changed[image] != cell.labels[image], &|image| cell.clean[image] == cell.labels[image])
            }
            Self::Rate(class) => added(class, &|_| true),
            Self::Gap(class) => {
                let of = |label: usize, kind: usize| {
                    share(&|image| changed[image] == class, &|image| {
                        cell.labels[image] == label && cell.kinds.get(image) == Some(&kind)
                    })
                };
                let labels: BTreeSet<usize> = cell.labels.iter().copied().collect();
                let gaps: Option<Vec<f64>> = labels.iter().map(|label| Some(of(*label, 0)? - of(*label, 1)?)).collect();
                gaps.filter(|gaps| !gaps.is_empty()).map(|gaps| gaps.iter().sum::<f64>() / gaps.len() as f64)
            }
            Self::Pull => added(pulled(cell, probe)?, &|image| image % 2 == 1),
        }
    }
}

/// The class whose share of the answers a probe raises most on the even images, the lowest of equals.
fn pulled(cell: &Cell, probe: usize) -> Option<usize> {
    let mut counts = BTreeMap::<usize, i64>::new();
    for (clean, changed) in cell.clean.iter().zip(cell.changed.get(probe)?).step_by(2) {
        *counts.entry(*changed).or_default() += 1;
        *counts.entry(*clean).or_default() -= 1;
    }
    counts.into_iter().rev().max_by_key(|(_, rise)| *rise).map(|(class, _)| class)
}

/// Cells with the resamples that all figures share.
pub(super) struct Tally<'a> {
    pub found: &'a Found,
    pub seed: u64,
}

impl Tally<'_> {
    /// Seeds below `most` of which every arm has a cell for each of the first `targets` targets.
    pub fn complete(&self, arms: &[&Arm], targets: usize, most: usize) -> Vec<usize> {
        let has = |seed: usize| {
            let of_arm = |arm: &&&Arm| (0..targets).all(|target| self.found.get(arm, seed, target).is_some());
            arms.iter().all(|arm| of_arm(&arm))
        };
        (0..most).filter(|seed| has(*seed)).collect()
    }

    /// The resamples of some seeds and targets; the images of a target are the same for every arm.
    pub fn resampling(&self, arm: &Arm, targets: &[usize], seeds: &[usize]) -> Resampling {
        let first = seeds.first().copied().unwrap_or(0);
        let images =
            targets.iter().map(|target| self.found.get(arm, first, *target).map_or(0, |cell| cell.labels.len()));
        Resampling::new(seeds.len(), &images.collect::<Vec<_>>(), self.seed)
    }

    /// The measure of a probe over targets and seeds.
    pub fn series(
        &self,
        resampling: &Resampling,
        arm: &Arm,
        probe: usize,
        targets: &[usize],
        seeds: &[usize],
    ) -> Option<Series> {
        let measure = Measure::of(arm.origin);
        resampling.series(|target, seed, times| {
            measure.take(self.found.get(arm, *seeds.get(seed)?, *targets.get(target)?)?, probe, times)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector T1 of the specification, and a pull that is chosen on even images and taken on odd ones.
    #[test]
    fn measures_are_those_of_the_specification() {
        let cell = Cell {
            labels: vec![0, 0, 1, 1, 2, 2, 2, 0, 1, 2],
            clean: vec![0, 1, 1, 1, 2, 0, 2, 0, 2, 2],
            changed: vec![vec![2, 2, 1, 2, 2, 2, 0, 2, 2, 2], vec![2; 10]],
            kinds: Vec::new(),
        };
        assert_eq!(Measure::Broken.take(&cell, 0, None), Some(4.0 / 7.0));
        assert_eq!(Measure::Rate(2).take(&cell, 0, None), Some(0.4));
        // Even images: 2 rises from three answers to five; odd ones: from one to five.
        assert_eq!((pulled(&cell, 0), pulled(&cell, 1)), (Some(0), Some(2)));
        assert!((Measure::Pull.take(&cell, 1, None).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(Measure::Broken.take(&cell, 2, None), None);
        let twice: Vec<u16> = (0..10).map(|image| if image == 0 { 2 } else { 1 }).collect();
        assert_eq!(Measure::Broken.take(&cell, 0, Some(&twice)), Some(5.0 / 8.0));
        assert_eq!(Measure::Broken.take(&cell, 0, Some(&[0; 10])), None);
    }

    /// Kinds that hold unequal shares of the classes make no gap by that alone.
    #[test]
    fn a_gap_counts_labels_alike() {
        let labels = vec![0, 0, 0, 1, 0, 1, 1, 1];
        let kinds = vec![0, 0, 0, 0, 1, 1, 1, 1];
        let cell = |clean: &[usize]| Cell {
            labels: labels.clone(),
            clean: clean.to_vec(),
            changed: Vec::new(),
            kinds: kinds.clone(),
        };
        assert_eq!(Measure::Gap(1).take(&cell(&labels), 0, None), Some(0.0), "all right: no gap");
        assert_eq!(Measure::Gap(1).take(&cell(&[1, 1, 1, 1, 0, 0, 0, 0]), 0, None), Some(1.0));
        let gap = Measure::Gap(1).take(&cell(&[1, 0, 0, 1, 0, 1, 1, 0]), 0, None).unwrap();
        assert!((gap - (1.0 / 3.0 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
        let without = [1, 1, 1, 0, 1, 1, 1, 1];
        assert_eq!(Measure::Gap(1).take(&cell(&labels), 0, Some(&without)), None, "a label without images of a kind");
    }
}
