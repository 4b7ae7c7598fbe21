//! Settings of the methods on frozen features.

use clap::{Args, ValueEnum};
use heirloom_transfer::ClassTokenMode;
use heirloom_transfer::heads::{AdamRecipe, LastLayer, Normalization, PenaltyGroups, Ragged, Scorer, Settings, Solver};

use super::MethodName;

/// What can be typed about features and their selection.
#[derive(Debug, Default, Args)]
pub struct FrozenArguments {
    /// How head2toe ranks columns [default: group]
    #[arg(long, value_name = "SCORER")]
    pub scorer: Option<ScorerName>,
    /// Leave out the N best ranks of head2toe's columns: how much worse are those that follow? [default: 0]
    #[arg(long, value_name = "N")]
    pub rank_offset: Option<usize>,
    /// Pull each column's score toward the mean of its layer by this share before head2toe ranks, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub shrink: Option<f64>,
    /// With --replicate: average the scores of N scoring heads, each from other first weights [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub score_repeats: Option<u32>,
    /// With --replicate: what the released code does and the paper does not say
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub as_released: Vec<OddityName>,
    /// What head2toe makes of the last layer alone [default: offered]
    #[arg(long, value_name = "USE")]
    pub last_layer: Option<LastLayerName>,
    /// Largest duality gap of the group lasso (of the lasso for all-l1), as a share of the loss without weights
    /// [default: 0.001; all-l1 and all-l21: 0.0001]
    #[arg(long, value_name = "SHARE")]
    pub gap: Option<f64>,
    /// How the columns of a layer are scaled before a head reads them [default: unit-vector]
    #[arg(long, value_name = "SCALING")]
    pub normalization: Option<NormalizationName>,
    /// What head2toe, all-* and best-layer make of the class token of a transformer's layers [default: normal]
    #[arg(long, value_name = "MODE")]
    pub class_token: Option<ClassTokenName>,
}

impl FrozenArguments {
    /// A flag that was typed and that the method has no use for.
    pub fn misplaced(&self, method: MethodName) -> Option<(&'static str, &'static str)> {
        let head2toe = method == MethodName::Head2Toe;
        let lasso = head2toe || matches!(method, MethodName::AllL1 | MethodName::AllL21);
        let layers =
            matches!(method, MethodName::BestLayer | MethodName::AllL1 | MethodName::AllL2 | MethodName::AllL21);
        let cases = [
            ("--scorer", self.scorer.is_some(), head2toe, "head2toe"),
            ("--rank-offset", self.rank_offset.is_some(), head2toe, "head2toe"),
            ("--shrink", self.shrink.is_some(), head2toe, "head2toe"),
            ("--score-repeats", self.score_repeats.is_some(), head2toe, "head2toe"),
            ("--as-released", !self.as_released.is_empty(), head2toe, "head2toe"),
            ("--last-layer", self.last_layer.is_some(), head2toe, "head2toe"),
            ("--gap", self.gap.is_some(), lasso, "head2toe, all-l1, all-l21"),
            (
                "--class-token",
                self.class_token.is_some(),
                head2toe || layers,
                "head2toe, all-l1, all-l2, all-l21, best-layer",
            ),
            ("--normalization", self.normalization.is_some(), method.trained().is_none(), "methods on frozen features"),
        ];
        cases.into_iter().find(|(_, typed, fits, _)| *typed && !fits).map(|(flag, _, _, of)| (flag, of))
    }

    /// A flag that was typed and that only the paper's recipe, or only the exact solver, has a use for; and which of the two.
    pub fn of_other_solver(&self, replicate: bool) -> Option<(&'static str, &'static str)> {
        let cases = [
            (
                "--gap",
                self.gap.is_some(),
                !replicate,
                "the solver that goes to the optimum; --replicate takes the paper's recipe instead",
            ),
            ("--score-repeats", self.score_repeats.is_some(), replicate, "the paper's recipe, which --replicate takes"),
            ("--as-released", !self.as_released.is_empty(), replicate, "the paper's recipe, which --replicate takes"),
        ];
        cases.into_iter().find(|(_, typed, fits, _)| *typed && !fits).map(|(flag, _, _, of)| (flag, of))
    }

