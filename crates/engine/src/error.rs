//! What can go wrong between a graph and its values.

/// An error of the engine. Each names the node, parameter or shape at fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A tap that is neither a node nor a module.
    #[error("no node or module is called '{name}'{}", suggestion.as_ref().map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
    UnknownTap {
        /// The name asked for.
        name: String,
        /// The nearest existing name.
        suggestion: Option<String>,
    },
    /// A parameter the graph needs and the weights lack.
    #[error("parameter '{name}' is missing")]
    MissingParameter {
        /// Its key.
        name: String,
    },
    /// A parameter of another shape.
    #[error("parameter '{name}' has shape {found:?}, expected {expected:?}")]
    ParameterShape {
        /// Its key.
        name: String,
        /// The graph's shape.
        expected: Vec<usize>,
        /// The weights' shape.
        found: Vec<usize>,
    },
    /// Inputs that an operator cannot take.
    #[error("node '{node}': {reason}")]
    Shape {
        /// The node.
        node: String,
        /// What does not fit, with the shapes.
        reason: String,
    },
    /// A batch with another number of values than its images need.
    #[error("the batch holds {found} values, {images} images need {expected}")]
    Batch {
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
        /// Images.
        images: usize,
    },
    /// Something the engine cannot do.
    #[error("unsupported: {what}")]
    Unsupported {
        /// What.
        what: String,
    },
}

impl EngineError {
    /// A backward pass through a tangent.
    pub(crate) fn second_derivative(node: &str) -> Self {
        Self::Unsupported { what: format!("the backward pass of node '{node}', a tangent, needs second derivatives") }
    }
}
