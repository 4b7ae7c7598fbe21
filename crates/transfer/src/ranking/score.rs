//! Every score of a sample, with what it takes and when it says nothing.

use std::time::Instant;

use heirloom_data::augment::{Draws, Key};
use heirloom_matrix::Mat;
use serde::{Deserialize, Serialize};

use super::decomposition::decompose;
use super::{RankingError, Sample, centred};
use super::{conditional, gaussian, h_score, log_me, mixture, neighbour, pairwise, self_challenging, trans_rate};

/// Permutations of the labels that the chance level of a score comes from.
const PERMUTATIONS: usize = 20;

/// Scores; of each the larger is the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Evidence of Bayesian linear regression (You et al. 2021).
    #[serde(rename = "logme")]
    LogMe,
    /// Spread between the classes, covariance shrunk (Bao et al. 2019; Ibrahim et al. 2021).
    HScore,
    /// Shrunken discriminant analysis after rows were drawn toward other classes (Shao et al. 2022).
    #[serde(rename = "sfda")]
    SelfChallenging,
    /// Coding rate less that within classes (Huang et al. 2022).
    #[serde(rename = "transrate")]
    TransRate,
    /// Overlap of the classes as normal distributions (Pandy et al. 2022).
    #[serde(rename = "gbc")]
    Gaussian,
    /// Distances of rows against those of labels (Bolya et al. 2021).
    #[serde(rename = "parc")]
    Pairwise,
    /// Mixture components foretell the classes (Li et al. 2021).
    #[serde(rename = "n-leep")]
    Mixture,
    /// Nearest other row.
    NearestNeighbour,
    /// Source classes foretell the classes, softly (Nguyen et al. 2020).
    #[serde(rename = "leep")]
    Leep,
    /// The same by the source's answers (Tran et al. 2019).
    #[serde(rename = "nce")]
    Nce,
}

impl Score {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::LogMe,
        Self::HScore,
        Self::SelfChallenging,
        Self::TransRate,
        Self::Gaussian,
        Self::Pairwise,
        Self::Mixture,
        Self::NearestNeighbour,
        Self::Leep,
        Self::Nce,
    ];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogMe => "logme",
            Self::HScore => "h-score",
            Self::SelfChallenging => "sfda",
            Self::TransRate => "transrate",
            Self::Gaussian => "gbc",
            Self::Pairwise => "parc",
            Self::Mixture => "n-leep",
            Self::NearestNeighbour => "nearest-neighbour",
            Self::Leep => "leep",
            Self::Nce => "nce",
        }
    }

    /// Whether it reads the source's own classifier.
    #[must_use]
    pub const fn needs_source(self) -> bool {
        matches!(self, Self::Leep | Self::Nce)
    }
}

/// A score of one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Which.
    pub score: Score,
    /// The value; `None` where it says nothing.
    pub value: Option<f64>,
    /// How far above labels in disorder, in standard deviations of those; for scores that are cheap to repeat.
    pub above_chance: Option<f64>,
    /// Why it says nothing.
    pub reason: Option<String>,
    /// Seconds it took, without those above chance.
    pub seconds: f64,
}

/// Scores of a sample, in the order of `wanted`.
#[must_use]
pub fn all(sample: &Sample<'_>, wanted: &[Score]) -> Vec<Scored> {
    wanted.iter().map(|score| scored(sample, *score)).collect()
}

fn scored(sample: &Sample<'_>, score: Score) -> Scored {
    let started = Instant::now();
    let prepared = Prepared::of(sample, score);
    let value = prepared.as_ref().map_err(Clone::clone).and_then(|prepared| prepared.value(sample, score));
    let seconds = started.elapsed().as_secs_f64();
    let above_chance = match (&prepared, &value) {
        (Ok(prepared), Ok(value)) if prepared.is_cheap(score) => above_chance(prepared, sample, score, *value),
        _ => None,
    };
    let reason = value.as_ref().err().map(ToString::to_string);
    Scored { score, value: value.ok(), above_chance, reason, seconds }
}

/// What of a score does not depend on labels.
enum Prepared {
    HScore(h_score::Prepared),
    LogMe(super::decomposition::Decomposition),
    Nothing,
}

impl Prepared {
    fn of(sample: &Sample<'_>, score: Score) -> Result<Self, RankingError> {
        finite(sample.features)?;
        Ok(match score {
            Score::HScore => Self::HScore(h_score::prepare(sample.features)?),
            Score::LogMe => Self::LogMe(decompose(&centred(sample.features))?),
            _ => Self::Nothing,
        })
    }

    /// Whether it may be repeated for labels in disorder.
    const fn is_cheap(&self, score: Score) -> bool {
        !matches!(self, Self::Nothing) || score.needs_source()
    }

    fn value(&self, sample: &Sample<'_>, score: Score) -> Result<f64, RankingError> {
        match (self, score) {
            (Self::HScore(prepared), _) => Ok(h_score::shrunk(prepared, sample)),
            (Self::LogMe(parts), _) => log_me::score(parts, sample),
            (Self::Nothing, Score::SelfChallenging) => self_challenging::score(sample),
            (Self::Nothing, Score::TransRate) => trans_rate::score(sample),
            (Self::Nothing, Score::Gaussian) => gaussian::score(sample),
            (Self::Nothing, Score::Pairwise) => pairwise::score(sample),
            (Self::Nothing, Score::Mixture) => mixture::score(sample),
            (Self::Nothing, Score::Leep) => conditional::leep(sample),
            (Self::Nothing, Score::Nce) => conditional::nce(sample),
            (Self::Nothing, Score::NearestNeighbour | Score::HScore | Score::LogMe) => Ok(neighbour::score(sample)),
        }
    }
}

fn finite(features: &Mat<f64>) -> Result<(), RankingError> {
    let all = (0..features.ncols()).all(|column| features.col(column).iter().all(|value| value.is_finite()));
    if all { Ok(()) } else { Err(RankingError::Undefined("a feature that is not finite")) }
}

fn above_chance(prepared: &Prepared, sample: &Sample<'_>, score: Score, value: f64) -> Option<f64> {
    let mut labels = sample.labels.to_vec();
    let mut draws = Draws::of_image(Key { seed: sample.seed, epoch: 5, row: labels.len() });
    let mut values = Vec::new();
    for _ in 0..PERMUTATIONS {
        draws.shuffle(&mut labels);
        values.push(prepared.value(&Sample { labels: &labels, ..*sample }, score).ok()?);
    }
    let mean = values.iter().sum::<f64>() / PERMUTATIONS as f64;
    let spread = (values.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (PERMUTATIONS - 1) as f64).sqrt();
    (spread > 0.0).then(|| (value - mean) / spread)
}
