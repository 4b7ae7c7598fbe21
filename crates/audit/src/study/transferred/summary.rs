//! From what was found to the record.

mod pairs;
mod parts;

use super::checkpoints::Checkpoints;
use super::claims::claims;
use super::draws::Draw;
use super::found::Found;
use super::record::{BlockRecord, StartRecord, TargetNote, TransferredStudy};
use super::view::{Runs, View};
use super::{Family, Start, Study, StudyError, Training};
use crate::study::Estimate;

/// The record of the study.
pub(super) fn summary(
    study: &Study<'_>,
    found: &Found,
    unfinished: Vec<String>,
) -> Result<TransferredStudy, StudyError> {
    let view = View::new(study, found);
    let source = study.source_curve()?;
    Ok(TransferredStudy {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        targets: targets(study),
        claims: claims(&view),
        starts: starts(&view),
        blocks: blocks(&view),
        pairs: pairs::pairs(&view),
        modules: parts::modules(&view),
        critical: parts::critical(&view),
        checkpoints: Checkpoints::of(&view).records(source.as_deref()),
        unfinished,
    })
}

fn targets(study: &Study<'_>) -> Vec<TargetNote> {
    let note = |set: &super::Set| {
        let [train, test] = set.split();
        let counts = [train.len(), test.len(), set.table.classes.len()];
        TargetNote { name: set.name.clone(), about: set.about.clone(), counts }
    };
    study.data.targets.iter().map(note).collect()
}

impl View<'_> {
    /// Name of a target.
    pub fn name(&self, target: usize) -> String {
        self.study.data.targets.get(target).map_or_else(String::new, |set| set.name.clone())
    }

    /// Every architecture with every target.
    pub fn places(&self) -> Vec<(Family, usize)> {
        let targets = self.study.data.targets.len();
        Family::ALL.into_iter().flat_map(|family| (0..targets).map(move |target| (family, target))).collect()
    }

    /// A figure with its interval.
    pub fn estimate(&self, measure: impl Fn(Draw<'_>) -> Option<f64> + Sync) -> Option<Estimate> {
        self.resampling.series(measure).map(|series| series.estimate())
    }
}

fn starts(view: &View<'_>) -> Vec<StartRecord> {
    let of = |(family, target): (Family, usize)| {
        [Start::SOURCE, Start::RANDOM, Start::SAME].map(|start| started(view, family, start, target))
    };
    view.places().into_iter().flat_map(of).flatten().collect()
}

fn started(view: &View<'_>, family: Family, start: Start, target: usize) -> Option<StartRecord> {
    let runs = view.runs(family, start, target, |training| training == Training::All);
    let (_, first) = runs.first()?;
    let two = first.logits.len() == 2 * first.labels.len();
    Some(StartRecord {
        family,
        target: view.name(target),
        start,
        replicas: runs.len(),
        rate: first.rate,
        accuracy: view.estimate(|draw| view.accuracy(draw, &runs))?,
        area: if two { view.estimate(|draw| view.score(draw, &runs)) } else { None },
        learned: runs.iter().map(|(_, trained)| trained.learned.clone()).collect(),
        judged: runs.iter().map(|(_, trained)| trained.judged.clone()).collect(),
    })
}

fn blocks(view: &View<'_>) -> Vec<BlockRecord> {
    let sides: Vec<Option<usize>> =
        std::iter::once(None).chain(view.study.options.sides.iter().copied().map(Some)).collect();
    let of = |(family, target): (Family, usize)| {
        sides.iter().filter_map(move |side| shuffled(view, family, target, *side)).collect::<Vec<BlockRecord>>()
    };
    view.places().into_iter().flat_map(of).collect()
}

fn shuffled(view: &View<'_>, family: Family, target: usize, side: Option<usize>) -> Option<BlockRecord> {
    let runs = [Start::SOURCE, Start::RANDOM].map(|start| view.plain(family, start, target, side));
    let [source, random] = &runs;
    let score = |runs: &Runs<'_>| view.estimate(|draw| view.score(draw, runs));
    let speed = |runs: &Runs<'_>| view.estimate(|draw| view.speed(draw, runs));
    Some(BlockRecord {
        family,
        target: view.name(target),
        side,
        orders: source.len().min(random.len()),
        scores: [score(source)?, score(random)?],
        relative_difference: view.estimate(|draw| {
            super::measures::relative_difference(view.score(draw, source)?, view.score(draw, random)?)
        }),
        speeds: [speed(source)?, speed(random)?],
    })
}
