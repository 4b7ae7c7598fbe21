//! How a command ends badly: the fact with its numbers, one hint, and the exit code of the contract
//! (1 rows skipped under `--strict`, 2 usage or input, 3 internal, 4 a gate that the user set).

use std::fmt;

/// A command that could not do what was asked.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Something about the input or the settings is wrong: exit code 2.
    pub fn input(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 2 }
    }

    /// A defect of the program: exit code 3.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self {
            message: format!("internal error: {message}"),
            hint: Some(
                "this is a defect of heirloom; run again with RUST_BACKTRACE=1 and report what it prints".to_string(),
            ),
            code: 3,
        }
    }

    /// The failure with a remedy.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The failure with a remedy, where there is one.
    pub fn hinted(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// The fact, without the remedy.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The failure as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.message, "hint": self.hint, "exit_code": self.code })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<heirloom_data::TableError> for Failure {
    fn from(error: heirloom_data::TableError) -> Self {
        Self::input(error.to_string()).hinted(error.hint())
    }
}

impl From<heirloom_zoo::ZooError> for Failure {
    fn from(error: heirloom_zoo::ZooError) -> Self {
        Self::input(error.to_string()).hinted(error.hint())
    }
}

impl From<heirloom_transfer::store::StoreError> for Failure {
    fn from(error: heirloom_transfer::store::StoreError) -> Self {
        Self::input(error.to_string()).hint(CACHE_HINT)
    }
}

impl From<heirloom_transfer::extract::ExtractError> for Failure {
    fn from(error: heirloom_transfer::extract::ExtractError) -> Self {
        use heirloom_transfer::extract::ExtractError as Error;
        let failure = Self::input(error.to_string());
        match error {
            Error::Cancelled { .. } => Self { code: crate::interrupt::INTERRUPTED, ..failure }
                .hint("run the same command again to go on from there"),
            Error::Internal { what } => Self::internal(what),
            Error::TooLarge { .. } | Error::TooLargeTogether { .. } => {
                failure.hint("give a smaller --target-sizes, fewer rows (--limit), or more memory (--memory)")
            }
            Error::Store { .. } => failure.hint(CACHE_HINT),
            Error::Engine(_) => failure.hint("`heirloom inspect BACKBONE` lists the layers"),
            _ => failure,
        }
    }
}

impl From<heirloom_transfer::artifact::ArtifactError> for Failure {
    fn from(error: heirloom_transfer::artifact::ArtifactError) -> Self {
        use heirloom_transfer::artifact::ArtifactError as Error;
        let failure = Self::input(error.to_string());
        match error {
            Error::NotSafetensors { .. } | Error::NotAnArtifact { .. } => {
                failure.hint("give the file that `heirloom fit` wrote")
            }
            Error::NoNetwork | Error::NeedsImages { .. } => {
                failure.hint("`heirloom inspect MODEL` says what it was fitted on")
            }
            Error::Compressed { .. } => failure.hint("begin with the model that `heirloom fit` wrote"),
            Error::OtherBackbone { .. } => failure.hint("--backbone must name the very weights it was fitted on"),
            _ => failure,
        }
    }
}

impl From<heirloom_transfer::predictor::PredictError> for Failure {
    fn from(error: heirloom_transfer::predictor::PredictError) -> Self {
        use heirloom_transfer::predictor::PredictError as Error;
        match error {
            Error::Artifact(error) => error.into(),
            Error::Extract(error) => error.into(),
            Error::Backbone(_) => Self::input(error.to_string()).hint("name the backbone with --backbone"),
            Error::OtherNetwork { .. } => Self::input(error.to_string()).hint(
                "--tasks takes models that were fitted on the same backbone; run predict once for each of the others",
            ),
            other => Self::input(other.to_string()),
        }
    }
}

impl From<heirloom_audit::AuditError> for Failure {
    fn from(error: heirloom_audit::AuditError) -> Self {
        use heirloom_audit::{AuditError as Error, PrepareError};
        use heirloom_transfer::extract::ExtractError;
        use heirloom_transfer::predictor::PredictError;
        let failure = Self::input(error.to_string());
        match error {
            Error::Prepare(PrepareError::Cancelled)
            | Error::Predict(PredictError::Extract(ExtractError::Cancelled { .. }))
            | Error::Extract(ExtractError::Cancelled { .. }) => {
                let failure = Self::input("stopped before it was complete");
                Self { code: crate::interrupt::INTERRUPTED, ..failure }
                    .hint("nothing was written; the same command begins anew")
            }
            Error::Prepare(PrepareError::Memory { .. }) => {
                failure.hint("judge fewer images (--limit), or give more --memory")
            }
            Error::Predict(error) => error.into(),
            Error::Extract(error) => error.into(),
            Error::NothingRight { .. } => failure.hint(
                "check that the data's labels are those the model was fitted for: `heirloom inspect MODEL` lists them",
            ),
            Error::TooFew { .. } => failure.hint("give more labelled images"),
            _ => failure,
        }
    }
}

