//! Names of the methods, as typed.

use std::fmt;

use clap::ValueEnum;
use heirloom_transfer::heads::Method;

/// A way to adapt the backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// Try the frozen heads by cross-validation on the training rows and keep the best
    Auto,
    /// Multinomial logistic regression on the last features
    Linear,
    /// Ridge regression on one-hot labels
    Ridge,
    /// Nearest class mean
    Ncm,
    /// Nearest neighbours
    Knn,
    /// Logistic regression on features selected from all layers by group lasso
    #[value(name = "head2toe")]
    Head2Toe,
}

impl fmt::Display for MethodName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Linear => "linear",
            Self::Ridge => "ridge",
            Self::Ncm => "ncm",
            Self::Knn => "knn",
            Self::Head2Toe => "head2toe",
        })
    }
}

impl From<MethodName> for Option<Method> {
    /// `auto` is no single method.
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Auto => None,
            MethodName::Linear => Some(Method::Linear),
            MethodName::Ridge => Some(Method::Ridge),
            MethodName::Ncm => Some(Method::Ncm),
            MethodName::Knn => Some(Method::Knn),
            MethodName::Head2Toe => Some(Method::Head2Toe),
        }
    }
}
