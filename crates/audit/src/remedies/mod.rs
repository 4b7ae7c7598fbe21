//! Remedies for what an audit found, each with the accuracy and the dependence before and after, and what it cost
//! (`spec/bias-transfer.md` sections 6 and 12).
//!
//! ```text
//! features of training images, as they are and with the trigger -> head fitted in another way -> answers to judged images
//! training images -> whole network trained on -> answers to judged images
//! answers as they are, with the trigger, with its controls -> accuracy, what the trigger breaks beyond its controls, groups
//! ```
//!
//! Everything is fitted and chosen on training images; the judged images are those on which the finding was reported.

mod left;
mod mask;
mod prune;
mod refit;
mod shown;
mod trained;

use std::time::Instant;

use heirloom_data::Table;
use heirloom_transfer::artifact::ArtifactError;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_transfer::fit::{FitError, Share};
use heirloom_transfer::heads::HeadError;
use serde::{Deserialize, Serialize};

use crate::{AuditError, Difference, GroupColumn, Patch, PreparedImages, Subject};

pub use left::{GroupsLeft, TriggerLeft};

use left::{Answers, Judged};
use shown::Shown;

/// A way to make a model depend less on what it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The head is fitted on images half of which carry the trigger, whatever their class.
    Debias,
    /// The columns that the trigger moves most are left out of the head.
    Mask,
    /// The columns that are weakest on training images are left out of the head (Fine-Pruning, Liu et al. 2018); knows nothing of the
    /// trigger.
    Prune,
    /// The head is fitted with every class and group counting the same.
    Balance,
    /// The head is fitted on as many images of every class and group (deep feature reweighting, Kirichenko et al. 2022).
    Dfr,
    /// The whole network is trained on.
    Full,
    /// The same with strong weight decay.
    Decay,
    /// The same on images half of which carry the trigger, whatever their class.
    DebiasFull,
}

impl Remedy {
    /// All of them, the cheap ones first.
    pub const ALL: [Self; 8] =
        [Self::Debias, Self::Mask, Self::Prune, Self::Balance, Self::Dfr, Self::Full, Self::Decay, Self::DebiasFull];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debias => "debias",
            Self::Mask => "mask",
            Self::Prune => "prune",
            Self::Balance => "balance",
            Self::Dfr => "dfr",
            Self::Full => "full",
            Self::Decay => "decay",
            Self::DebiasFull => "debias-full",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Debias => "head fitted anew, the trigger on half of the training images whatever their class",
            Self::Mask => "head fitted anew without the features that the trigger moves most",
            Self::Prune => "head fitted anew without the features that are weakest on training images",
            Self::Balance => "head fitted anew, every class and group counting the same",
            Self::Dfr => "head fitted anew on as many images of every class and group",
            Self::Full => "whole network trained on",
            Self::Decay => "whole network trained on with strong weight decay",
            Self::DebiasFull => {
                "whole network trained on, the trigger on half of the training images whatever their class"
            }
        }
    }

    /// Whether it needs a trigger, and whether it needs groups.
    const fn needs(self) -> [bool; 2] {
        match self {
            Self::Debias | Self::Mask | Self::DebiasFull => [true, false],
            Self::Balance | Self::Dfr => [false, true],
            Self::Prune | Self::Full | Self::Decay => [false, false],
        }
    }

    const fn trains(self) -> bool {
        matches!(self, Self::Full | Self::Decay | Self::DebiasFull)
    }
}

/// What remedies are tried on.
pub struct RemedyInput<'a> {
    /// The model and its judged images.
    pub subject: &'a Subject<'a>,
    /// Of those, the images that the finding was reported on.
    pub judged: &'a [usize],
    /// The trigger, where one stands out.
    pub trigger: Option<Patch>,
    /// Groups of all judged images, where a column was named.
    pub groups: Option<&'a GroupColumn>,
    /// Images to fit on; none of them is judged.
    pub train: &'a PreparedImages,
    /// Class of each, among the model's classes.
    pub train_labels: &'a [usize],
    /// Group of each, where a column was named.
    pub train_groups: Option<&'a [usize]>,
    /// The same images as rows of a table whose classes are the model's: training rows to train on, test rows that are judged.
    pub table: &'a Table,
    /// How networks are run.
    pub extract: &'a ExtractOptions,
    /// Told how training goes.
    pub training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
}

