//! Names of the methods, as typed.

use std::fmt;

use clap::ValueEnum;
use heirloom_transfer::fit::trained::TrainedMethod;
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
    /// Linear discriminant analysis with a shrunken covariance
    Lda,
    /// Linear support vector machines, one class versus the rest
    Svm,
    /// Logistic regression on the one layer that suits the images best
    BestLayer,
    /// Nearest class mean: the prototype classifier
    Ncm,
    /// Nearest neighbours
    Knn,
    /// Class means and a cache of the training rows, as Tip-Adapter has it
    CacheModel,
    /// Logistic regression on features selected from all layers by group lasso
    #[value(name = "head2toe")]
    Head2Toe,
    /// Logistic regression on the features of all layers, lasso penalty
    AllL1,
    /// Logistic regression on the features of all layers, ridge penalty
    AllL2,
    /// Logistic regression on the features of all layers, group lasso penalty
    AllL21,
    /// Class means of a source domain, brought to an unlabelled target domain (--source, --target)
    #[value(name = "easytl")]
    EasyTl,
    /// Train all weights, from the pretrained ones on
    Full,
    /// Fit the head on frozen features, then train all weights at a small rate
    LpFt,
    /// Train all weights from random ones: what pretraining is measured against
    Scratch,
    /// Train all weights, held to the pretrained weights
    L2Sp,
    /// Train all weights, held to the pretrained feature maps
    Delta,
    /// Train all weights, with the smallest singular value of the features shrunk
    Bss,
    /// Train all weights, with the source's classifier kept and trained towards what it says of each class
    CoTuning,
    /// Fit head2toe, then train all weights together with its head
    #[value(name = "head2toe-ft")]
    Head2ToeFt,
    /// head2toe, or head2toe-ft at one of several rates: what is right on more validation rows
    #[value(name = "head2toe-ft-plus")]
    Head2ToeFtPlus,
    /// Fit all weights of the network's first-order expansion at the pretrained ones; for small networks and few images
    Linearised,
    /// Train scales and shifts of norms, and the head
    BnTune,
    /// Train biases, and the head
    #[value(name = "bitfit")]
    BitFit,
}

impl MethodName {
    /// The method that trains through the backbone, if it is one.
    pub fn trained(self) -> Option<TrainedMethod> {
        Some(match self {
            Self::Auto
            | Self::EasyTl
            | Self::Linear
            | Self::Ridge
            | Self::Lda
            | Self::Svm
            | Self::Ncm
            | Self::Knn
            | Self::CacheModel
            | Self::BestLayer
            | Self::Head2Toe
            | Self::AllL1
            | Self::AllL2
            | Self::AllL21 => return None,
            Self::Full => TrainedMethod::Full,
            Self::LpFt => TrainedMethod::LpFt,
            Self::Scratch => TrainedMethod::Scratch,
            Self::L2Sp => TrainedMethod::L2Sp,
            Self::Delta => TrainedMethod::Delta,
            Self::Bss => TrainedMethod::Bss,
            Self::CoTuning => TrainedMethod::CoTuning,
            Self::Head2ToeFt => TrainedMethod::Head2ToeFt,
            Self::Head2ToeFtPlus => TrainedMethod::Head2ToeFtPlus,
            Self::Linearised => TrainedMethod::Linearised,
            Self::BnTune => TrainedMethod::BnTune,
            Self::BitFit => TrainedMethod::BitFit,
        })
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::EasyTl => "easytl",
            Self::Linear => "linear",
            Self::Ridge => "ridge",
            Self::Lda => "lda",
            Self::Svm => "svm",
            Self::Ncm => "ncm",
            Self::Knn => "knn",
            Self::CacheModel => "cache-model",
            Self::BestLayer => "best-layer",
            Self::Head2Toe => "head2toe",
            Self::AllL1 => "all-l1",
            Self::AllL2 => "all-l2",
            Self::AllL21 => "all-l21",
            trained => return formatter.write_str(trained.trained().map_or("", TrainedMethod::name)),
        })
    }
}

impl From<MethodName> for Option<Method> {
    /// `auto` is no single method, and those that train through the backbone are no heads.
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Linear => Some(Method::Linear),
            MethodName::Ridge => Some(Method::Ridge),
            MethodName::Lda => Some(Method::Lda),
            MethodName::Svm => Some(Method::Svm),
            MethodName::Ncm => Some(Method::Ncm),
            MethodName::Knn => Some(Method::Knn),
            MethodName::CacheModel => Some(Method::CacheModel),
            MethodName::BestLayer => Some(Method::BestLayer),
            MethodName::Head2Toe => Some(Method::Head2Toe),
            MethodName::AllL1 => Some(Method::AllL1),
            MethodName::AllL2 => Some(Method::AllL2),
            MethodName::AllL21 => Some(Method::AllL21),
            _ => None,
        }
    }
}
