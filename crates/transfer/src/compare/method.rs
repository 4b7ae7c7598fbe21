//! The ways to adapt that can stand beside each other.

use serde::{Deserialize, Serialize};

use crate::fit::trained::TrainedMethod;
use crate::heads::Method;

/// A way to adapt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Adaptation {
    /// A head on frozen features.
    Frozen(Method),
    /// Training through the backbone.
    Trained(TrainedMethod),
}

impl Adaptation {
    /// Every way, heads on frozen features first.
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
            Self::Trained(method) => method.name(),
        }
    }

    /// Whether the backbone's weights stay as they are.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen(_))
    }
}