impl From<heirloom_transfer::fit::FitError> for Failure {
    fn from(error: heirloom_transfer::fit::FitError) -> Self {
        use heirloom_transfer::fit::FitError as Error;
        match error {
            Error::Table(error) => error.into(),
            Error::Extract(error) => error.into(),
            Error::Head(error) => Self::input(error.to_string()),
            Error::Unseen { .. } | Error::OneClass { .. } => {
                Self::input(error.to_string()).hint("`heirloom inspect DATA` names the images that cannot be read")
            }
            Error::NoDomains { .. } => Self::input(error.to_string()).hint("name the column with --domain-column"),
            Error::NoDomain { .. } | Error::SameDomain { .. } => Self::input(error.to_string())
                .hint("`heirloom inspect DATA` lists the columns of a table of features and their values"),
            Error::Adaptation(heirloom_transfer::adaptation::AdaptationError::Infeasible { .. }) => {
                Self::input(error.to_string()).hint("--coverage none lets classes stay empty")
            }
            Error::OneBlock { .. } => Self::input(error.to_string()).hint("name another method, or auto"),
            Error::TooFewGroups { .. } => {
                Self::input(error.to_string()).hint("add images, or check --group-column and the list of copies")
            }
            Error::TooFewLabelled { .. } => Self::input(error.to_string()).hint("label more rows, or leave --safe out"),
            Error::NothingHelps { .. } => Self::input(error.to_string())
                .hint("label more rows of the target, name another source or another backbone, or leave --safe out"),
            Error::Zoo(error) => error.into(),
            Error::Recipe { .. } => Self::input(error.to_string()).hint("leave the option out to have it chosen"),
            Error::TooLarge { .. } => Self::input(error.to_string()).hint(
                "give fewer images (--limit), a smaller backbone, a smaller --image-size, or --train-from a late layer",
            ),
            Error::Stopped { .. } => Self { code: crate::interrupt::INTERRUPTED, ..Self::input(error.to_string()) }
                .hint("run the same command again to start over"),
            Error::Interrupted { ref checkpoint, .. } => {
                let kept = checkpoint.as_ref().map(|path| format!(" from the state kept in {}", path.display()));
                let hint = format!("run the same command again to go on{}", kept.unwrap_or_default());
                Self { code: crate::interrupt::INTERRUPTED, ..Self::input(error.to_string()).hint(hint) }
            }
            Error::Training(ref training) => Self::input(error.to_string()).hinted(training_hint(training)),
            other => Self::input(other.to_string()),
        }
    }
}

impl From<heirloom_audit::remedies::RemedyError> for Failure {
    fn from(error: heirloom_audit::remedies::RemedyError) -> Self {
        use heirloom_audit::remedies::RemedyError as Error;
        match error {
            Error::Audit(error) => error.into(),
            Error::Fit(error) => error.into(),
            Error::Artifact(error) => error.into(),
            other => {
                Self::input(other.to_string()).hint("audit the model without --remedy, or give more training images")
            }
        }
    }
}

impl From<heirloom_audit::study::StudyError> for Failure {
    fn from(error: heirloom_audit::study::StudyError) -> Self {
        use heirloom_audit::study::StudyError as Error;
        let message = error.to_string();
        match error {
            Error::Fit(error) => error.into(),
            Error::Kept(error) => error.into(),
            Error::Network(error) => error.into(),
            Error::Interrupted | Error::Prepare(heirloom_audit::PrepareError::Cancelled) => {
                heirloom_transfer::compare::CompareError::Interrupted.into()
            }
            Error::Compared(error) => error.into(),
            Error::Predict(error) => error.into(),
            Error::Extract(error) => error.into(),
            Error::Artifact(error) => error.into(),
            _ => Self::input(message),
        }
    }
}

impl From<heirloom_transfer::compare::CompareError> for Failure {
    fn from(error: heirloom_transfer::compare::CompareError) -> Self {
        use heirloom_transfer::compare::CompareError as Error;
        let message = error.to_string();
        match error {
            Error::Fit(error) => error.into(),
            Error::TrainRows { .. } => Self::input(message).hint("give a --train-rows between those numbers"),
            Error::NoNetwork { .. } => {
                Self::input(message).hint("name methods that fit a head on features, or leave --methods out")
            }
            Error::Broken { .. } => Self::input(message).hint("remove that file; its result is computed again"),
            Error::Io { .. } => Self::input(message).hint(CACHE_HINT),
            Error::Interrupted => {
                Self { code: crate::interrupt::INTERRUPTED, ..Self::input(message) }.hint(crate::interrupt::noted())
            }
            _ => Self::input(message),
        }
    }
}

/// The remedy for what ended a training run.
fn training_hint(error: &heirloom_training::trainer::TrainingError) -> Option<&'static str> {
    use heirloom_training::trainer::TrainingError as Error;
    match error {
        Error::Divergence(_) => Some("give a smaller --learning-rate"),
        Error::Checkpoint(_) => Some("give the settings of the first run again, or start over with --force"),
        Error::Foreign(_) => Some("the state after the last complete epoch is kept; the same command goes on from it"),
        _ => None,
    }
}

/// The remedy for a cache that cannot be used.
const CACHE_HINT: &str =
    "--cache DIR puts the features elsewhere; finished files stay, and the same command continues from them";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_its_fact_then_its_hint() {
        let failure = Failure::input("no folder 'x'").hint("check the spelling");
        assert_eq!(failure.to_string(), "error: no folder 'x'\nhint: check the spelling");
        assert_eq!(failure.code(), 2);
        assert_eq!(failure.to_json()["hint"], "check the spelling");
    }
}
