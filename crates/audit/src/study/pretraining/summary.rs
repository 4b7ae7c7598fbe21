//! From what was found to the record.

use std::collections::BTreeSet;

use super::claims::claims;
use super::logits::{Fitted, adjusted_means, line, log_odds};
use super::record::{AttackedRecord, CertaintyRecord, OwnSourceRecord, PretrainingStudy, RunRecord, StrangeRecord};
use super::view::{Certainty, Found, View};
use super::{Origin, Run, Start, Study, StudyError, Task};
use crate::robustness::Detected;
use crate::study::TargetNote;

const BOTH: [Start; 2] = [Start::TUNED, Start::Scratch];

/// The record of the study.
pub(super) fn summary(
    study: &Study<'_>,
    found: &Found,
    unfinished: Vec<String>,
) -> Result<PretrainingStudy, StudyError> {
    let view = View::new(study, found);
    let sources = own_sources(&view);
    let lines = [Correlated::frozen(&view, &sources), Correlated::tuned(&view, &sources)];
    Ok(PretrainingStudy {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        part: study.options.part,
        targets: used(study).map(note).collect(),
        claims: claims(&view),
        runs: runs(&view),
        sources: sources.iter().filter_map(|source| own(&view, *source)).collect(),
        lines: lines.map(|correlated| correlated.line()),
        attacked: attacked(&view),
        strange: strange(&view),
        certainty: certainty(&view),
        unfinished,
    })
}

/// Targets that the study is about: robustness is about the main one alone.
fn used<'a>(study: &'a Study<'_>) -> impl Iterator<Item = &'a super::Set> {
    let all = study.data.targets.len();
    study.data.targets.iter().take(if study.options.part == super::Part::Robustness { 1 } else { all })
}

fn note(set: &super::Set) -> TargetNote {
    let [train, test] = set.split();
    let counts = [train.len(), test.len(), set.table.classes.len()];
    TargetNote { name: set.name.clone(), about: set.about.clone(), counts }
}

impl View<'_> {
    fn name(&self, target: usize) -> String {
        self.study.data.targets.get(target).map_or_else(String::new, |set| set.name.clone())
    }
}

/// Runs of the given source or of random weights, those of different seeds together.
fn runs(view: &View<'_>) -> Vec<RunRecord> {
    let own = |run: &&Run| matches!(run.start.origin(), Some(Origin::Own { .. }));
    let kinds: BTreeSet<Run> =
        view.found.runs.keys().filter(|run| !own(run)).map(|run| Run { seed: 0, ..*run }).collect();
    kinds.iter().filter_map(|run| together(view, run)).collect()
}

fn together(view: &View<'_>, run: &Run) -> Option<RunRecord> {
    let Run { target, start, task, .. } = *run;
    let of_seed = |seed| Run::new(target, start, task, seed);
    let all: Vec<_> = view.all_seeds().filter_map(|seed| view.found.runs.get(&of_seed(seed))).collect();
    let first = all.first()?;
    let mean = |values: &dyn Fn(usize) -> f64| (0..all.len()).map(values).sum::<f64>() / all.len() as f64;
    let epochs = all.iter().map(|run| run.curve.len()).min().unwrap_or(0);
    Some(RunRecord {
        target: view.name(target),
        start,
        task,
        seeds: all.len(),
        rate: first.rate,
        rows: first.rows,
        epochs: first.epochs,
        wrong: mean(&|at| all[at].wrong),
        accuracy: view.estimate(target, |seed, times| view.accuracy(target, start, task, seed, times))?,
        small_classes: view.estimate(target, |seed, times| view.small_classes(&of_seed(seed), times)),
        curve: (0..epochs).map(|epoch| mean(&|at| all[at].curve[epoch])).collect(),
    })
}

/// Sources of our own whose accuracy is known.
pub(super) fn own_sources(view: &View<'_>) -> Vec<(usize, usize)> {
    view.found.sources.keys().copied().collect()
}

/// Targets that frozen features are judged on: all but the pairs of fine and coarse classes.
fn unpaired(view: &View<'_>) -> Vec<usize> {
    let paired: BTreeSet<usize> = view.study.data.pairs.iter().flatten().copied().collect();
    (0..view.study.data.targets.len()).filter(|target| !paired.contains(target)).collect()
}

fn own(view: &View<'_>, (part, checkpoint): (usize, usize)) -> Option<OwnSourceRecord> {
    let origin = Origin::Own { part, checkpoint };
    let frozen =
        |target: usize| Some((view.name(target), view.accuracy(target, Start::Frozen(origin), Task::ALL, 0, None)?));
    let few = Task::few(view.study.options.source_each);
    let share = view.study.own_epochs(part) * [1, 3, 6].get(checkpoint)? / 6;
    Some(OwnSourceRecord {
        images: view.study.options.parts.get(part).copied()?,
        epochs: share,
        accuracy: view.found.sources.get(&(part, checkpoint)).copied()?,
        frozen: unpaired(view).into_iter().filter_map(frozen).collect(),
        tuned: view.accuracy(0, Start::Tuned(origin), few, 0, None),
    })
}

