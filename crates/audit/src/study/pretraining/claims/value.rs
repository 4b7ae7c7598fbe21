//! Claims about what a source is worth: how fast, with how many images, for which classes, and which source.

use heirloom_data::augment::{Draws, Key};

use super::{Claimed, Judge, POINTS};
use crate::study::pretraining::record::{PretrainingClaim, Topic};
use crate::study::pretraining::summary::{Correlated, own_sources};
use crate::study::pretraining::{Start, Task};
use crate::study::resampling::{REPLICATES, Resampling, Series};
use crate::study::rule::Rule;

/// Correlation that makes the accuracy of a source a guide.
const CORRELATION: f64 = 0.5;
/// Sources that it takes to tell.
const SOURCES: usize = 8;

impl Judge<'_> {
    pub(super) fn value(&self) -> Vec<PretrainingClaim> {
        let mut claims = vec![self.faster(), self.final_gap(), self.longest()];
        let varied = 0..self.view.study.data.varied.min(self.view.study.data.targets.len());
        for target in varied {
            claims.extend(self.view.study.options.each.iter().map(|each| self.little_data(target, *each)));
            claims.push(self.more_with_less(target));
        }
        claims.push(self.fine());
        claims.extend(self.sources());
        claims.into_iter().flatten().collect()
    }

    /// Other lengths of training from random weights, shortest first.
    fn lengths(&self) -> Vec<Task> {
        let mut lengths = self.view.study.options.lengths[1].clone();
        lengths.sort_unstable();
        lengths.into_iter().map(|epochs| Task::Rows { each: None, epochs: Some(epochs) }).collect()
    }

    fn faster(&self) -> Option<PretrainingClaim> {
        let tuned = self.view.study.options.epochs[0];
        let same = Task::Rows { each: None, epochs: Some(tuned) };
        let claimed = Claimed::points(
            Topic::Convergence,
            format!("after as many images seen ({tuned} epochs), fine-tuning is ahead of training from scratch"),
        );
        self.on(claimed, 0, |seed, times| {
            let ahead = self.accuracy(0, Start::TUNED, Task::ALL, seed, times)?;
            Some(ahead - self.accuracy(0, Start::Scratch, same, seed, times)?)
        })
    }

    fn final_gap(&self) -> Option<PretrainingClaim> {
        let [tuned, scratch] = self.view.study.options.epochs;
        let claim = format!(
            "with all images the final gain is small: {tuned} epochs from the source against {scratch} from scratch"
        );
        let claimed = Claimed { rule: Rule::NotAbove(POINTS), ..Claimed::points(Topic::Convergence, claim) };
        self.on(claimed, 0, |seed, times| self.gap(0, Task::ALL, seed, times))
    }

    fn longest(&self) -> Option<PretrainingClaim> {
        let longest = self.lengths().pop()?;
        let Task::Rows { epochs: Some(epochs), .. } = longest else { return None };
        let claim = format!("training from scratch for {epochs} epochs catches up");
        let claimed = Claimed { rule: Rule::NotAbove(POINTS), ..Claimed::points(Topic::Convergence, claim) };
        self.on(claimed, 0, |seed, times| {
            let ahead = self.accuracy(0, Start::TUNED, Task::ALL, seed, times)?;
            Some(ahead - self.accuracy(0, Start::Scratch, longest, seed, times)?)
        })
    }

    fn little_data(&self, target: usize, each: usize) -> Option<PretrainingClaim> {
        let claim = format!("with {each} images of each class fine-tuning beats training from scratch");
        let claimed = Claimed::points(Topic::Size, claim);
        self.on(claimed, target, |seed, times| self.gap(target, Task::few(each), seed, times))
    }

    fn more_with_less(&self, target: usize) -> Option<PretrainingClaim> {
        let each = self.view.study.options.each.iter().copied().find(|each| *each >= 20)?;
        let claim = format!("the gain is larger with {each} images of each class than with all");
        self.on(Claimed::points(Topic::Size, claim), target, |seed, times| {
            Some(self.gap(target, Task::few(each), seed, times)? - self.gap(target, Task::ALL, seed, times)?)
        })
    }

    /// Pairs, seeds and test images of both sides are resampled together.
    fn fine(&self) -> Option<PretrainingClaim> {
        let pairs = &self.view.study.data.pairs;
        let images = |side: usize, pair: &[usize; 2]| self.view.images(pair[side]);
        let counts: Vec<usize> = pairs.iter().map(|pair| images(0, pair) + images(1, pair)).collect();
        let measure = |pair: usize, seed: usize, times: Option<&[u16]>| {
            let both = pairs.get(pair)?;
            let border = images(0, both);
            let [fine, coarse] = [(0, 0..border), (1, border..counts[pair])]
                .map(|(side, range)| self.gap(both[side], Task::ALL, seed, times.and_then(|times| times.get(range))));
            Some(coarse? - fine?)
        };
        let whole = |seed: &usize| (0..pairs.len()).all(|pair| measure(pair, *seed, None).is_some());
        let seeds: Vec<usize> = self.view.all_seeds().filter(whole).collect();
        let resampling = Resampling::new(seeds.len(), &counts, self.view.study.options.seed);
        let series = resampling.series(|pair, at, times| measure(pair, *seeds.get(at)?, times))?;
        let claim = "pretraining helps little on fine classes: the gain on coarse classes is larger";
        let on = format!("mean over {} pairs of ten classes each, {} seeds", pairs.len(), seeds.len());
        Some(Claimed::points(Topic::Fine, claim).judged(&series, &on, seeds.len() > 1))
    }

    /// Sources are resampled.
    fn sources(&self) -> Vec<Option<PretrainingClaim>> {
        let sources = own_sources(self.view);
        let claim = |what: &str, measured: Correlated| {
            let whole = measured.correlation(None)?;
            let one = |replicate: usize| {
                let key = Key { seed: self.view.study.options.seed, epoch: replicate as u64, row: usize::MAX };
                let mut draws = Draws::of_image(key);
                let some: Vec<usize> = (0..measured.len()).map(|_| draws.below(measured.len())).collect();
                measured.correlation(Some(&some)).unwrap_or(whole)
            };
            let series = Series::new(whole, (0..REPLICATES).map(one).collect());
            let claimed = Claimed {
                topic: Topic::Sources,
                claim: format!(
                    "better sources transfer better: {what} rises with the source's own accuracy, both as log odds"
                ),
                unit: "correlation",
                rule: Rule::AtLeast(CORRELATION),
            };
            let told = measured.len() >= SOURCES;
            Some(claimed.judged(&series, &format!("over {} sources of our own", measured.len()), told))
        };
        vec![
            claim("accuracy of heads on frozen features, mean over targets,", Correlated::frozen(self.view, &sources)),
            claim("accuracy of fine-tuning on the main target", Correlated::tuned(self.view, &sources)),
        ]
    }
}