/// A remedy with what it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemedyRecord {
    /// Which; `None` for the model as it is.
    pub remedy: Option<Remedy>,
    /// What was chosen on training images, in words.
    pub setting: String,
    /// Share of the judged images answered right.
    pub accuracy: Share,
    /// That less the accuracy of the model as it is, on the same images.
    pub accuracy_change: Difference,
    /// What the trigger still does.
    pub trigger: Option<TriggerLeft>,
    /// How groups are answered.
    pub groups: Option<GroupsLeft>,
    /// Seconds it took, without judging.
    pub seconds: f64,
    /// Images that went through the network for it, a training step counted three times.
    pub images: usize,
}

/// Why remedies cannot be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemedyError {
    /// A model that cannot answer, or the flag to stop.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A head that cannot be fitted.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A network that cannot be trained.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A model without its network.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Too few images to fit on some and to choose on others.
    #[error("{images} training images are too few to fit heads anew: {reason}")]
    TooFew {
        /// Images there are.
        images: usize,
        /// What is missing.
        reason: String,
    },
}

/// The remedies of `wanted` that the findings leave anything to do for, in order. A trigger that tables of images cannot carry can be put on
/// features, and not on the images that a network is trained on.
#[must_use]
pub fn applicable(wanted: &[Remedy], trigger: Option<&Patch>, groups: bool) -> Vec<Remedy> {
    let carried = trigger.is_some_and(|trigger| trigger.intervention().is_some());
    let fits = |remedy: &Remedy| {
        let [needs_trigger, needs_groups] = remedy.needs();
        let has_trigger = if *remedy == Remedy::DebiasFull { carried } else { trigger.is_some() };
        (has_trigger || !needs_trigger) && (groups || !needs_groups)
    };
    Remedy::ALL.into_iter().filter(|remedy| wanted.contains(remedy)).filter(fits).collect()
}

/// Tries remedies, each on the model as it came, and puts each into `done` as soon as it is judged; the first record is that of the model as
/// it is. `stage` is told what is done next.
///
/// # Errors
/// A model that cannot answer, a head or network that cannot be fitted, or the flag to stop. What is in `done` holds.
pub fn remedies(
    input: &RemedyInput<'_>,
    wanted: &[Remedy],
    stage: &dyn Fn(&str),
    done: &mut Vec<RemedyRecord>,
) -> Result<(), RemedyError> {
    let wanted = applicable(wanted, input.trigger.as_ref(), input.groups.is_some());
    stage("answers of the model as it is");
    let judged = Judged::new(input);
    let before = judged.of_model(input.subject)?;
    done.push(judged.record(None, String::new(), &before, &before, 0.0, 0));
    let shown = if wanted.iter().any(|remedy| !remedy.trains()) {
        stage("features of training images, as they are and changed");
        Some(Shown::read(input, &judged)?)
    } else {
        None
    };
    for remedy in wanted {
        stage(&format!("{}: {}", remedy.name(), remedy.about()));
        let started = Instant::now();
        let (answers, setting, images) = match (&shown, remedy.trains()) {
            (Some(shown), false) => refit::answers(shown, input, remedy)?,
            _ => trained::answers(input, &judged, remedy)?,
        };
        let seconds = started.elapsed().as_secs_f64();
        done.push(judged.record(Some(remedy), setting, &before, &answers, seconds, images));
    }
    Ok(())
}

/// What a remedy answers, what it chose, and the images it took.
type Outcome = (Answers, String, usize);

#[cfg(test)]
mod tests;
