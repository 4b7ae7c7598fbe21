//! What learns from an episode.

use serde::{Deserialize, Serialize};

use super::self_training::self_trained;
use super::soft_prototypes::refined;
use super::{Episode, EpisodeError, EpisodeOptions};
use crate::fit::most_probable;
use crate::heads::{Affine, Matrix, Metric, Sums, logistic_path};

/// Penalty of the logistic head, relative to the mean square norm of the centred rows, and how exactly it is fitted.
const PENALTY: f64 = 0.01;
const TOLERANCE: f64 = 1e-4;

/// A learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learner {
    /// The nearest class mean (prototypical networks, Snell, Swersky, Zemel 2017).
    Prototypes,
    /// The class mean of the smallest angle.
    CosinePrototypes,
    /// Logistic regression.
    Logistic,
    /// Class means moved once towards unlabelled rows, each as far as it belongs to them (Ren et al. 2018).
    SoftPrototypes,
    /// Logistic regression that takes more and more of its surest answers to unlabelled rows for labels (Lee 2013; in the order of
    /// Cascante-Bonilla et al. 2021).
    SelfTraining,
}

impl Learner {
    /// Those that an episode can be given to.
    pub(super) fn of(options: &EpisodeOptions) -> Vec<Self> {
        let mut learners = vec![Self::Prototypes, Self::CosinePrototypes, Self::Logistic];
        if options.unlabelled > 0 {
            learners.extend([Self::SoftPrototypes, Self::SelfTraining]);
        }
        learners
    }

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prototypes => "prototypes",
            Self::CosinePrototypes => "prototypes, cosine",
            Self::Logistic => "logistic regression",
            Self::SoftPrototypes => "soft prototypes",
            Self::SelfTraining => "self-training",
        }
    }

    /// The same without unlabelled rows.
    #[must_use]
    pub const fn without_unlabelled(self) -> Option<Self> {
        match self {
            Self::SoftPrototypes => Some(Self::CosinePrototypes),
            Self::SelfTraining => Some(Self::Logistic),
            _ => None,
        }
    }

    /// Share of an episode's judged rows that it answers right.
    pub(super) fn accuracy(self, rows: &Matrix, episode: &Episode, ways: usize) -> Result<f64, EpisodeError> {
        let (support, labels): (Vec<usize>, Vec<usize>) = episode.support.iter().copied().unzip();
        let support = rows.select_rows(&support);
        let unlabelled = || rows.select_rows(&episode.unlabelled);
        let rule = match self {
            Self::Prototypes => Sums::of(&support, &labels, ways).rule(Metric::Euclidean, 1.0),
            Self::CosinePrototypes => Sums::of(&support, &labels, ways).rule(Metric::Cosine, 1.0),
            Self::Logistic => logistic(support, &labels, ways)?,
            Self::SoftPrototypes => refined(&support, &labels, &unlabelled(), ways).rule(Metric::Cosine, 1.0),
            Self::SelfTraining => self_trained(&support, &labels, &unlabelled(), ways)?,
        };
        let (queries, expected): (Vec<usize>, Vec<usize>) = episode.queries.iter().copied().unzip();
        let answers = answers(&rule.logits(&rows.select_rows(&queries)), ways);
        let right = answers.iter().zip(&expected).filter(|(answer, expected)| answer == expected).count();
        Ok(right as f64 / expected.len().max(1) as f64)
    }
}

/// Logistic regression with the fixed penalty.
pub(super) fn logistic(rows: Matrix, labels: &[usize], ways: usize) -> Result<Affine, EpisodeError> {
    let rule = logistic_path(rows, labels, ways, &[PENALTY], TOLERANCE)?.pop();
    Ok(rule.ok_or(crate::heads::HeadError::NoRows)?)
}

/// The class of the largest logit of each row, the first of equals.
fn answers(logits: &[f32], classes: usize) -> Vec<usize> {
    logits.chunks(classes.max(1)).map(most_probable).collect()
}
