//! What can stop a fit.

use heirloom_data::TableError;

use crate::extract::ExtractError;
use crate::heads::HeadError;

/// An error of [`fit`](super::fit); each states the fact with its numbers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The data set cannot be fitted on.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The features cannot be had.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// No head can be fitted on them.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The rows cannot be split into folds.
    #[error(transparent)]
    Split(#[from] heirloom_data::SplitError),
    /// After broken images were left out, a class has no training row but is still to be recognised.
    #[error("class '{class}' has {test} test rows and no readable training row ({skipped} rows were skipped)")]
    Unseen {
        /// The class.
        class: String,
        /// Its test rows.
        test: usize,
        /// Rows that were skipped.
        skipped: usize,
    },
    /// After broken images were left out, there is nothing to tell apart.
    #[error("only {classes} class has readable training rows ({skipped} rows were skipped); at least two are needed")]
    OneClass {
        /// Classes with training rows.
        classes: usize,
        /// Rows that were skipped.
        skipped: usize,
    },
    /// A method that chooses among layers was to fit the features of one.
    #[error("{method} chooses among the features of several layers; the table has one block, `{block}`")]
    OneBlock {
        /// The method.
        method: &'static str,
        /// The only block.
        block: String,
    },
    /// No column names the domains.
    #[error("no column `{column}` names the domains (columns: {found})")]
    NoDomains {
        /// The column.
        column: String,
        /// The columns there are.
        found: String,
    },
    /// No row is of a domain that was named.
    #[error("no row has {column} = `{domain}` (found {found})")]
    NoDomain {
        /// The column.
        column: String,
        /// The domain.
        domain: String,
        /// The domains there are.
        found: String,
    },
    /// A domain that is to be adapted to itself.
    #[error("`{domain}` is both source and target")]
    SameDomain {
        /// The domain.
        domain: String,
    },
    /// The domains cannot be brought together.
    #[error(transparent)]
    Adaptation(#[from] crate::adaptation::AdaptationError),
    /// Too few labelled rows of the target to choose whether the source helps.
    #[error(
        "{rows} rows of `{domain}` have a label, in {groups} groups that must stay together; to choose safely at least {needed} are needed"
    )]
    TooFewLabelled {
        /// The target.
        domain: String,
        /// Its labelled rows.
        rows: usize,
        /// Groups.
        groups: usize,
        /// Groups needed.
        needed: usize,
    },
    /// Neither transfer nor training on the target beats the most frequent class.
    #[error(
        "neither the source ({:.1} % of held-out rows right) nor the target's own labels ({:.1} %) beat always answering the most frequent \
         class ({:.1} %)",
        100.0 * choice.accuracy[0], 100.0 * choice.accuracy[1], 100.0 * choice.accuracy[2]
    )]
    NothingHelps {
        /// What was found.
        choice: crate::safe::SafeChoice,
    },
    /// The choice between source and target cannot be made.
    #[error(transparent)]
    Safe(#[from] crate::safe::SafeError),
    /// Too few groups of rows to hold some out and choose on the others.
    #[error("the {rows} training rows form {groups} groups that must stay together; at least {needed} are needed")]
    TooFewGroups {
        /// Training rows.
        rows: usize,
        /// Groups.
        groups: usize,
        /// Groups needed.
        needed: usize,
    },
    /// A training setting that does not fit the data or the network.
    #[error("{setting} is {value}: {reason}")]
    Recipe {
        /// The option.
        setting: &'static str,
        /// Its value.
        value: String,
        /// Why it does not fit.
        reason: String,
    },
    /// A network whose classifier is not one linear layer on its features.
    #[error("the classifier of '{backbone}' is no single linear layer on its features (parameters {keys:?})")]
    Classifier {
        /// The network.
        backbone: String,
        /// Parameters of what was found.
        keys: Vec<String>,
    },
    /// A linearised fit that would take too long or too much memory.
    #[error(
        "linearised on {} images of {} classes and {} parameters needs {} rows of derivatives (at most {}) and {:.1e} operations (at most \
         {:.1e}), about {:.0} minutes and {:.1} GiB",
        size.images, size.classes, size.parameters, size.rows(), crate::linearised::size::MOST_ROWS, size.operations(),
        crate::linearised::size::MOST_OPERATIONS, size.seconds() / 60.0, size.bytes() as f64 / 1_073_741_824.0
    )]
    TooLarge {
        /// What it would take.
        size: crate::linearised::size::Size,
    },
    /// Stopped on request, with nothing kept.
    #[error("stopped while computing derivatives, {done} of {total} images done; nothing is kept")]
    Stopped {
        /// Images done, each counted once for every block of parameters.
        done: usize,
        /// Images to do.
        total: usize,
    },
    /// The network cannot be prepared.
    #[error(transparent)]
    Zoo(#[from] heirloom_zoo::ZooError),
    /// Shapes that do not fit.
    #[error(transparent)]
    Engine(#[from] heirloom_engine::EngineError),
    /// Images for training cannot be had.
    #[error(transparent)]
    Batches(#[from] heirloom_data::batches::BatchError),
    /// An intervention that cannot be planted.
    #[error(transparent)]
    Intervention(#[from] heirloom_data::intervention::InterventionError),
    /// Training ended.
    #[error(transparent)]
    Training(#[from] heirloom_training::trainer::TrainingError),
    /// No threads to train on.
    #[error("no threads to train on: {reason}")]
    Threads {
        /// What the system said.
        reason: String,
    },
    /// Stopped on request, after a step.
    #[error("stopped in epoch {}, after {step} of its steps", epoch + 1)]
    Interrupted {
        /// Complete epochs.
        epoch: u64,
        /// Steps of the next.
        step: u64,
        /// Where the state was kept.
        checkpoint: Option<std::path::PathBuf>,
    },
}

impl FitError {
    pub(crate) fn threads(error: rayon::ThreadPoolBuildError) -> Self {
        Self::Threads { reason: error.to_string() }
    }
}
