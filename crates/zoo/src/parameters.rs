//! The parameters of an operator and the part that each plays in it.

use heirloom_engine::Op;

/// What a parameter does in its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Weight of a convolution or a linear layer.
    Weight,
    /// Its bias.
    Bias,
    /// Factor of a norm or of a scale.
    Factor,
    /// Summand of a norm or of a shift.
    Summand,
    /// Running mean of a batch norm.
    RunningMean,
    /// Running variance of a batch norm.
    RunningVariance,
    /// Class token or position embeddings.
    Token,
}

/// The parameters of an operator, by key.
pub(crate) fn of(op: &Op) -> Vec<(&str, Part)> {
    let found: Vec<(&String, Part)> = match op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
            std::iter::once((weight, Part::Weight)).chain(bias.iter().map(|bias| (bias, Part::Bias))).collect()
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, .. } => vec![
            (weight, Part::Factor),
            (bias, Part::Summand),
            (running_mean, Part::RunningMean),
            (running_variance, Part::RunningVariance),
        ],
        Op::LayerNorm { weight, bias, .. } => vec![(weight, Part::Factor), (bias, Part::Summand)],
        Op::Tangent { of } => match of.as_ref() {
            Op::LayerNorm { weight, .. } => vec![(weight, Part::Factor)],
            _ => Vec::new(),
        },
        Op::Scale { weight } => vec![(weight, Part::Factor)],
        Op::Shift { bias } => vec![(bias, Part::Summand)],
        Op::Tokens { class_token, position } => {
            class_token.iter().chain(position).map(|key| (key, Part::Token)).collect()
        }
        _ => Vec::new(),
    };
    found.into_iter().map(|(key, part)| (key.as_str(), part)).collect()
}

/// Whether an operator multiplies by a matrix of weights.
pub(crate) fn is_weight_layer(op: &Op) -> bool {
    matches!(op, Op::Convolution { .. } | Op::Linear { .. })
}
