//! The ways to label a target.

use std::sync::atomic::AtomicBool;

use heirloom_data::SplitInput;
use heirloom_engine::Shape;
use heirloom_transfer::adaptation::{
    Adaptation, Alignment, ColumnScaling, DeepMethod, DeepOptions, EasyTl, Preprocessing, Samples, ShallowMethod,
    ShallowOptions, label_deep, label_shallow, nearest_neighbour,
};
use heirloom_transfer::heads::{HeadError, Method, Settings, Training, fit};
use heirloom_transfer::{Block, Features, Pooling};
use serde::{Deserialize, Serialize};

use super::Domain;
use crate::predicted::largest;
use crate::study::StudyError;

/// Folds that the support vector machine's penalty is chosen on, all of the source.
const FOLDS: usize = 5;

/// A way to label a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The label of the nearest source row.
    NearestNeighbour,
    /// EasyTL without alignment.
    EasyTlRaw,
    /// EasyTL with CORAL.
    EasyTlCoral,
    /// A support vector machine on the source moved by CORAL.
    CoralSvm,
    /// The network of the deep methods on the source alone, columns of each domain standardised by themselves, as all other ways have them.
    Standardised,
    /// A shallow method with its usual settings, on columns standardised within each domain.
    Shallow(ShallowMethod),
    /// A deep method; the source alone, which has nothing of the target, has columns standardised as those of the source.
    Deep(DeepMethod),
}

impl Way {
    /// The control.
    pub const CONTROL: Self = Self::Deep(DeepMethod::SourceOnly);

    /// All, closed forms first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let closed = [Self::NearestNeighbour, Self::EasyTlRaw, Self::EasyTlCoral, Self::CoralSvm, Self::Standardised];
        closed.into_iter().chain(ShallowMethod::ALL.map(Self::Shallow)).chain(DeepMethod::ALL.map(Self::Deep)).collect()
    }

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NearestNeighbour => "nearest neighbour",
            Self::EasyTlRaw => "EasyTL, raw",
            Self::EasyTlCoral => "EasyTL, CORAL",
            Self::CoralSvm => "CORAL, SVM",
            Self::Standardised => "source only, standardised",
            Self::Shallow(method) => method.name(),
            Self::Deep(method) => method.name(),
        }
    }

    /// Whether a seed changes anything.
    #[must_use]
    pub const fn is_drawn(self) -> bool {
        matches!(self, Self::Standardised | Self::Deep(_))
    }

    /// Labels of the target's rows.
    pub(super) fn label(
        self,
        source: &Domain,
        target: &Samples,
        classes: usize,
        deep: &DeepOptions,
        cancel: Option<&AtomicBool>,
    ) -> Result<Vec<usize>, StudyError> {
        let aligned =
            |alignment| Adaptation { preprocessing: Preprocessing::EASYTL, alignment }.apply(&source.samples, target);
        let easytl = |alignment| -> Result<Vec<usize>, StudyError> {
            let method = EasyTl::default();
            Ok(method.label_adapted(&aligned(alignment)?, &source.labels, classes)?.labels)
        };
        let trained = |method, columns| -> Result<Vec<usize>, StudyError> {
            let preprocessing = Preprocessing { columns, ..Preprocessing::EASYTL };
            let adapted = Adaptation { preprocessing, alignment: Alignment::Raw }.apply(&source.samples, target)?;
            Ok(label_deep(method, &adapted.source, &source.labels, &adapted.target, classes, deep, cancel)?)
        };
        match self {
            Self::NearestNeighbour => {
                let adapted = aligned(Alignment::Raw)?;
                Ok(nearest_neighbour(&adapted.source, &source.labels, &adapted.target)?)
            }
            Self::EasyTlRaw => easytl(Alignment::Raw),
            Self::EasyTlCoral => easytl(Alignment::CORAL),
            Self::CoralSvm => {
                let adapted = aligned(Alignment::CORAL)?;
                machine(&adapted.source, &source.labels, &adapted.target, classes)
            }
            Self::Shallow(method) => {
                let (domains, options) = (aligned(Alignment::Raw)?, ShallowOptions::default());
                let (from, to) = (&domains.source, &domains.target);
                Ok(label_shallow(method, from, &source.labels, to, classes, &options, cancel)?.labels)
            }
            Self::Standardised => trained(DeepMethod::SourceOnly, ColumnScaling::DomainZScore),
            Self::Deep(DeepMethod::SourceOnly) => trained(DeepMethod::SourceOnly, ColumnScaling::SourceZScore),
            Self::Deep(method) => trained(method, ColumnScaling::DomainZScore),
        }
    }
}

/// A support vector machine fitted on the one and asked for the other.
fn machine(source: &Samples, labels: &[usize], target: &Samples, classes: usize) -> Result<Vec<usize>, StudyError> {
    let values = source.values().iter().chain(target.values()).map(|value| *value as f32).collect();
    let (width, shape) = (source.columns(), Shape::Vector { channels: source.columns() });
    let block = Block { tap: "features".to_owned(), shape, pooling: Pooling::MEAN, width, values };
    let features = Features { rows: source.rows() + target.rows(), blocks: vec![block] };
    let rows: Vec<usize> = (0..source.rows()).collect();
    let folds = heirloom_data::folds(SplitInput { labels, groups: None, keys: None }, FOLDS, 0);
    let reason =
        |error: heirloom_data::SplitError| StudyError::Data { set: "folds".to_owned(), reason: error.to_string() };
    let mut folds = folds.map_err(reason)?.fold_of;
    let mut labels = labels.to_vec();
    // Rows of the target have no label here; those of the fit alone are read.
    folds.resize(features.rows, 0);
    labels.resize(features.rows, 0);
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes };
    let unusable =
        |error: HeadError| StudyError::Data { set: "support vector machine".to_owned(), reason: error.to_string() };
    let fitted = fit(Method::Svm, &training, &Settings::default()).map_err(unusable)?;
    let asked: Vec<usize> = (source.rows()..features.rows).collect();
    let logits = fitted.head.logits(&features, &asked).map_err(unusable)?;
    Ok(logits.chunks(classes.max(1)).map(largest).collect())
}
