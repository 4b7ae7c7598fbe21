//! From two domains as they come to a source that can be compared with the target: preprocessing, then alignment.

use serde::{Deserialize, Serialize};

use super::{AdaptationError, ColumnScaling, ColumnStatistics, Coral, Covariance, Preprocessing, Samples};

/// How the source is moved towards the target after preprocessing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Not at all.
    Raw,
    /// Second moments by [`Coral`].
    Coral {
        /// Times the identity, added to both covariances; 1 in EasyTL and in CORAL.
        lambda: f64,
    },
}

impl Alignment {
    /// CORAL with the identity itself added to both covariances.
    pub const CORAL: Self = Self::Coral { lambda: 1.0 };

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Coral { .. } => "coral",
        }
    }
}

/// Preprocessing and alignment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adaptation {
    /// What happens to rows and columns.
    pub preprocessing: Preprocessing,
    /// How the source is aligned.
    pub alignment: Alignment,
}

/// Both domains, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapted {
    /// The source, preprocessed and aligned.
    pub source: Samples,
    /// The target, preprocessed.
    pub target: Samples,
    /// What the target's columns were scaled by; what a predictor for single rows has to keep.
    pub target_columns: Option<ColumnStatistics>,
}

impl Adaptation {
    /// Brings the two domains together.
    ///
    /// # Errors
    /// Different columns, an empty domain, one row where a covariance is needed.
    pub fn apply(&self, source: &Samples, target: &Samples) -> Result<Adapted, AdaptationError> {
        let (source_columns, target_columns) = (source.columns(), target.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        for (domain, rows) in [("source", source.rows()), ("target", target.rows())] {
            if rows == 0 {
                return Err(AdaptationError::TooFewRows { domain, rows, needed: 1 });
            }
        }
        let (source, target, target_columns) = self.preprocessing.apply(source, target);
        let source = match self.alignment {
            Alignment::Raw => source,
            Alignment::Coral { lambda } => {
                let (from, to) = (Covariance::of(&source, "source")?, Covariance::of(&target, "target")?);
                Coral::new(&from, &to, lambda)?.align(&source)
            }
        };
        Ok(Adapted { source, target, target_columns })
    }

    /// What the unlabelled target takes part in, in words; empty when in nothing.
    #[must_use]
    pub fn uses_of_target(&self) -> Vec<&'static str> {
        let mut uses = Vec::new();
        if self.preprocessing.columns == ColumnScaling::DomainZScore {
            uses.push("mean and standard deviation of its columns (z-score within the domain)");
        }
        if matches!(self.alignment, Alignment::Coral { .. }) {
            uses.push("covariance of its columns (CORAL)");
        }
        uses
    }
}
