//! How far a model's answers and its certainty can be trusted (`spec/robustness.md` section 8): calibration, telling its own mistakes,
//! images that belong to no class, worse images, and the smallest changes that break answers; each beside what chance does.
//!
//! ```text
//! judged images -> logits -> calibration, mistakes told by certainty, accuracy over coverage
//! drawn images, other images -> four scores -> told from the judged ones?
//! some judged images -> common corruptions at five severities -> accuracy
//! some judged images -> gradients by the pixels -> accuracy under attack, beside noise of the same size
//! ```

mod adversarial;
mod attacked;
mod corrupted;
mod outliers;
mod ranked;
mod scores;

use heirloom_data::augment::{Draws, Key};
use heirloom_data::corruption::CommonCorruption;
use heirloom_engine::Isa;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::calibration::{Answer, Calibration};
use heirloom_transfer::fit::Share;
use heirloom_transfer::gradient::Differentiable;
use heirloom_transfer::heads::probabilities;
use heirloom_transfer::predictor::Predictor;
use serde::{Deserialize, Serialize};

pub use adversarial::{Attacker, Slope};
pub use attacked::under_attack;
pub use corrupted::{CorruptedRecord, CorruptionRecord};
pub use outliers::Outliers;
pub use ranked::Detected;
pub use scores::Score;

use crate::{AuditError, AuditWatch, ChangedImages, PreparedImages, balanced};
use scores::{Familiar, Said};

/// One such image for so many judged ones, and draws of them.
const BASE: usize = 5;
const DRAWS: usize = 5;
/// Steps of the curve of accuracy over coverage.
const COVERAGE: usize = 10;
/// Largest changes that are tried, in steps of a 256th, and steps of the search.
const EPSILONS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
const STEPS: usize = 20;

/// What the model is shown.
#[derive(Clone, Copy)]
pub struct RobustnessInput<'a> {
    /// The model.
    pub model: &'a Predictor,
    /// Judged images and the class of each.
    pub judged: (&'a PreparedImages, &'a [usize]),
    /// Training images and the class of each; none of them is judged.
    pub train: Option<(&'a PreparedImages, &'a [usize])>,
    /// Images that belong to no class, by name.
    pub others: &'a [(String, PreparedImages)],
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RobustnessOptions {
    /// Images that are attacked.
    pub attacked: usize,
    /// Images that are corrupted.
    pub corrupted: usize,
    /// Fixes what is drawn.
    pub seed: u64,
    /// Which kernels to use.
    pub isa: Isa,
}

/// Accuracy on the share of images that the model is surest of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The share.
    pub share: f64,
    /// Accuracy on them.
    pub accuracy: Share,
}

/// Images that belong to no class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlierRecord {
    /// What they are.
    pub set: String,
    /// Images of a draw, one for five judged ones where there are as many; and draws.
    pub images: [usize; 2],
    /// How well each score tells them from the judged images, mean over draws.
    pub scores: Vec<(Score, Detected)>,
}

/// Accuracy under attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdversarialRecord {
    /// Most that a value may change, as a share of the range from black to white.
    pub epsilon: f64,
    /// Accuracy with changes that were searched for.
    pub accuracy: Share,
    /// The control: accuracy with every value changed as much, up or down by chance.
    pub by_chance: Share,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustnessRecord {
    /// Judged images.
    pub images: usize,
    /// Calibration of what the model says.
    pub calibration: Calibration,
    /// The same without its temperature.
    pub without_temperature: Calibration,
    /// How well each score tells its mistakes from its right answers; empty where it makes none, or nothing else.
    pub mistakes: Vec<(Score, Detected)>,
    /// From the images it is surest of to all.
    pub coverage: Vec<Coverage>,
    /// Images that belong to no class.
    pub outliers: Vec<OutlierRecord>,
    /// Accuracy under common corruptions.
    pub corruptions: CorruptionRecord,
    /// Accuracy under attack, as it is first.
    pub adversarial: Vec<AdversarialRecord>,
    /// Why there was no attack.
    pub not_attacked: Option<String>,
}

