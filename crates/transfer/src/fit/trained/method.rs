//! The methods that train through the backbone: what each trains, where its head begins, what holds it back
//! (`spec/regularisers-and-adaptation.md` parts A and B).

use std::collections::BTreeSet;

use heirloom_engine::{Graph, Op};
use serde::{Deserialize, Serialize};

/// A way to adapt by training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainedMethod {
    /// All weights, from the pretrained ones on, with a new head that begins at zero.
    Full,
    /// The head by logistic regression on frozen features, then all weights at a small rate (Kumar et al. 2022).
    LpFt,
    /// All weights from random ones: the reference that shows what pretraining is worth.
    Scratch,
    /// As `full`, held to the pretrained weights (Li, Grandvalet, Davoine 2018).
    L2Sp,
    /// As `full`, held to the pretrained feature maps (Li et al. 2019), all channels alike.
    Delta,
    /// As `full`, with the smallest singular value of the features shrunk (Chen et al. 2019).
    Bss,
    /// As `full`, with the source's classifier kept and trained towards what it says of each class (You et al. 2020).
    CoTuning,
    /// Head2Toe's columns and head, then all weights with them (Evci et al. 2022; `spec/head2toe.md` section 6).
    #[serde(rename = "head2toe-ft")]
    Head2ToeFt,
    /// The better of `head2toe` and `head2toe-ft` at several rates, by validation rows (`spec/head2toe.md` section 6).
    #[serde(rename = "head2toe-ft-plus")]
    Head2ToeFtPlus,
    /// All weights, of a network that is linear in them: its first-order expansion at the pretrained ones, with a fitted head
    /// (`spec/head2toe.md` section 7).
    Linearised,
    /// Scales and shifts of norms, and the head.
    BnTune,
    /// Biases, and the head (Zaken, Ravfogel, Goldberg 2022).
    #[serde(rename = "bitfit")]
    BitFit,
}

impl TrainedMethod {
    /// Every method.
    pub const ALL: [Self; 12] = [
        Self::Full,
        Self::LpFt,
        Self::Scratch,
        Self::L2Sp,
        Self::Delta,
        Self::Bss,
        Self::CoTuning,
        Self::Head2ToeFt,
        Self::Head2ToeFtPlus,
        Self::Linearised,
        Self::BnTune,
        Self::BitFit,
    ];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::LpFt => "lp-ft",
            Self::Scratch => "scratch",
            Self::L2Sp => "l2-sp",
            Self::Delta => "delta",
            Self::Bss => "bss",
            Self::CoTuning => "co-tuning",
            Self::Head2ToeFt => "head2toe-ft",
            Self::Head2ToeFtPlus => "head2toe-ft-plus",
            Self::Linearised => "linearised",
            Self::BnTune => "bn-tune",
            Self::BitFit => "bitfit",
        }
    }

    /// Whether batch norms use the statistics of the batch and running statistics follow. Not where the features shall stay near
    /// the pretrained ones from the first step, and not where only biases move.
    #[must_use]
    pub const fn moves_statistics(self) -> bool {
        !matches!(self, Self::LpFt | Self::BitFit | Self::Linearised)
    }

    /// Whether only a small part of the weights is trained, which bears a larger learning rate.
    #[must_use]
    pub const fn is_partial(self) -> bool {
        matches!(self, Self::BnTune | Self::BitFit)
    }

    /// Whether it goes by steps over batches, so that the settings of steps and epochs mean something to it.
    #[must_use]
    pub const fn goes_by_steps(self) -> bool {
        !matches!(self, Self::Linearised)
    }

    /// Whether the network of the model is never the pretrained one.
    #[must_use]
    pub const fn changes_the_network(self) -> bool {
        !matches!(self, Self::Head2ToeFtPlus)
    }

    /// Whether the head is fitted on frozen features first, so that training goes on from a good one.
    #[must_use]
    pub const fn begins_fitted(self) -> bool {
        matches!(self, Self::LpFt | Self::Head2ToeFt | Self::Head2ToeFtPlus | Self::Linearised)
    }

    /// Keys of the parameters trained in `graph`, whose head has the keys `head`.
    #[must_use]
    pub fn trains(self, graph: &Graph, head: &[String]) -> BTreeSet<String> {
        let mut keys: BTreeSet<String> = graph.nodes.iter().flat_map(|node| self.of_node(&node.op)).collect();
        keys.extend(head.iter().cloned());
        keys
    }

    /// Keys of one operator that are trained.
    fn of_node(self, op: &Op) -> Vec<String> {
        let (weights, biases): (Vec<&String>, Vec<&String>) = match op {
            Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
                (vec![weight], bias.iter().collect())
            }
            Op::BatchNorm { weight, bias, .. } | Op::LayerNorm { weight, bias, .. } => (vec![weight], vec![bias]),
            Op::Scale { weight } => (vec![weight], Vec::new()),
            Op::Shift { bias } => (Vec::new(), vec![bias]),
            Op::Tokens { class_token, position } => (class_token.iter().chain(position).collect(), Vec::new()),
            _ => (Vec::new(), Vec::new()),
        };
        let is_norm = matches!(op, Op::BatchNorm { .. } | Op::LayerNorm { .. });
        let (weights_too, biases_too) = match self {
            Self::BnTune => (is_norm, is_norm),
            Self::BitFit => (false, true),
            _ => (true, true),
        };
        let chosen = weights.into_iter().filter(|_| weights_too).chain(biases.into_iter().filter(|_| biases_too));
        chosen.cloned().collect()
    }
}

impl std::fmt::Display for TrainedMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
