//! The ways to adapt that can stand beside each other.

use serde::{Deserialize, Serialize};

use crate::fit::AUTO;
use crate::fit::trained::TrainedMethod;
use crate::heads::Method;

/// A way to adapt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Adaptation {
    /// A head on frozen features.
    Frozen(Method),
    /// The head on frozen features that `fit` takes when none is named.
    Auto(Auto),
    /// Training through the backbone.
    Trained(TrainedMethod),
}

/// A choice among the heads of [`AUTO`], made on training rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auto {
    /// As `fit` chooses.
    Auto,
}

impl Adaptation {
    /// Every way, heads on frozen features first; without the choice among them, which computes several of them once more.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::frozen().into_iter().chain(TrainedMethod::ALL.map(Self::Trained)).collect()
    }

    /// Every head on frozen features.
    #[must_use]
    pub fn frozen() -> Vec<Self> {
        Method::ALL.map(Self::Frozen).to_vec()
    }

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frozen(method) => method.name(),
            Self::Auto(Auto::Auto) => "auto",
            Self::Trained(method) => method.name(),
        }
    }

    /// Whether the backbone's weights stay as they are.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        !matches!(self, Self::Trained(_))
    }

    /// The heads that it is or chooses from; none where the network is trained.
    #[must_use]
    pub fn heads(self) -> Vec<Method> {
        match self {
            Self::Frozen(method) => vec![method],
            Self::Auto(Auto::Auto) => AUTO.to_vec(),
            Self::Trained(_) => Vec::new(),
        }
    }
}