/// Images that [`robustness`] shows the model at most; a step of an attack counts three times.
#[must_use]
pub fn shown(input: &RobustnessInput<'_>, options: &RobustnessOptions) -> usize {
    let judged = input.judged.1.len();
    let others: usize = input.others.iter().map(|(_, images)| images.table_rows().len()).sum();
    let train = input.train.map_or(0, |(_, labels)| labels.len());
    let attacked = options.attacked.min(judged) * EPSILONS.len() * (3 * (STEPS + 1) + 2);
    let corrupted = options.corrupted.min(judged) * (1 + CommonCorruption::ALL.len() * CommonCorruption::SEVERITIES);
    judged + train + others + corrupted + Outliers::ALL.len() * judged + attacked
}

/// Asks the model.
///
/// # Errors
/// A model that cannot answer, or the flag to stop.
pub fn robustness(
    input: &RobustnessInput<'_>,
    options: &RobustnessOptions,
    watch: AuditWatch<'_>,
) -> Result<RobustnessRecord, AuditError> {
    let asked = Asked { input, options, watch };
    let familiar = asked.familiar()?;
    let judged = asked.said(input.judged.0, input.judged.1.len(), familiar.as_ref(), &|_, _| {})?;
    let (labels, classes) = (input.judged.1, input.model.artifact().classes.len().max(1));
    let answers = |probabilities: &[f32]| -> Vec<Answer> {
        probabilities.chunks(classes).zip(labels).map(|(row, label)| Answer::of(row, *label)).collect()
    };
    let own = answers(&judged.probabilities);
    let right: Vec<bool> = own.iter().map(|answer| answer.right).collect();
    let mut outliers = Vec::new();
    for kind in Outliers::ALL {
        outliers.push(asked.drawn(kind, &judged, familiar.as_ref())?);
    }
    for (name, images) in input.others {
        outliers.push(asked.other(name, images, &judged, familiar.as_ref())?);
    }
    let corruptions = asked.corrupted()?;
    let attacked = asked.attacked()?;
    Ok(RobustnessRecord {
        images: labels.len(),
        calibration: Calibration::of(&own),
        without_temperature: Calibration::of(&answers(&probabilities(&judged.logits, classes, 1.0))),
        mistakes: judged.scores.iter().filter_map(|(score, values)| Some((*score, told(values, &right)?))).collect(),
        coverage: coverage(&own),
        outliers: outliers.into_iter().flatten().collect(),
        corruptions,
        not_attacked: attacked.as_ref().err().cloned(),
        adversarial: attacked.unwrap_or_default(),
    })
}

/// How well a score tells wrong answers from right ones.
fn told(values: &[f64], right: &[bool]) -> Option<Detected> {
    let of = |wanted: bool| {
        let pairs = values.iter().zip(right).filter(|(_, right)| **right == wanted);
        pairs.map(|(value, _)| *value).collect::<Vec<f64>>()
    };
    Detected::of(&of(false), &of(true))
}

/// Accuracy on the surest images; of equally sure ones the first are taken.
fn coverage(answers: &[Answer]) -> Vec<Coverage> {
    let mut order: Vec<usize> = (0..answers.len()).collect();
    order.sort_by(|left, right| answers[*right].confidence.total_cmp(&answers[*left].confidence));
    let of = |step: usize| {
        let share = step as f64 / COVERAGE as f64;
        let some = &order[..(share * order.len() as f64).round() as usize];
        let right = some.iter().filter(|image| answers[**image].right).count();
        Coverage { share, accuracy: Share::of(right, some.len()) }
    };
    (1..=COVERAGE).map(of).filter(|one| one.accuracy.n > 0).collect()
}

/// The model with everything it is asked.
struct Asked<'a> {
    input: &'a RobustnessInput<'a>,
    options: &'a RobustnessOptions,
    watch: AuditWatch<'a>,
}

