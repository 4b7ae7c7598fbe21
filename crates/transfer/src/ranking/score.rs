//! Every score of a sample, with what it takes and when it says nothing.

use std::time::Instant;

use heirloom_data::augment::{Draws, Key};
use serde::{Deserialize, Serialize};

use super::shared::Shared;
use super::{RankingError, Sample};
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

/// Scores of a sample, in the order of `wanted`. What scores share is computed once; the first that needs it has it in its seconds.
#[must_use]
pub fn all(sample: &Sample<'_>, wanted: &[Score]) -> Vec<Scored> {
    let shared = Shared::new(sample.features);
    wanted.iter().map(|score| scored(&shared, sample, *score)).collect()
}

fn scored(shared: &Shared<'_>, sample: &Sample<'_>, score: Score) -> Scored {
    let started = Instant::now();
    // The source's probabilities are finite, or there would be no source.
    let checked = if score.needs_source() { Ok(()) } else { shared.check() };
    let value = checked.and_then(|()| value(shared, sample, score));
    let seconds = started.elapsed().as_secs_f64();
    let above_chance = match &value {
        Ok(value) if is_cheap(score) => above_chance(shared, sample, score, *value),
        _ => None,
    };
    let reason = value.as_ref().err().map(ToString::to_string);
    Scored { score, value: value.ok(), above_chance, reason, seconds }
}

/// Whether it may be repeated for labels in disorder: nearly all of it does not depend on them.
const fn is_cheap(score: Score) -> bool {
    score.needs_source() || matches!(score, Score::LogMe | Score::HScore)
}

fn value(shared: &Shared<'_>, sample: &Sample<'_>, score: Score) -> Result<f64, RankingError> {
    match score {
        Score::LogMe => log_me::score(shared.parts()?, sample),
        Score::HScore => Ok(h_score::shrunk(shared.parts()?, shared.shrinkage()?, sample)),
        Score::SelfChallenging => self_challenging::score(shared, sample),
        Score::TransRate => trans_rate::score(shared, sample),
        Score::Gaussian => gaussian::score(shared, sample),
        Score::Pairwise => pairwise::score(sample),
        Score::Mixture => mixture::score(shared, sample),
        Score::NearestNeighbour => Ok(neighbour::score(shared, sample)),
        Score::Leep => conditional::leep(sample),
        Score::Nce => conditional::nce(sample),
    }
}

fn above_chance(shared: &Shared<'_>, sample: &Sample<'_>, score: Score, found: f64) -> Option<f64> {
    let mut labels = sample.labels.to_vec();
    let mut draws = Draws::of_image(Key { seed: sample.seed, epoch: 5, row: labels.len() });
    let mut values = Vec::new();
    for _ in 0..PERMUTATIONS {
        draws.shuffle(&mut labels);
        values.push(value(shared, &Sample { labels: &labels, ..*sample }, score).ok()?);
    }
    let mean = values.iter().sum::<f64>() / PERMUTATIONS as f64;
    let spread = (values.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (PERMUTATIONS - 1) as f64).sqrt();
    (spread > 0.0).then(|| (found - mean) / spread)
}
