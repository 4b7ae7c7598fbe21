//! What an order of networks is foretold by: scores, the cross-validated probe, and baselines that know nothing of the data.

use heirloom_transfer::ranking::{Score, parameters};
use serde::{Deserialize, Serialize};

use super::RankedNetwork;
use super::judged::Judged;

/// Something that gives every network a value, of which the larger is taken for the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predictor {
    /// A score of the literature; the nearest neighbour is a baseline among them.
    Score(Score),
    /// Accuracy of a linear head, cross-validated on the training rows.
    Probe,
    /// Number of parameters.
    Parameters,
    /// Accuracy on ImageNet that the network's description states.
    ImageNet,
    /// Images of the source that the network's description states.
    SourceImages,
}

impl Predictor {
    /// The baselines that scores are held against.
    pub const NEIGHBOUR: Self = Self::Score(Score::NearestNeighbour);

    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = [Self::Probe, Self::Parameters, Self::ImageNet, Self::SourceImages];
        Score::ALL.into_iter().map(Self::Score).chain(own).collect()
    }

    /// For a reader.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Score(score) => score.name(),
            Self::Probe => "probe",
            Self::Parameters => "number of parameters",
            Self::ImageNet => "ImageNet accuracy",
            Self::SourceImages => "size of the source",
        }
    }

    /// Whether it is one that the claims are about.
    #[must_use]
    pub fn is_claimed(self) -> bool {
        matches!(self, Self::Score(_) | Self::Probe) && self != Self::NEIGHBOUR
    }

    /// What it says of a network on a set; `None` where it says nothing.
    pub(super) fn value(self, network: &RankedNetwork, judged: &Judged) -> Option<f64> {
        match self {
            Self::Score(wanted) => judged.candidate.scores.iter().find(|one| one.score == wanted)?.value,
            Self::Probe => Some(judged.probe),
            Self::Parameters => Some(parameters(&network.backbone) as f64),
            Self::ImageNet => network.imagenet,
            Self::SourceImages => network.source_images,
        }
    }
}
