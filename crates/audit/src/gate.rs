//! Limits that a user sets on an audit, as text: `asr>0.2`, `scan>0.3`, `group-gap>0.1`, `worst-group<0.6`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::AuditRecord;

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
    pub const ALL: [Self; 4] = [Self::Asr, Self::Scan, Self::GroupGap, Self::WorstGroup];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asr => "asr",
            Self::Scan => "scan",
            Self::GroupGap => "group-gap",
            Self::WorstGroup => "worst-group",
        }
    }

    /// On which side of the limit the figure must not lie.
    const fn sign(self) -> char {
        if matches!(self, Self::WorstGroup) { '<' } else { '>' }
    }

    /// Whether it is known only where groups are.
    #[must_use]
    pub const fn needs_groups(self) -> bool {
        matches!(self, Self::GroupGap | Self::WorstGroup)
    }
}

impl Gate {
    /// Holds a record against the limit.
    #[must_use]
    pub fn hold(self, record: &AuditRecord) -> Gating {
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
        for text in ["asr>0.2", "scan>0.3", "group-gap>0.1", "worst-group<0.65"] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        assert_eq!(" asr > 0.2".parse::<Gate>().unwrap().limit, 0.2);
    }

    #[test]
    fn other_texts_are_refused_with_what_would_do() {
        for text in ["asr", "asr<0.2", "worst-group>0.1", "accuracy<0.5", "asr>many", "asr>", ">0.2"] {
            let refused = text.parse::<Gate>().unwrap_err();
            assert!(refused.contains("asr>SHARE") && refused.contains("worst-group<SHARE"), "{text}: {refused}");
        }
        assert!("asr>20".parse::<Gate>().unwrap_err().contains("0 to 1"));
    }
}
