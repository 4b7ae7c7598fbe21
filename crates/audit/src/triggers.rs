//! The battery of known triggers: all of them on a few images, the strongest on others, each beside patches of the same shape with
//! other fills.
//!
//! ```text
//! screening images: success of every trigger, less that of the other fills of its shape -> the strongest
//! other images:     excess = mean over right answers of (broken by the trigger - mean over controls of broken by the control)
//! ```
//!
//! What hiding a part of the image does, and what a loud colour there does, is in the controls; the excess is what this very trigger
//! does. Its intervals hold for all reported triggers together (Bonferroni); those that were only screened take no part in them, since
//! no reported image was looked at for choosing.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use crate::shift::{Answers, Pull, pull};
use crate::{Attack, AuditError, Battery, Difference, Fill, Halves, Level, Patch, Subject, paired_difference};

/// Triggers of one shape that are reported on, at most.
const OF_ONE_SHAPE: usize = 2;
/// Pictures kept of a trigger.
const EXAMPLES: usize = 4;

/// A trigger on the screening images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Screened {
    /// What it is, in words.
    pub what: String,
    /// Its attack success rate there.
    pub success: f64,
    /// That less the mean of the other fills of its shape.
    pub excess: f64,
}

/// A control of a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// What it is, in words.
    pub what: String,
    /// Its attack success rate on the reported images.
    pub success: Share,
}

/// An image whose answer a change turned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turned {
    /// Where it is.
    pub image: String,
    /// Its class.
    pub label: usize,
    /// The answer to the changed image.
    pub answer: usize,
    /// Pixels as they are and changed, `[height, width, 3]` at the network's input size.
    #[serde(skip)]
    pub pixels: [Vec<u8>; 2],
}

/// A trigger on the reported images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecord {
    /// What it is, in words.
    pub what: String,
    /// The patch.
    #[serde(skip)]
    pub patch: Option<Patch>,
    /// The same as other commands take it (`pretrain --plant`), where it is an intervention of theirs.
    pub intervention: Option<String>,
    /// What it does.
    pub attack: Attack,
    /// Patches of the same shape with other fills.
    pub controls: Vec<Control>,
    /// Its attack success rate less the mean of its controls, on the same images.
    pub excess: Difference,
    /// The same less the strongest of its controls.
    pub over_strongest: Difference,
    /// The class it pulls towards, chosen on the screening images.
    pub pull: Option<Pull>,
    /// The excess of the same trigger on each reference.
    pub references: Vec<Difference>,
    /// The excess less the largest of the references.
    pub over_references: Option<Difference>,
    /// Images it turned.
    pub examples: Vec<Turned>,
}

/// What the battery found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerMeasures {
    /// Every trigger on the screening images, the largest excess first.
    pub screened: Vec<Screened>,
    /// The strongest of them on the reported images, the largest excess first.
    pub reported: Vec<TriggerRecord>,
    /// What the intervals are adjusted for.
    pub level: Level,
}

/// A trigger with what it did on the screening images.
struct Candidate {
    patch: Patch,
    answers: Vec<usize>,
    success: f64,
    excess: f64,
}

/// Runs the battery; `references` are shown the same reported triggers.
///
/// # Errors
/// A model that cannot answer, one without a right answer, or the flag to stop.
pub fn triggers(
    subject: &Subject<'_>,
    battery: &Battery,
    halves: &Halves,
    references: &[Subject<'_>],
) -> Result<TriggerMeasures, AuditError> {
    for images in [&halves.screening, &halves.reported] {
        if !images.iter().any(|image| subject.is_right(*image)) {
            return Err(AuditError::NothingRight { images: images.len() });
        }
    }
    let candidates = screen(subject, battery, halves)?;
    let chosen = strongest(&candidates, battery.confirmed);
    let level = Level::of(chosen.len());
    let judge = Judge { subject, halves, level };
    let mut reported = chosen.iter().map(|one| judge.record(one)).collect::<Result<Vec<_>, _>>()?;
    for reference in references {
        let judge = Judge { subject: reference, halves, level };
        for (record, candidate) in reported.iter_mut().zip(&chosen) {
            let (excess, _) = judge.excess(&candidate.patch, &judge.answers(&candidate.patch)?)?;
            record.references.push(excess.mean);
        }
    }
    reported.iter_mut().for_each(|record| record.over_references = over_references(record));
    reported.sort_by(|a, b| b.excess.value.total_cmp(&a.excess.value));
    let screened =
        candidates.iter().map(|one| Screened { what: one.patch.describe(), success: one.success, excess: one.excess });
    Ok(TriggerMeasures { screened: screened.collect(), reported, level })
}

/// Every trigger on the screening images, the largest excess first.
fn screen(subject: &Subject<'_>, battery: &Battery, halves: &Halves) -> Result<Vec<Candidate>, AuditError> {
    let images = &halves.screening;
    let success = |answers: &[usize]| mean(&subject.broken(images, answers));
    let mut candidates = Vec::with_capacity(battery.triggers.len());
    for patch in &battery.triggers {
        let answers = subject.patched(images, patch)?;
        candidates.push(Candidate { patch: *patch, success: success(&answers), excess: 0.0, answers });
    }
    for at in 0..candidates.len() {
        let one = &candidates[at];
        let others =
            candidates.iter().enumerate().filter(|(place, other)| *place != at && other.patch.shape == one.patch.shape);
        let others: Vec<f64> = others.map(|(_, other)| other.success).collect();
        let beside = match (one.patch.fill, others.is_empty()) {
            (Fill::FixedNoise { scale }, true) => {
                let fresh = Patch { shape: one.patch.shape, fill: Fill::FreshNoise { scale, draw: 0 } };
                success(&subject.patched(images, &fresh)?)
            }
            _ => mean(&others),
        };
        candidates[at].excess = candidates[at].success - beside;
    }
    candidates.sort_by(|a, b| b.excess.total_cmp(&a.excess));
    Ok(candidates)
}

/// The first candidates, a few of each shape.
fn strongest(candidates: &[Candidate], count: usize) -> Vec<&Candidate> {
    let mut chosen: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        let alike = chosen.iter().filter(|one| one.patch.shape == candidate.patch.shape).count();
        if chosen.len() < count && alike < OF_ONE_SHAPE {
            chosen.push(candidate);
        }
    }
    chosen
}

