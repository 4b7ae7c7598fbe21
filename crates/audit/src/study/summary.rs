//! From cells to records: the measure of every probe, less the twin's, on each target and on their mean.

use super::cell::{Cell, Found};
use super::claims::claims;
use super::measure::{Measure, Tally};
use super::own::OwnRecord;
use super::probe::probes;
use super::record::{ArmRecord, BiasStudy, Known, Measured, SourceRecord, TargetRecord};
use super::resampling::Resampling;
use super::stage::Stage;
use super::{Arm, Origin, Regime, Study};

/// The record of the study.
pub(super) fn summary(
    study: &Study<'_>,
    stages: &[Stage],
    found: &Found,
    sources: Vec<OwnRecord>,
    known: Vec<Known>,
    unfinished: Vec<String>,
) -> BiasStudy {
    let tally = Tally { found, seed: study.options.seed };
    let mut arms: Vec<ArmRecord> = Vec::new();
    for stage in stages {
        for arm in &stage.arms {
            if !arms.iter().any(|record| record.arm == *arm) {
                arms.extend(record(study, &tally, stages, stage, arm));
            }
        }
    }
    let claims = claims(study, &tally, &known);
    BiasStudy {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        claims,
        arms,
        sources: own_sources(&sources),
        known,
        unfinished,
    }
}

/// Names of the targets of an arm's stage.
fn names(study: &Study<'_>, origin: Origin, targets: usize) -> Vec<String> {
    let data = study.data;
    match origin {
        Origin::Planted { .. } | Origin::Nothing { stock: false } => {
            data.targets.iter().take(targets).map(|target| target.name.clone()).collect()
        }
        Origin::Chosen { .. } => vec![format!("{} or {}", data.against, data.class)],
        Origin::Cue { .. } => data.cue.iter().map(super::Cue::target_name).collect(),
        Origin::Stock | Origin::Nothing { stock: true } => {
            data.natural.iter().map(|natural| natural.name.clone()).collect()
        }
    }
}

fn record(study: &Study<'_>, tally: &Tally<'_>, stages: &[Stage], stage: &Stage, arm: &Arm) -> Option<ArmRecord> {
    // An arm that occurs in several stages is told with the most seeds and targets it has.
    let of_arm = || stages.iter().filter(|other| other.arms.contains(arm));
    let targets = of_arm().map(|stage| stage.targets).max().unwrap_or(stage.targets);
    let most = of_arm().map(|stage| stage.seeds).max().unwrap_or(stage.seeds);
    let twin = arm.twin();
    let partners: Vec<&Arm> = std::iter::once(arm).chain(&twin).collect();
    let targets = (1..=targets).rev().find(|targets| !tally.complete(&partners, *targets, most).is_empty())?;
    let seeds = tally.complete(&partners, targets, most);
    let probes = probes(study.data, arm.origin).into_iter().map(|probe| probe.name).collect();
    let judge = Judge { tally, arm, twin: twin.as_ref(), scratch: scratch_of(arm), seeds: &seeds, probes };
    let all: Vec<usize> = (0..targets).collect();
    let names = names(study, arm.origin, targets);
    Some(ArmRecord {
        part: stage.part,
        arm: arm.clone(),
        words: arm.in_words(),
        measure: Measure::of(arm.origin).name().to_owned(),
        seeds: seeds.len(),
        targets: all.iter().zip(names).map(|(target, name)| judge.target(*target, name)).collect(),
        mean: judge.measured(&all),
        incomplete: judge.incomplete(&all),
    })
}

/// The arm from scratch that belongs to an arm; the lopsided source has none, its twin is the control.
fn scratch_of(arm: &Arm) -> Option<Arm> {
    let stock = match arm.origin {
        Origin::Planted { .. } => false,
        Origin::Stock => true,
        Origin::Chosen { .. } | Origin::Cue { .. } | Origin::Nothing { .. } => return None,
    };
    Some(Arm::new(Origin::Nothing { stock }, Regime::Scratch))
}

/// An arm with its partners, judged on some seeds.
struct Judge<'a> {
    tally: &'a Tally<'a>,
    arm: &'a Arm,
    twin: Option<&'a Arm>,
    scratch: Option<Arm>,
    seeds: &'a [usize],
    probes: Vec<String>,
}

