//! What can be wrong with domains, distances and coverage.

/// An error of domain adaptation; it states the fact with its numbers.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptationError {
    /// Values do not fill `rows x columns`, or labels are not one per row.
    #[error("{what} has {found} entries; {expected} are needed")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Entries needed.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// Source and target have different columns.
    #[error("the source has {source_columns} columns, the target {target_columns}")]
    Columns {
        /// Columns of the source.
        source_columns: usize,
        /// Columns of the target.
        target_columns: usize,
    },
    /// Too few rows to take a covariance from, or none at all.
    #[error("the {domain} has {rows} rows; at least {needed} are needed")]
    TooFewRows {
        /// `source` or `target`.
        domain: &'static str,
        /// Rows found.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// A value that is not a number, or infinite.
    #[error("row {row} of the {what} holds {value} in column {column}")]
    NotFinite {
        /// What the row is of.
        what: &'static str,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// Training ended in values that are no numbers.
    #[error("{method} diverged: its logits are no numbers")]
    Diverged {
        /// The method.
        method: &'static str,
    },
    /// The flag to stop was set.
    #[error("stopped while a method was trained")]
    Stopped,
    /// A label past the number of classes.
    #[error("row {row} of the source has label {label}; there are {classes} classes")]
    LabelOutside {
        /// Row of the source.
        row: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A class that the source does not show.
    #[error("class {class} has no source row, so it has no mean to be near to")]
    EmptyClass {
        /// The class.
        class: usize,
    },
    /// Every class must get rows, and there are fewer rows than that.
    #[error("the coverage asks for {needed} target rows; there are {rows}")]
    Infeasible {
        /// Rows asked for, over all classes.
        needed: usize,
        /// Target rows.
        rows: usize,
    },
    /// Proportions that are no proportions.
    #[error("the class proportions {reason}")]
    Proportions {
        /// What is wrong with them.
        reason: String,
    },
    /// A class whose covariance has no inverse.
    #[error(
        "the covariance of class {class} ({rows} rows, {columns} columns) has rank {rank} and no inverse: Mahalanobis distances need more rows than columns"
    )]
    SingularCovariance {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Rank of its covariance.
        rank: usize,
    },
    /// A classifier of domains that cannot be fitted.
    #[error("no classifier could be fitted: {reason}")]
    Classifier {
        /// Why not.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{setting} is {value}; {range}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A numerical routine failed.
    #[error("{routine} failed on a matrix of {rows} x {columns}")]
    Numerical {
        /// The routine.
        routine: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
}