/// Judges single triggers on the reported images.
struct Judge<'a, 'b> {
    subject: &'a Subject<'b>,
    halves: &'a Halves,
    level: Level,
}

/// A trigger's success less that of its controls.
struct Excess {
    mean: Difference,
    strongest: Difference,
}

impl Judge<'_, '_> {
    fn answers(&self, patch: &Patch) -> Result<Vec<usize>, AuditError> {
        self.subject.patched(&self.halves.reported, patch)
    }

    fn record(&self, candidate: &Candidate) -> Result<TriggerRecord, AuditError> {
        let (subject, images) = (self.subject, &self.halves.reported);
        let answers = self.answers(&candidate.patch)?;
        let (excess, controls) = self.excess(&candidate.patch, &answers)?;
        let clean = |images: &[usize]| subject.of(&subject.clean, images);
        let (looked, judged) = (clean(&self.halves.screening), clean(images));
        let pulled = pull(
            Answers { clean: &looked, triggered: &candidate.answers },
            Answers { clean: &judged, triggered: &answers },
            subject.classes().len(),
            self.level,
            subject.seed,
        )?;
        Ok(TriggerRecord {
            what: candidate.patch.describe(),
            patch: Some(candidate.patch),
            intervention: candidate.patch.intervention().map(|intervention| intervention.to_string()),
            attack: subject.attack(images, &answers)?,
            controls,
            excess: excess.mean,
            over_strongest: excess.strongest,
            pull: pulled,
            references: Vec::new(),
            over_references: None,
            examples: self.examples(&candidate.patch, &answers)?,
        })
    }

    /// What a trigger does beyond its controls, and what those do.
    fn excess(&self, patch: &Patch, answers: &[usize]) -> Result<(Excess, Vec<Control>), AuditError> {
        let (subject, images) = (self.subject, &self.halves.reported);
        let broken = subject.broken(images, answers);
        let mut controls: Vec<(String, Vec<f64>)> = Vec::new();
        for control in Battery::controls(patch) {
            let one = subject.broken(images, &self.answers(&control)?);
            controls.push((control.describe(), one));
        }
        let count = controls.len().max(1) as f64;
        let beside: Vec<f64> =
            (0..broken.len()).map(|at| controls.iter().map(|control| control.1[at]).sum::<f64>() / count).collect();
        let strongest = controls.iter().map(|control| &control.1).max_by(|a, b| mean(a).total_cmp(&mean(b)));
        let excess =
            Excess { mean: self.less(&broken, &beside), strongest: self.less(&broken, strongest.unwrap_or(&beside)) };
        let share = |broken: &[f64]| Share::rate(mean(broken), broken.len());
        let controls = controls.iter().map(|(what, broken)| Control { what: what.clone(), success: share(broken) });
        Ok((excess, controls.collect()))
    }

    fn less(&self, first: &[f64], second: &[f64]) -> Difference {
        let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
        // Without a right answer nothing is known.
        let nothing = Difference { value: 0.0, low: -1.0, high: 1.0 };
        paired_difference(&differences, self.level, self.subject.seed).unwrap_or(nothing)
    }

    /// Images that were right and are not, of different classes first.
    fn examples(&self, patch: &Patch, answers: &[usize]) -> Result<Vec<Turned>, AuditError> {
        let prepared = patch.prepare(self.subject.images.preprocess().input_size, self.subject.seed)?;
        Ok(turned(self.subject, &self.halves.reported, answers, EXAMPLES, &|image, pixels| {
            prepared.apply(image, pixels)
        }))
    }
}

/// Images that are answered right as they are and otherwise when changed, of different classes first.
pub(crate) fn turned(
    subject: &Subject<'_>,
    images: &[usize],
    answers: &[usize],
    count: usize,
    change: &dyn Fn(usize, &mut [u8]),
) -> Vec<Turned> {
    let mut seen = vec![0_usize; subject.classes().len()];
    let mut ranked = Vec::new();
    for (image, answer) in images.iter().zip(answers) {
        let label = subject.labels[*image];
        if subject.is_right(*image) && *answer != label {
            seen[label] += 1;
            ranked.push((seen[label], *image, *answer));
        }
    }
    ranked.sort_unstable();
    let example = |(_, image, answer): (usize, usize, usize)| {
        let plain = subject.images.pixels(image).to_vec();
        let mut changed = plain.clone();
        change(image, &mut changed);
        let locator = heirloom_transfer::extract::Images::locator(subject.images, image);
        Turned { image: locator, label: subject.labels[image], answer, pixels: [plain, changed] }
    };
    ranked.into_iter().take(count).map(example).collect()
}

/// The excess less the largest of the references, with the interval of a difference of two figures measured apart.
fn over_references(record: &TriggerRecord) -> Option<Difference> {
    let largest = record.references.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
    let value = record.excess.value - largest.value;
    let down = (record.excess.value - record.excess.low).hypot(largest.high - largest.value);
    let up = (record.excess.high - record.excess.value).hypot(largest.value - largest.low);
    Some(Difference { value, low: value - down, high: value + up })
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