impl Judge<'_> {
    /// Every probe over some targets.
    fn measured(&self, targets: &[usize]) -> Vec<Measured> {
        let resampling = self.tally.resampling(self.arm, targets, self.seeds);
        let of_probe = |(probe, name): (usize, &String)| self.probe(&resampling, probe, name, targets);
        self.probes.iter().enumerate().filter_map(of_probe).collect()
    }

    fn probe(&self, resampling: &Resampling, probe: usize, name: &str, targets: &[usize]) -> Option<Measured> {
        let series = |arm: &Arm| self.tally.series(resampling, arm, probe, targets, self.seeds);
        let (own, other) = (series(self.arm)?, self.twin.and_then(series));
        Some(Measured {
            probe: name.to_owned(),
            value: own.estimate(),
            twin: other.as_ref().map(|other| other.estimate().value),
            beyond_twin: other.as_ref().map(|other| own.less(other).estimate()),
            scratch: self.without_source(probe, targets),
        })
    }

    /// The mean over targets of the model from scratch with the first seed; `None` where one is missing.
    fn without_source(&self, probe: usize, targets: &[usize]) -> Option<f64> {
        let scratch = self.scratch.as_ref()?;
        let of =
            |target: &usize| Measure::of(self.arm.origin).take(self.tally.found.get(scratch, 0, *target)?, probe, None);
        let values = targets.iter().map(of).collect::<Option<Vec<f64>>>()?;
        Some(values.iter().sum::<f64>() / values.len().max(1) as f64)
    }

    fn target(&self, target: usize, name: String) -> TargetRecord {
        let images = self.tally.found.get(self.arm, self.seeds.first().copied().unwrap_or(0), target);
        let images = images.map_or(0, |cell| cell.labels.len());
        let right = |arm: &Arm| {
            let cells: Vec<&Cell> =
                self.seeds.iter().filter_map(|seed| self.tally.found.get(arm, *seed, target)).collect();
            let right =
                |cell: &&Cell| cell.clean.iter().zip(&cell.labels).filter(|(answer, label)| answer == label).count();
            cells.iter().map(right).sum::<usize>() as f64 / cells.len().max(1) as f64
        };
        TargetRecord {
            target: name,
            images,
            right: right(self.arm),
            accuracy: right(self.arm) / images.max(1) as f64,
            twin_accuracy: self.twin.map(|twin| right(twin) / images.max(1) as f64),
            probes: self.measured(&[target]),
        }
    }

    /// The partners that are missing; an arm whose twin is missing is not recorded at all.
    fn incomplete(&self, targets: &[usize]) -> Vec<String> {
        let is_missing =
            |scratch: &Arm| targets.iter().any(|target| self.tally.found.get(scratch, 0, *target).is_none());
        let missing = self.scratch.as_ref().is_some_and(is_missing);
        missing.then(|| "no model from scratch on every target".to_owned()).into_iter().collect()
    }
}

/// Sources of one origin together.
fn own_sources(sources: &[OwnRecord]) -> Vec<SourceRecord> {
    let mut origins: Vec<Origin> = Vec::new();
    for source in sources {
        if !origins.contains(&source.origin) {
            origins.push(source.origin);
        }
    }
    let of = |origin: Origin| sources.iter().filter(move |source| source.origin == origin);
    let mean = |origin: Origin, value: &dyn Fn(&OwnRecord) -> f64| {
        of(origin).map(value).sum::<f64>() / of(origin).count().max(1) as f64
    };
    let record = |origin: &Origin| {
        let accuracy = mean(*origin, &|source| source.accuracy.value);
        let twin = origin.twin().filter(|twin| origins.contains(twin));
        SourceRecord {
            origin: *origin,
            words: Arm::source_in_words(*origin),
            seeds: of(*origin).count(),
            accuracy,
            below_twin: twin.map(|twin| 100.0 * (mean(twin, &|source| source.accuracy.value) - accuracy)),
            drawn_clean: mean(*origin, &|source| source.drawn[0].value),
            drawn: mean(*origin, &|source| source.drawn[1].value),
        }
    };
    origins.iter().map(record).collect()
}