impl Asked<'_> {
    fn familiar(&self) -> Result<Option<Familiar>, AuditError> {
        let Some((images, labels)) = self.input.train.filter(|(_, labels)| !labels.is_empty()) else { return Ok(None) };
        let rows: Vec<usize> = (0..labels.len()).collect();
        let shown = |more: usize| self.watch.shown.iter().for_each(|shown| shown(more));
        let unchanged = ChangedImages { images, change: &|_, _| {}, shown: &shown };
        let extracted = self.input.model.features(&unchanged, &rows, self.watch.cancel)?;
        let labels: Vec<usize> = extracted.rows.iter().map(|row| labels[*row]).collect();
        Ok(Some(Familiar::of(&extracted.features, &labels, self.input.model.artifact().classes.len())))
    }

    /// What the model says of the first `count` images, changed by `change`.
    fn said(
        &self,
        images: &PreparedImages,
        count: usize,
        familiar: Option<&Familiar>,
        change: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) -> Result<Said, AuditError> {
        let rows: Vec<usize> = (0..count).collect();
        let shown = |more: usize| self.watch.shown.iter().for_each(|shown| shown(more));
        let changed = ChangedImages { images, change, shown: &shown };
        let extracted = self.input.model.features(&changed, &rows, self.watch.cancel)?;
        let head = &self.input.model.artifact().head;
        Ok(Said::of(head, &extracted.features, extracted.rows.len(), familiar)?)
    }

    /// Drawn images of a kind, as many draws as there are judged images for.
    fn drawn(
        &self,
        kind: Outliers,
        judged: &Said,
        familiar: Option<&Familiar>,
    ) -> Result<Option<OutlierRecord>, AuditError> {
        let (images, labels) = self.input.judged;
        let (each, size) = (labels.len() / BASE, images.preprocess().input_size);
        let draw = |image: usize, pixels: &mut [u8]| kind.draw(size, image, self.options.seed, pixels);
        let said = self.said(images, each * DRAWS, familiar, &draw)?;
        let parts: Vec<Vec<usize>> = (0..DRAWS).map(|draw| (draw * each..(draw + 1) * each).collect()).collect();
        Ok(compared(kind.name(), &parts, &said, judged))
    }

    /// Other images, drawn from again and again.
    fn other(
        &self,
        name: &str,
        images: &PreparedImages,
        judged: &Said,
        familiar: Option<&Familiar>,
    ) -> Result<Option<OutlierRecord>, AuditError> {
        let count = images.table_rows().len();
        let said = self.said(images, count, familiar, &|_, _| {})?;
        let each = (self.input.judged.1.len() / BASE).min(count);
        let part = |number: usize| {
            let mut draws = Draws::of_image(Key { seed: self.options.seed, epoch: number as u64, row: count });
            let mut all: Vec<usize> = (0..count).collect();
            (0..each).for_each(|at| all.swap(at, at + draws.below(count - at)));
            all.truncate(each);
            all
        };
        Ok(compared(name, &(0..DRAWS).map(part).collect::<Vec<_>>(), &said, judged))
    }

    /// Accuracy under attack, or why there is none.
    fn attacked(&self) -> Result<Result<Vec<AdversarialRecord>, String>, AuditError> {
        let model: &Artifact = self.input.model.artifact();
        let mut model = match Differentiable::new(model, self.options.isa) {
            Ok(model) => model,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let judged = self.input.judged;
        let chosen = balanced(judged.1, self.options.attacked, self.options.seed);
        let mut records = Vec::new();
        for epsilon in EPSILONS.map(|steps| steps / 255.0) {
            let attacker = Attacker { epsilon, steps: STEPS, seed: self.options.seed };
            let found = match under_attack(&mut model, judged, &chosen, &attacker, self.watch) {
                Err(AuditError::Gradient(why)) => return Ok(Err(why.to_string())),
                other => other?,
            };
            let share =
                |side: usize| Share::of(found.iter().filter(|answer: &&[bool; 2]| answer[side]).count(), chosen.len());
            records.push(AdversarialRecord { epsilon, accuracy: share(0), by_chance: share(1) });
        }
        Ok(Ok(records))
    }
}

/// Scores of some images beside those of the judged ones, mean over the parts.
fn compared(name: &str, parts: &[Vec<usize>], said: &Said, judged: &Said) -> Option<OutlierRecord> {
    let one = |(score, values): &(Score, Vec<f64>)| {
        let (_, own) = judged.scores.iter().find(|(other, _)| other == score)?;
        let of_part = |part: &Vec<usize>| {
            let some = part.iter().map(|image| values.get(*image).copied()).collect::<Option<Vec<f64>>>()?;
            Detected::of(&some, own)
        };
        Some((*score, Detected::mean(&parts.iter().map(of_part).collect::<Option<Vec<Detected>>>()?)?))
    };
    let scores: Vec<(Score, Detected)> = said.scores.iter().filter_map(one).collect();
    let images = [parts.first().map_or(0, Vec::len), parts.len()];
    (!scores.is_empty()).then(|| OutlierRecord { set: name.to_owned(), images, scores })
}

#[cfg(test)]
mod tests;
