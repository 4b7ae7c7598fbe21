//! Heads: what maps frozen features to classes. One file per method; all of them are fitted through [`fit`], choose their
//! settings on the training rows alone, and end in one [`Head`] that predicts, is stored and is read back in the same way.

mod affine;
mod best_layer;
mod between;
mod cache_model;
mod choice;
pub(crate) mod dense;
mod eigen;
mod error;
mod given;
mod head;
mod head2toe;
mod hinge;
mod input;
mod knn;
mod layers;
mod lda;
mod linear;
pub(crate) mod logistic;
mod method;
mod ncm;
mod normalization;
mod ridge;
mod softmax;
mod stored;
mod svm;
mod temperature;
mod training;

pub use best_layer::BestLayerSettings;
pub use cache_model::CacheModelSettings;
pub use choice::{Candidate, Certificate, Choice, Setting};
pub use error::HeadError;
pub use given::{Given, fit_linear_given};
pub use head::{Head, probabilities};
pub use head2toe::{
    AdamRecipe, AllSettings, Head2ToeSettings, LastLayer, PenaltyGroups, Ragged, Scorer, Solver, batched_accuracy,
    cosine_schedule, kept_columns,
};
pub use input::Input;
pub use knn::{KnnSettings, Weighting};
pub use layers::LayerShare;
pub use lda::{LdaSettings, Shrinkage};
pub use linear::LinearSettings;
pub use method::{Method, recipe};
pub use ncm::{Metric, NcmSettings};
pub use normalization::Normalization;
pub use ridge::RidgeSettings;
pub(crate) use softmax::PROBABILITY_FLOOR;
pub use stored::{StoredHead, StoredTensor};
pub use svm::SvmSettings;
pub use temperature::{Temperature, fit_temperature};
pub use training::Training;

pub(crate) use affine::{Affine, logistic_path};
pub(crate) use dense::Matrix;
pub(crate) use head::Rule;
pub(crate) use input::{gather, gather_raw, missing_block};
pub(crate) use linear::half_decades;
pub(crate) use ncm::Sums;
pub(crate) use normalization::{Normalizer, unit_vector};

use crate::ClassTokenMode;

/// Settings of every method; each reads its own part.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The tap read by the methods that read one; needed only where the features hold more than one block.
    pub penultimate: String,
    /// Settings of `linear`.
    pub linear: LinearSettings,
    /// Settings of `ridge`.
    pub ridge: RidgeSettings,
    /// Settings of `lda`.
    pub lda: LdaSettings,
    /// Settings of `svm`.
    pub svm: SvmSettings,
    /// Settings of `ncm`.
    pub ncm: NcmSettings,
    /// Settings of `knn`.
    pub knn: KnnSettings,
    /// Settings of `cache-model`.
    pub cache_model: CacheModelSettings,
    /// What happens to the class token in the methods that read all taps.
    pub class_token: ClassTokenMode,
    /// Settings of `best-layer`.
    pub best_layer: BestLayerSettings,
    /// Settings of `head2toe`.
    pub head2toe: Head2ToeSettings,
    /// Settings of `all-l1`, `all-l2` and `all-l21`.
    pub all: AllSettings,
}

impl Settings {
    /// What `method` reads of these settings, as one string: equal strings, equal settings.
    #[must_use]
    pub fn describe(&self, method: Method) -> String {
        match method {
            Method::Linear => format!("{} {:?}", self.penultimate, self.linear),
            Method::Ridge => format!("{} {:?}", self.penultimate, self.ridge),
            Method::Lda => format!("{} {:?}", self.penultimate, self.lda),
            Method::Svm => format!("{} {:?}", self.penultimate, self.svm),
            Method::Ncm => format!("{} {:?}", self.penultimate, self.ncm),
            Method::Knn => format!("{} {:?}", self.penultimate, self.knn),
            Method::CacheModel => format!("{} {:?}", self.penultimate, self.cache_model),
            Method::BestLayer => format!("{:?} {:?}", self.class_token, self.best_layer),
            Method::Head2Toe => format!("{} {:?} {:?}", self.penultimate, self.class_token, self.head2toe),
            Method::AllL1 | Method::AllL2 | Method::AllL21 => format!("{:?} {:?}", self.class_token, self.all),
        }
    }
}

