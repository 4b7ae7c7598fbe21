//! What can be wrong with the input of a head.

/// An error of fitting or applying a head; it states the fact with its numbers.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A value that is not a number, or infinite.
    #[error("row {row} of tap `{tap}` (pooling target {target}) holds {value} in column {column}")]
    NotFinite {
        /// Name of the tap.
        tap: String,
        /// Pooling target of the block.
        target: usize,
        /// Row of the features.
        row: usize,
        /// Column of the block.
        column: usize,
        /// The value, `NaN`, `inf` or `-inf`.
        value: f32,
    },
    /// The features lack a block that the head or method reads.
    #[error("the features have no block for tap `{tap}` at pooling target {target}; they have {present}")]
    MissingBlock {
        /// Name of the tap.
        tap: String,
        /// Pooling target asked for.
        target: usize,
        /// The blocks that are there.
        present: String,
    },
    /// A block is not as wide as the one the head was fitted on.
    #[error("tap `{tap}` at pooling target {target} has {found} columns; the head was fitted on {expected}")]
    Width {
        /// Name of the tap.
        tap: String,
        /// Pooling target of the block.
        target: usize,
        /// Columns the head expects.
        expected: usize,
        /// Columns found.
        found: usize,
    },
    /// A block's values do not fill `rows x width`.
    #[error("tap `{tap}` holds {found} values; {rows} rows of {width} columns need {expected}")]
    BlockSize {
        /// Name of the tap.
        tap: String,
        /// Rows of the features.
        rows: usize,
        /// Columns of the block.
        width: usize,
        /// Values needed.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// Labels or folds are not one per row of the features.
    #[error("{what} has {found} entries for {rows} rows of features")]
    Length {
        /// `labels` or `folds`.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Rows of the features.
        rows: usize,
    },
    /// A row index past the end.
    #[error("row {row} was asked for; the features have {rows} rows")]
    RowOutside {
        /// The row.
        row: usize,
        /// Rows of the features.
        rows: usize,
    },
    /// A label past the number of classes.
    #[error("row {row} has label {label}; there are {classes} classes")]
    LabelOutside {
        /// Row of the features.
        row: usize,
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Nothing to tell apart.
    #[error("all {rows} training rows have class {class}; two classes are needed")]
    OneClass {
        /// Training rows.
        rows: usize,
        /// The only class there is.
        class: usize,
    },
    /// No training rows.
    #[error("there are no training rows")]
    NoRows,
    /// Cross-validation needs two folds or more.
    #[error("the {rows} training rows lie in {folds} fold; cross-validation needs two or more")]
    TooFewFolds {
        /// Training rows.
        rows: usize,
        /// Distinct folds among them.
        folds: usize,
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
    /// A method name that does not exist.
    #[error("there is no method `{name}`; there are {known}")]
    UnknownMethod {
        /// What was typed.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The stored form of a head is not as it must be.
    #[error("the stored head is broken: {fact}")]
    Stored {
        /// What is wrong.
        fact: String,
    },
    /// The minimiser stopped short of the optimum.
    #[error("{solver} stopped after {iterations} steps at penalty {penalty} with gradient norm {gradient_norm}")]
    NotConverged {
        /// What stopped.
        solver: &'static str,
        /// Relative penalty.
        penalty: f64,
        /// Steps taken.
        iterations: usize,
        /// Norm of the gradient left.
        gradient_norm: f64,
    },
    /// The group lasso stopped short of the gap asked for.
    #[error(
        "the group lasso at {ratio} of its largest penalty has a relative gap of {relative_gap} after {passes} passes; {tolerance} was asked for"
    )]
    NoCertificate {
        /// Penalty as a share of the smallest one at which all weights are zero.
        ratio: f64,
        /// Passes over all columns.
        passes: usize,
        /// Duality gap reached, as a share of the loss without weights.
        relative_gap: f64,
        /// Gap asked for.
        tolerance: f64,
    },
    /// Every column is constant over the training rows.
    #[error("none of the {columns} columns varies over the training rows")]
    NothingVaries {
        /// Number of columns.
        columns: usize,
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