    /// Brings what was typed into the settings.
    pub fn apply(&self, settings: &mut Settings, seed: u64) {
        settings.head2toe.scorer = self.scorer.map(Scorer::from).unwrap_or_default();
        settings.head2toe.rank_offset = self.rank_offset.unwrap_or_default();
        settings.head2toe.last_layer = self.last_layer.map(LastLayer::from).unwrap_or_default();
        settings.head2toe.seed = seed;
        settings.head2toe.shrink = self.shrink.unwrap_or_default();
        settings.all.gap = self.gap.unwrap_or(settings.all.gap);
        match &mut settings.head2toe.solver {
            Solver::Exact { gap, .. } => *gap = self.gap.unwrap_or(*gap),
            Solver::Adam(recipe) => self.apply_to_recipe(recipe, seed),
        }
        settings.class_token = self.class_token.map(ClassTokenMode::from).unwrap_or_default();
        if let Some(name) = self.normalization {
            let kind = name.into();
            settings.linear.normalization = kind;
            settings.ridge.normalization = kind;
            settings.lda.normalization = kind;
            settings.svm.normalization = kind;
            settings.ncm.normalization = kind;
            settings.knn.normalization = kind;
            settings.cache_model.normalization = kind;
            settings.best_layer.normalization = kind;
            settings.head2toe.normalization = kind;
            settings.all.normalization = kind;
        }
    }
}

impl FrozenArguments {
    fn apply_to_recipe(&self, recipe: &mut AdamRecipe, seed: u64) {
        let released = |name: OddityName| self.as_released.contains(&name);
        recipe.seed = seed;
        recipe.repeats = self.score_repeats.map_or(recipe.repeats, |repeats| repeats as usize);
        recipe.squared_scores = released(OddityName::SquaredScores);
        recipe.batched_accuracy = released(OddityName::BatchedAccuracy);
        if released(OddityName::RaggedBatches) {
            recipe.ragged = Ragged::Reference;
        }
        if released(OddityName::LayerPenalty) {
            recipe.groups = PenaltyGroups::TapsWithoutCoefficient;
        }
    }
}

/// What the released code does otherwise than one would expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OddityName {
    /// Scores are squared norms, which matters where they are averaged or shrunk
    SquaredScores,
    /// The last batch of a pass is divided by the size of a whole one, loss and penalty alike
    RaggedBatches,
    /// The penalty takes the weights of a layer together, and its coefficient is 1 whatever is set
    LayerPenalty,
    /// State the accuracy as that code counts it, too: by batches of 50, the last one filled up with errors
    BatchedAccuracy,
}

/// How columns are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScorerName {
    /// Euclidean norm of a column's weights in the group lasso
    Group,
    /// Sum of their absolute values
    L1,
    /// Euclidean norm of a column's weights in a head with a ridge penalty
    L2,
    /// Largest absolute weight in the group lasso
    LInf,
    /// Norm of all weights of the layer in the group lasso
    Layer,
    /// By chance
    Random,
    /// Standard deviation of the column
    StandardDeviation,
    /// Chi-squared statistic of the column's sums per class
    Chi2,
    /// F statistic of the analysis of variance
    AnovaF,
    /// Mutual information of the class and the column's decile
    MutualInformation,
    /// Importance in fifty extremely randomised trees
    ExtraTrees,
}

impl From<ScorerName> for Scorer {
    fn from(name: ScorerName) -> Self {
        match name {
            ScorerName::Group => Self::Group,
            ScorerName::L1 => Self::L1,
            ScorerName::L2 => Self::L2,
            ScorerName::LInf => Self::LInf,
            ScorerName::Layer => Self::Layer,
            ScorerName::Random => Self::Random,
            ScorerName::StandardDeviation => Self::StandardDeviation,
            ScorerName::Chi2 => Self::Chi2,
            ScorerName::AnovaF => Self::AnovaF,
            ScorerName::MutualInformation => Self::MutualInformation,
            ScorerName::ExtraTrees => Self::ExtraTrees,
        }
    }
}

/// Whether the last layer alone stands among the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LastLayerName {
    /// One more candidate beside the selections, taken where no selection is clearly better
    Offered,
    /// Selections only, as in the paper
    Never,
    /// No selection: what linear fits
    Alone,
}

