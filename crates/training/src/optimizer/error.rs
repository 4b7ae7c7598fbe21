//! What can go wrong with an optimiser.

/// An error of an optimiser or of its parameter groups.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
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
    /// A group's factor out of its range.
    #[error("the {factor} of '{name}' is {value}, it must be a number of 0 or above")]
    Factor {
        /// The parameter.
        name: String,
        /// Which factor.
        factor: &'static str,
        /// Its value.
        value: f64,
    },
    /// A gradient of a tensor that the weights lack.
    #[error("there is a gradient for '{name}', but no such weight")]
    UnknownGradient {
        /// The tensor.
        name: String,
    },
    /// A gradient of another length than its tensor.
    #[error("the gradient of '{name}' has {found} values, the weight has {expected}")]
    GradientLength {
        /// The tensor.
        name: String,
        /// Values of the gradient.
        found: usize,
        /// Values of the weight.
        expected: usize,
    },
    /// A parameter that belongs to no layer.
    #[error("parameter '{name}' belongs to none of the {layers} layers")]
    NoLayer {
        /// The parameter.
        name: String,
        /// Layers given.
        layers: usize,
    },
    /// A pattern that names nothing.
    #[error("the pattern '{pattern}' matches none of the {parameters} parameters")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Parameters looked at.
        parameters: usize,
    },
    /// State that does not belong to this optimiser and these weights.
    #[error("the optimiser's state does not fit: {reason}")]
    State {
        /// What does not fit.
        reason: String,
    },
}