/// Accuracy of sources beside what they are worth, as log odds.
pub(super) struct Correlated {
    source: Vec<f64>,
    /// `[source][target]`.
    worth: Vec<Vec<f64>>,
}

impl Correlated {
    /// Heads on frozen features, over all targets.
    pub fn frozen(view: &View<'_>, sources: &[(usize, usize)]) -> Self {
        Self::of(view, sources, |origin| {
            let odds = |target: usize| {
                let accuracy = view.accuracy(target, Start::Frozen(origin), Task::ALL, 0, None)?;
                Some(log_odds(accuracy, view.images(target)))
            };
            unpaired(view).into_iter().map(odds).collect()
        })
    }

    /// Fine-tuning on the main target.
    pub fn tuned(view: &View<'_>, sources: &[(usize, usize)]) -> Self {
        let few = Task::few(view.study.options.source_each);
        Self::of(view, sources, |origin| {
            Some(vec![log_odds(view.accuracy(0, Start::Tuned(origin), few, 0, None)?, view.images(0))])
        })
    }

    fn of(view: &View<'_>, sources: &[(usize, usize)], worth: impl Fn(Origin) -> Option<Vec<f64>>) -> Self {
        let test = view.study.data.source.split()[1].len();
        let of = |(part, checkpoint): &(usize, usize)| {
            let accuracy = view.found.sources.get(&(*part, *checkpoint))?;
            Some((log_odds(*accuracy, test), worth(Origin::Own { part: *part, checkpoint: *checkpoint })?))
        };
        let (source, worth) = sources.iter().filter_map(of).unzip();
        Self { source, worth }
    }

    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Correlation over all sources, or over some, each as often as it is named.
    pub fn correlation(&self, some: Option<&[usize]>) -> Option<f64> {
        let every: Vec<usize> = (0..self.len()).collect();
        let some = some.unwrap_or(&every);
        let source: Vec<f64> = some.iter().map(|at| self.source[*at]).collect();
        let worth: Vec<Vec<f64>> = some.iter().map(|at| self.worth[*at].clone()).collect();
        line(&source, &adjusted_means(&worth)).map(|line| line.correlation)
    }

    pub fn line(&self) -> Option<Fitted> {
        line(&self.source, &adjusted_means(&self.worth))
    }
}

fn attacked(view: &View<'_>) -> Vec<AttackedRecord> {
    let of = |(start, task): (Start, Task)| {
        let runs: Vec<&Run> = view.found.attacked.keys().filter(|run| (run.start, run.task) == (start, task)).collect();
        let images = view.found.attacked.get(runs.first().copied()?)?.images.len();
        let share = |side: usize| {
            view.estimate(0, move |seed, times| Some(view.under_attack(&Run::new(0, start, task, seed), times)?[side]))
        };
        let [clean, attacked, by_chance] = [share(0)?, share(1)?, share(2)?];
        Some(AttackedRecord { start, task, seeds: runs.len(), images, clean, attacked, by_chance })
    };
    [Task::ALL, Task::Adversarial].into_iter().flat_map(|task| BOTH.map(|start| (start, task))).filter_map(of).collect()
}

fn strange(view: &View<'_>) -> Vec<StrangeRecord> {
    let of = |(start, set): (Start, String)| {
        let runs: Vec<&Run> = view.found.strange.keys().filter(|run| run.start == start).collect();
        let mean = |certainty| {
            let each: Vec<Detected> =
                runs.iter().map(|run| view.told(run, &set, certainty, None)).collect::<Option<_>>()?;
            Detected::mean(&each)
        };
        let (maximum_probability, energy) = (mean(Certainty::MaximumProbability)?, mean(Certainty::Energy)?);
        let first = view.found.strange.get(runs.first().copied()?)?;
        let logits = &first.sets.iter().find(|(name, _)| *name == set)?.1;
        let classes = view.study.data.targets.first()?.table.classes.len();
        Some(StrangeRecord { start, set, images: logits.len() / classes.max(1), maximum_probability, energy })
    };
    let sets = view.strange_sets();
    BOTH.iter().flat_map(|start| sets.iter().map(move |set| (*start, set.clone()))).filter_map(of).collect()
}

fn certainty(view: &View<'_>) -> Vec<CertaintyRecord> {
    let of = |(start, tempered): (Start, bool)| {
        let temperature = if tempered { view.temperature(start)? } else { 1.0 };
        let figure = |figure: fn(&heirloom_transfer::calibration::Calibration) -> f64| {
            view.estimate(0, |seed, times| {
                let run = Run::new(0, start, Task::ALL, seed);
                Some(figure(&view.calibration(&run, temperature, times)?))
            })
        };
        let (deviation, log_loss) = (figure(|found| found.adaptive_error)?, figure(|found| found.log_loss)?);
        Some(CertaintyRecord { start, tempered, temperature, deviation, log_loss })
    };
    if view.study.options.part == super::Part::Value {
        return Vec::new();
    }
    BOTH.iter().flat_map(|start| [false, true].map(|tempered| (*start, tempered))).filter_map(of).collect()
}
