//! What can go wrong with a loss.

/// An error of a loss.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// A setting out of its range.
    #[error("{setting}: {value} is not allowed, it must be {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Another number of values than needed.
    #[error("there are {found} {what}, {expected} are needed")]
    Length {
        /// What is counted.
        what: &'static str,
        /// Number given.
        found: usize,
        /// Number needed.
        expected: usize,
    },
    /// A batch without rows.
    #[error("the batch has no rows")]
    NoRows,
    /// A label that is no class.
    #[error("row {row} has label {label}, there are {classes} classes")]
    Label {
        /// The row of the batch.
        row: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Target shares that are negative or do not sum to 1.
    #[error("the target shares of row {row} are no shares: none may be negative, and their sum is {sum} instead of 1")]
    Shares {
        /// The row of the batch.
        row: usize,
        /// Sum of its shares.
        sum: f64,
    },
    /// A partner of mixup that is no row.
    #[error("row {row} is to be mixed with row {partner}, the batch has {rows} rows")]
    Partner {
        /// The row of the batch.
        row: usize,
        /// Its partner.
        partner: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// Class weights of 0 for every label of the batch.
    #[error("all {rows} rows belong to classes of weight 0")]
    NoWeight {
        /// Rows of the batch.
        rows: usize,
    },
    /// A class without a row where one is needed.
    #[error("class {class} has no training row")]
    EmptyClass {
        /// The class.
        class: usize,
    },
    /// A logit that is no finite number: training has diverged.
    #[error("the logit of row {row} for class {class} is {value}")]
    Divergence {
        /// The row of the batch.
        row: usize,
        /// The class.
        class: usize,
        /// The logit.
        value: f32,
    },
}