impl Settings {
    /// The pooling targets whose features `method` reads, where `asked` are those of the methods that take layers as wide as they can get.
    #[must_use]
    pub fn targets<'a>(&'a self, method: Method, asked: &'a [usize]) -> &'a [usize] {
        if method == Method::BestLayer { &self.best_layer.targets } else { asked }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            penultimate: "pre_logits".to_string(),
            linear: LinearSettings::default(),
            ridge: RidgeSettings::default(),
            lda: LdaSettings::default(),
            svm: SvmSettings::default(),
            ncm: NcmSettings::default(),
            knn: KnnSettings::default(),
            cache_model: CacheModelSettings::default(),
            class_token: ClassTokenMode::Normal,
            best_layer: BestLayerSettings::default(),
            head2toe: Head2ToeSettings::default(),
            all: AllSettings::default(),
        }
    }
}

/// A head and how its settings were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The head, fitted on all training rows with the settings chosen.
    pub head: Head,
    /// The settings, the table they were chosen from, and the out-of-fold logits.
    pub choice: Choice,
}

impl Fitted {
    /// Gives the head the temperature that calibrates the out-of-fold logits.
    pub(crate) fn calibrated(mut head: Head, choice: Choice, labels: &[usize]) -> Self {
        head.temperature = fit_temperature(&choice.out_of_fold, head.classes, labels).value;
        Self { head, choice }
    }

    /// Calibrated out-of-fold probabilities `[training rows, classes]`, in the order of `choice.rows`.
    #[must_use]
    pub fn out_of_fold_probabilities(&self) -> Vec<f32> {
        probabilities(&self.choice.out_of_fold, self.head.classes, self.head.temperature)
    }
}

/// Fits `linear` on the columns of any inputs side by side, each scaled by itself.
pub(crate) fn fit_linear_on(
    training: &Training<'_>,
    inputs: Vec<Input>,
    settings: &LinearSettings,
) -> Result<Fitted, HeadError> {
    linear::fit(training, &training.check()?, inputs, settings)
}

/// Fits a head on the training rows and nothing else: settings, normalisation, selection and temperature all come from them.
///
/// # Errors
/// Input that cannot be fitted ([`HeadError`] names the row, tap or setting): values that are not finite, a label past the
/// number of classes, one class only, a single fold.
pub fn fit(method: Method, training: &Training<'_>, settings: &Settings) -> Result<Fitted, HeadError> {
    let checked = training.check()?;
    let inputs = || training.penultimate(&settings.penultimate);
    match method {
        Method::Linear => linear::fit(training, &checked, inputs()?, &settings.linear),
        Method::Ridge => ridge::fit(training, &checked, inputs()?, &settings.ridge),
        Method::Lda => lda::fit(training, &checked, inputs()?, &settings.lda),
        Method::Svm => svm::fit(training, &checked, inputs()?, &settings.svm),
        Method::Ncm => ncm::fit(training, &checked, inputs()?, &settings.ncm),
        Method::Knn => knn::fit(training, &checked, inputs()?, &settings.knn),
        Method::CacheModel => cache_model::fit(training, &checked, inputs()?, &settings.cache_model),
        Method::BestLayer => best_layer::fit(training, &checked, &settings.best_layer, settings.class_token),
        Method::Head2Toe => {
            head2toe::fit(training, &checked, &settings.head2toe, &settings.penultimate, settings.class_token)
        }
        Method::AllL1 | Method::AllL2 | Method::AllL21 => {
            head2toe::fit_all(training, &checked, method, &settings.all, settings.class_token)
        }
    }
}
