//! What a model still depends on: answers to the judged images as they are, with the trigger, and with its controls.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use super::{Remedy, RemedyError, RemedyInput, RemedyRecord};
use crate::triggers::mean;
use crate::{Battery, Difference, GroupMeasures, Grouped, Level, Patch, Subject, paired_difference};

/// What a trigger still does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerLeft {
    /// Of the right answers, the share that it breaks; `None` where none is right.
    pub success: Option<Share>,
    /// The mean of its controls.
    pub control: f64,
    /// The first less the second, on the same images.
    pub excess: Difference,
}

/// How groups are answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupsLeft {
    /// Accuracy of the worst cell of class and group that has enough images.
    pub worst: Option<Share>,
    /// The largest difference of accuracy between two groups.
    pub gap: Option<Difference>,
}

/// Answers to the judged images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answers {
    pub clean: Vec<usize>,
    pub triggered: Vec<usize>,
    pub controls: Vec<Vec<usize>>,
}

/// The judged images with what is put on them.
pub(super) struct Judged<'a> {
    pub images: &'a [usize],
    pub labels: Vec<usize>,
    pub trigger: Option<Patch>,
    pub controls: Vec<Patch>,
    groups: Option<(Vec<usize>, usize)>,
    classes: usize,
    seed: u64,
}

impl<'a> Judged<'a> {
    pub fn new(input: &RemedyInput<'a>) -> Self {
        let of = |list: &[usize]| input.judged.iter().map(|image| list[*image]).collect::<Vec<usize>>();
        Self {
            images: input.judged,
            labels: of(input.subject.labels),
            trigger: input.trigger,
            controls: input.trigger.map(|trigger| Battery::controls(&trigger)).unwrap_or_default(),
            groups: input.groups.map(|groups| (of(&groups.of_image), groups.values.len())),
            classes: input.subject.classes().len(),
            seed: input.subject.seed,
        }
    }

    /// Answers of a model to the same images; `subject` holds all judged images in the order of the audit.
    pub fn of_model(&self, subject: &Subject<'_>) -> Result<Answers, RemedyError> {
        let clean = self.images.iter().map(|image| subject.clean[*image]).collect();
        let triggered = self.trigger.map(|trigger| subject.patched(self.images, &trigger)).transpose()?;
        let controls = self.controls.iter().map(|control| subject.patched(self.images, control));
        Ok(Answers { clean, triggered: triggered.unwrap_or_default(), controls: controls.collect::<Result<_, _>>()? })
    }

    pub fn record(
        &self,
        remedy: Option<Remedy>,
        setting: String,
        before: &Answers,
        after: &Answers,
        seconds: f64,
        images: usize,
    ) -> RemedyRecord {
        let right = |answers: &Answers| -> Vec<f64> {
            answers.clean.iter().zip(&self.labels).map(|(answer, label)| f64::from(u8::from(answer == label))).collect()
        };
        let change: Vec<f64> = right(after).iter().zip(right(before)).map(|(after, before)| after - before).collect();
        let count = right(after).iter().filter(|right| **right > 0.0).count();
        RemedyRecord {
            remedy,
            setting,
            accuracy: Share::of(count, self.labels.len()),
            accuracy_change: self.difference(&change),
            trigger: self.trigger.map(|_| self.trigger_left(after)),
            groups: self.groups_left(after),
            seconds,
            images,
        }
    }

    fn trigger_left(&self, answers: &Answers) -> TriggerLeft {
        let broken = |changed: &[usize]| -> Vec<f64> {
            let all = answers.clean.iter().zip(changed).zip(&self.labels);
            all.filter(|((clean, _), label)| clean == label)
                .map(|((_, changed), label)| f64::from(u8::from(changed != label)))
                .collect()
        };
        let triggered = broken(&answers.triggered);
        let controls: Vec<Vec<f64>> = answers.controls.iter().map(|control| broken(control)).collect();
        let count = controls.len().max(1) as f64;
        let beside = |at: usize| controls.iter().map(|control| control[at]).sum::<f64>() / count;
        let excess: Vec<f64> = triggered.iter().enumerate().map(|(at, broken)| broken - beside(at)).collect();
        TriggerLeft {
            success: (!triggered.is_empty()).then(|| Share::rate(mean(&triggered), triggered.len())),
            control: mean(&controls.iter().map(|control| mean(control)).collect::<Vec<_>>()),
            excess: self.difference(&excess),
        }
    }

    fn groups_left(&self, answers: &Answers) -> Option<GroupsLeft> {
        let (groups, count) = self.groups.as_ref()?;
        let grouped =
            Grouped { labels: &self.labels, answers: &answers.clean, groups, classes: self.classes, count: *count };
        // Lists of the same images have the same length.
        let measures = GroupMeasures::of(grouped).ok()?;
        Some(GroupsLeft { worst: measures.worst.map(|cell| cell.right), gap: measures.gap.map(|gap| gap.gap) })
    }

    fn difference(&self, values: &[f64]) -> Difference {
        // Without a right answer nothing is known.
        let nothing = Difference { value: 0.0, low: -1.0, high: 1.0 };
        paired_difference(values, Level::of(1), self.seed).unwrap_or(nothing)
    }
}
