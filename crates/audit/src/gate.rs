//! Limits that a user sets on an audit, as text: `asr>0.2`, `scan>0.3`, `group-gap>0.1`, `worst-group<0.6`, `corruption>0.1`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::AuditRecord;
use crate::robustness::{RobustnessRecord, Score};

/// Change that an attack is limited at, in steps of a 256th.
const LEVELS: f64 = 2.0;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gated {
    /// The largest excess of a trigger over the strongest of its controls (over the references, where there are some).
    Asr,
    /// The score of the scan for unknown triggers (over the references, where there are some).
    Scan,
    /// The largest difference of accuracy between groups.
    GroupGap,
    /// The lowest accuracy of a cell of class and group.
    WorstGroup,
    /// Root mean square deviation of certainty from accuracy.
    Calibration,
    /// What common corruptions cost in accuracy, mean over kinds and severities.
    Corruption,
    /// Accuracy when values are changed against the model by at most two of 255 grey levels.
    Adversarial,
    /// How well certainty tells images of no class: the smallest area under the curve over the sets.
    Outliers,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What is limited.
    pub of: Gated,
    /// The limit, a share.
    pub limit: f64,
}

/// A limit with the figure it was held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gating {
    /// The limit.
    #[serde(flatten)]
    pub gate: Gate,
    /// The figure; none where it is undefined.
    pub value: Option<f64>,
    /// Whether the figure lies beyond the limit.
    pub crossed: bool,
}

impl Gated {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Asr,
        Self::Scan,
        Self::GroupGap,
        Self::WorstGroup,
        Self::Calibration,
        Self::Corruption,
        Self::Adversarial,
        Self::Outliers,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asr => "asr",
            Self::Scan => "scan",
            Self::GroupGap => "group-gap",
            Self::WorstGroup => "worst-group",
            Self::Calibration => "calibration",
            Self::Corruption => "corruption",
            Self::Adversarial => "adversarial",
            Self::Outliers => "outliers",
        }
    }

    /// On which side of the limit the figure must not lie.
    const fn sign(self) -> char {
        if matches!(self, Self::WorstGroup | Self::Adversarial | Self::Outliers) { '<' } else { '>' }
    }

    /// Whether it is known only where groups are.
    #[must_use]
    pub const fn needs_groups(self) -> bool {
        matches!(self, Self::GroupGap | Self::WorstGroup)
    }
}

impl Gated {
    /// Whether it is known only where robustness was measured.
    #[must_use]
    pub const fn needs_robustness(self) -> bool {
        matches!(self, Self::Calibration | Self::Corruption | Self::Adversarial | Self::Outliers)
    }

    /// What was measured of robustness.
    fn of_robustness(self, record: &RobustnessRecord) -> Option<f64> {
        match self {
            Self::Calibration => Some(record.calibration.adaptive_error),
            Self::Corruption => record.corruptions.drop.map(|drop| drop.value),
            Self::Adversarial => {
                let at = |one: &&crate::robustness::AdversarialRecord| (255.0 * one.epsilon - LEVELS).abs() < 1e-6;
                record.adversarial.iter().find(at).map(|one| one.accuracy.value)
            }
            Self::Outliers => {
                let probability = |(score, told): &(Score, crate::robustness::Detected)| {
                    (*score == Score::MaximumProbability).then_some(told.area)
                };
                let areas = record.outliers.iter().filter_map(|set| set.scores.iter().find_map(probability));
                areas.min_by(f64::total_cmp)
            }
            Self::Asr | Self::Scan | Self::GroupGap | Self::WorstGroup => None,
        }
    }
}

impl Gate {
    /// Holds what was found against the limit.
    #[must_use]
    pub fn hold(self, record: &AuditRecord, robustness: Option<&RobustnessRecord>) -> Gating {
        let groups = record.groups.as_ref().map(|groups| &groups.measures);
        let value = match self.of {
            Gated::Asr => {
                let figures =
                    record.triggers.reported.iter().map(|one| one.over_references.unwrap_or(one.over_strongest).value);
                figures.max_by(f64::total_cmp)
            }
            Gated::Scan => record.scan.as_ref().and_then(|scan| scan.over_references.or(scan.score)),
            Gated::GroupGap => groups.and_then(|measures| measures.gap).map(|gap| gap.gap.value),
            Gated::WorstGroup => groups.and_then(|measures| measures.worst).map(|cell| cell.right.value),
            other => robustness.and_then(|record| other.of_robustness(record)),
        };
        let beyond = |value: f64| if self.of.sign() == '>' { value > self.limit } else { value < self.limit };
        Gating { gate: self, value, crossed: value.is_some_and(beyond) }
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || {
            let form = |of: Gated| format!("{}{}SHARE", of.name(), of.sign());
            format!("expected one of {}, as in asr>0.2", Gated::ALL.map(form).join(", "))
        };
        let at = text.find(['<', '>']).ok_or_else(known)?;
        let (name, rest) = text.split_at(at);
        let of = Gated::ALL.into_iter().find(|of| of.name() == name.trim()).ok_or_else(known)?;
        let limit = rest.strip_prefix(of.sign()).ok_or_else(known)?.trim().parse::<f64>().map_err(|_| known())?;
        if (0.0..=1.0).contains(&limit) {
            Ok(Self { of, limit })
        } else {
            Err(format!("the limit of {name} is {limit}: a share from 0 to 1 is expected"))
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.of.name(), self.of.sign(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_as_they_are_written() {
        let of_robustness = ["calibration>0.1", "corruption>0.2", "adversarial<0.3", "outliers<0.8"];
        for text in ["asr>0.2", "scan>0.3", "group-gap>0.1", "worst-group<0.65"].into_iter().chain(of_robustness) {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        assert_eq!(" asr > 0.2".parse::<Gate>().unwrap().limit, 0.2);
    }

    #[test]
    fn other_texts_are_refused_with_what_would_do() {
        for text in ["asr", "asr<0.2", "outliers>0.2", "worst-group>0.1", "accuracy<0.5", "asr>many", "asr>", ">0.2"] {
            let refused = text.parse::<Gate>().unwrap_err();
            assert!(refused.contains("asr>SHARE") && refused.contains("worst-group<SHARE"), "{text}: {refused}");
        }
        assert!("asr>20".parse::<Gate>().unwrap_err().contains("0 to 1"));
    }
}
