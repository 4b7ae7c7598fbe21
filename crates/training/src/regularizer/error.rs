//! What can go wrong with a regulariser.

/// An error of a regulariser.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegularizerError {
    /// A setting out of its range.
    #[error("{setting} is {value}, it must be {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A parameter that the weights lack.
    #[error("there is no weight '{name}' to hold to its pretrained value")]
    MissingWeight {
        /// The parameter.
        name: String,
    },
    /// Another number of values than needed.
    #[error("{what}: {found} values, {expected} are needed")]
    Length {
        /// What is counted.
        what: String,
        /// Number given.
        found: usize,
        /// Number needed.
        expected: usize,
    },
    /// Features whose singular values cannot be found, as when they are no finite numbers.
    #[error(
        "the singular values of the features [{rows}, {columns}] cannot be computed: a feature is no finite number"
    )]
    NoSingularValues {
        /// Rows of the batch.
        rows: usize,
        /// Features of a row.
        columns: usize,
    },
}

/// Passes when there are as many values as needed.
pub(super) fn same_length(what: &str, found: usize, expected: usize) -> Result<(), RegularizerError> {
    if found == expected { Ok(()) } else { Err(RegularizerError::Length { what: what.to_owned(), found, expected }) }
}

/// Passes for a finite strength of 0 or above.
pub(super) fn strength(setting: &'static str, value: f64) -> Result<(), RegularizerError> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(RegularizerError::Setting { setting, value, range: "0 or above" })
    }
}