impl From<LastLayerName> for LastLayer {
    fn from(name: LastLayerName) -> Self {
        match name {
            LastLayerName::Offered => Self::Offered,
            LastLayerName::Never => Self::Never,
            LastLayerName::Alone => Self::Alone,
        }
    }
}

/// How columns are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NormalizationName {
    /// Each image's values of a layer divided by their Euclidean norm
    UnitVector,
    /// Each column less its mean, divided by its standard deviation, both of the training rows
    PerFeature,
    /// As they are
    None,
}

impl From<NormalizationName> for Normalization {
    fn from(name: NormalizationName) -> Self {
        match name {
            NormalizationName::UnitVector => Self::UnitVector,
            NormalizationName::PerFeature => Self::PerFeature,
            NormalizationName::None => Self::None,
        }
    }
}

/// What happens to the class token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClassTokenName {
    /// Averaged like any other token
    Normal,
    /// The class token alone
    Only,
    /// The class token kept whole, then the others pooled
    Whole,
}

impl From<ClassTokenName> for ClassTokenMode {
    fn from(name: ClassTokenName) -> Self {
        match name {
            ClassTokenName::Normal => Self::Normal,
            ClassTokenName::Only => Self::Only,
            ClassTokenName::Whole => Self::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use heirloom_transfer::heads::Head2ToeSettings;

    use super::*;

    #[test]
    fn names_are_those_of_the_library() {
        for name in ScorerName::value_variants() {
            let typed = name.to_possible_value().map(|value| value.get_name().to_string());
            assert_eq!(typed.as_deref(), Some(Scorer::from(*name).name()));
        }
        assert_eq!(ScorerName::value_variants().len(), Scorer::ALL.len());
    }

    #[test]
    fn the_gap_reaches_every_method_that_has_one() {
        let mut settings = Settings::default();
        FrozenArguments { gap: Some(1e-6), ..FrozenArguments::default() }.apply(&mut settings, 0);
        assert!(matches!(settings.head2toe.solver, Solver::Exact { gap: 1e-6, .. }));
        assert_eq!(settings.all.gap, 1e-6);
    }

    #[test]
    fn what_the_released_code_does_reaches_the_recipe() {
        let mut settings = Settings { head2toe: Head2ToeSettings::replication(), ..Settings::default() };
        let as_released = OddityName::value_variants().to_vec();
        let typed =
            FrozenArguments { score_repeats: Some(3), as_released, shrink: Some(0.5), ..FrozenArguments::default() };
        typed.apply(&mut settings, 9);
        let Solver::Adam(recipe) = settings.head2toe.solver else { panic!("the recipe is gone") };
        assert!(recipe.squared_scores && recipe.batched_accuracy && recipe.ragged == Ragged::Reference);
        assert_eq!((recipe.groups, recipe.repeats, recipe.seed), (PenaltyGroups::TapsWithoutCoefficient, 3, 9));
        assert_eq!(settings.head2toe.shrink, 0.5);
        assert_eq!(typed.of_other_solver(true), None);
        assert_eq!(typed.of_other_solver(false).map(|(flag, _)| flag), Some("--score-repeats"));
        let certified = FrozenArguments { gap: Some(1e-6), ..FrozenArguments::default() };
        assert_eq!(certified.of_other_solver(false), None);
        assert_eq!(certified.of_other_solver(true).map(|(flag, _)| flag), Some("--gap"));
    }

    #[test]
    fn flags_of_other_methods_are_named() {
        let typed = FrozenArguments { rank_offset: Some(3), ..FrozenArguments::default() };
        assert_eq!(typed.misplaced(MethodName::Linear), Some(("--rank-offset", "head2toe")));
        assert_eq!(typed.misplaced(MethodName::Head2Toe), None);
        let certified = FrozenArguments { gap: Some(1e-6), ..FrozenArguments::default() };
        assert_eq!(certified.misplaced(MethodName::AllL2), Some(("--gap", "head2toe, all-l1, all-l21")));
        assert_eq!(certified.misplaced(MethodName::AllL21), None);
        let scaled =
            FrozenArguments { normalization: Some(NormalizationName::PerFeature), ..FrozenArguments::default() };
        assert_eq!(scaled.misplaced(MethodName::Auto), None);
        assert!(scaled.misplaced(MethodName::Full).is_some());
    }
}
