//! The names of the frozen methods and the features each of them reads.

use serde::{Deserialize, Serialize};

use super::HeadError;
use crate::{ClassTokenMode, Pooling};

/// A way to fit a head on frozen features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Nearest class mean.
    Ncm,
    /// Ridge regression on one-hot labels.
    Ridge,
    /// Linear discriminant analysis with a shrunken covariance.
    Lda,
    /// k nearest neighbours.
    Knn,
    /// Multinomial logistic regression.
    Linear,
    /// Linear support vector machines, one class versus the rest.
    Svm,
    /// Multinomial logistic regression on the one layer that suits the labels best.
    BestLayer,
    /// Class means and a cache of the training rows.
    CacheModel,
    /// Head2Toe: features of all taps, chosen by a group lasso, then a logistic head.
    #[serde(rename = "head2toe")]
    Head2Toe,
    /// Logistic regression on all columns of all taps, a sum of absolute values penalised.
    AllL1,
    /// The same, the sum of squares penalised.
    AllL2,
    /// The same, the norms of the columns' weights penalised.
    AllL21,
}

impl Method {
    /// Every method, the cheapest to apply first; this is the order in which ties are broken.
    pub const ALL: [Self; 12] = [
        Self::Ncm,
        Self::Ridge,
        Self::Lda,
        Self::Linear,
        Self::Svm,
        Self::BestLayer,
        Self::Knn,
        Self::CacheModel,
        Self::Head2Toe,
        Self::AllL1,
        Self::AllL2,
        Self::AllL21,
    ];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ncm => "ncm",
            Self::Ridge => "ridge",
            Self::Lda => "lda",
            Self::Svm => "svm",
            Self::Knn => "knn",
            Self::Linear => "linear",
            Self::BestLayer => "best-layer",
            Self::CacheModel => "cache-model",
            Self::Head2Toe => "head2toe",
            Self::AllL1 => "all-l1",
            Self::AllL2 => "all-l2",
            Self::AllL21 => "all-l21",
        }
    }

    /// One line for help and tables.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Ncm => "nearest class mean (prototypes), Euclidean or cosine",
            Self::Ridge => "ridge regression on one-hot labels, exact leave-one-out",
            Self::Lda => "linear discriminant analysis with a shrunken covariance",
            Self::Svm => "linear support vector machines, one class versus the rest",
            Self::Knn => "k nearest neighbours by cosine",
            Self::Linear => "multinomial logistic regression on the penultimate features",
            Self::BestLayer => "multinomial logistic regression on the one layer that suits best",
            Self::CacheModel => "class means and a cache of the training rows, by cosine",
            Self::Head2Toe => "logistic regression on features selected from all taps",
            Self::AllL1 => "logistic regression on all features of all taps, lasso penalty",
            Self::AllL2 => "logistic regression on all features of all taps, ridge penalty",
            Self::AllL21 => "logistic regression on all features of all taps, group lasso penalty",
        }
    }

    /// Position in [`Method::ALL`]: smaller is cheaper to apply.
    #[must_use]
    pub const fn cost_rank(self) -> usize {
        match self {
            Self::Ncm => 0,
            Self::Ridge => 1,
            Self::Lda => 2,
            Self::Linear => 3,
            Self::Svm => 4,
            Self::BestLayer => 5,
            Self::Knn => 6,
            Self::CacheModel => 7,
            Self::Head2Toe => 8,
            Self::AllL1 => 9,
            Self::AllL2 => 10,
            Self::AllL21 => 11,
        }
    }

    /// Whether the method reads all taps rather than the penultimate features alone.
    #[must_use]
    pub const fn reads_all_taps(self) -> bool {
        matches!(self, Self::BestLayer | Self::Head2Toe | Self::AllL1 | Self::AllL2 | Self::AllL21)
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Method {
    type Err = HeadError;

    fn from_str(name: &str) -> Result<Self, HeadError> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| HeadError::UnknownMethod {
            name: name.to_string(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// The (tap, pooling) pairs whose features `method` reads.
///
/// `penultimate` is the backbone's last vector, read whole or averaged over positions; `taps` and `targets` (pooling
/// targets) and `class_token` are for the methods that read all taps. `head2toe` reads the last vector as `linear` does, too.
///
/// ```
/// use heirloom_transfer::ClassTokenMode;
/// use heirloom_transfer::heads::{Method, recipe};
/// let taps = ["layer1".to_string(), "pre_logits".to_string()];
/// assert_eq!(recipe(Method::Linear, "pre_logits", &taps, &[1, 512], ClassTokenMode::Normal).len(), 1);
/// assert_eq!(recipe(Method::Head2Toe, "pre_logits", &taps, &[1, 512], ClassTokenMode::Normal).len(), 4);
/// ```
#[must_use]
pub fn recipe(
    method: Method,
    penultimate: &str,
    taps: &[String],
    targets: &[usize],
    class_token: ClassTokenMode,
) -> Vec<(String, Pooling)> {
    if !method.reads_all_taps() {
        return vec![(penultimate.to_string(), Pooling::MEAN)];
    }
    let pooling = |target| Pooling { target, class_token };
    let of_target = |&target| taps.iter().map(move |tap| (tap.clone(), pooling(target)));
    let mut all: Vec<(String, Pooling)> = targets.iter().flat_map(of_target).collect();
    let last = (penultimate.to_string(), Pooling::MEAN);
    if matches!(method, Method::Head2Toe | Method::BestLayer) && !all.contains(&last) {
        all.push(last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_are_listed() {
        for (rank, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method.name().parse::<Method>(), Ok(method));
            assert_eq!(method.cost_rank(), rank);
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("\"{method}\""));
        }
        let message = "forest".parse::<Method>().unwrap_err().to_string();
        assert!(message.contains("`forest`") && message.contains("head2toe"), "{message}");
    }
}
