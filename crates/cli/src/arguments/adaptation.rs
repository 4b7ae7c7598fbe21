//! Flags of domain adaptation, flattened into `fit`.

use clap::{Args, ValueEnum};
use heirloom_transfer::adaptation::Coverage;

/// From which domain to which, and how.
#[derive(Debug, Clone, Args)]
pub struct AdaptationArguments {
    /// Domain whose labels are used; may be given several times
    #[arg(long, value_name = "DOMAIN")]
    pub source: Vec<String>,
    /// Domain to label. Its features are used as the output says; its labels, where there are any, for the final figure alone (but see --safe)
    #[arg(long, value_name = "DOMAIN")]
    pub target: Option<String>,
    /// Use the source only where the labelled rows of the target show that it helps; else fit on those rows alone
    #[arg(long)]
    pub safe: bool,
    /// Column that names the domain of a row [default: domain]
    #[arg(long, value_name = "NAME")]
    pub domain_column: Option<String>,
    /// How the source is moved towards the target [default: coral for easytl, else raw]
    #[arg(long, value_enum, value_name = "HOW")]
    pub align: Option<AlignName>,
    /// Weight of the identity that coral adds to both covariances [default: 1]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub coral_lambda: Option<f64>,
    /// Target rows that each class gets, for easytl: none, at-least=K, or proportions=P,P,... in class order [default: at-least=1]
    #[arg(long, value_name = "RULE", value_parser = coverage)]
    pub coverage: Option<Coverage>,
    /// What each row is divided by before domains are compared [default: l1]
    #[arg(long, value_enum, value_name = "NORM")]
    pub scale_rows: Option<RowScalingName>,
    /// Whose mean and standard deviation standardise the columns; domain: each domain its own [default: domain]
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub scale_columns: Option<ColumnScalingName>,
}

/// Alignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlignName {
    /// Not at all
    Raw,
    /// Covariance of the source replaced by the target's
    Coral,
}

/// Norms of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowScalingName {
    /// Nothing
    None,
    /// Sum of absolute values
    L1,
    /// Euclidean length
    L2,
}

/// Statistics of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColumnScalingName {
    /// Columns as they are
    None,
    /// Those of the source for both domains
    Source,
    /// Those of each domain for itself
    Domain,
}

impl AdaptationArguments {
    /// The first flag that only makes sense with a source and a target.
    pub fn typed(&self) -> Option<&'static str> {
        let flags = [
            (self.safe, "--safe"),
            (self.domain_column.is_some(), "--domain-column"),
            (self.align.is_some(), "--align"),
            (self.coral_lambda.is_some(), "--coral-lambda"),
            (self.coverage.is_some(), "--coverage"),
            (self.scale_rows.is_some(), "--scale-rows"),
            (self.scale_columns.is_some(), "--scale-columns"),
        ];
        flags.into_iter().find(|(typed, _)| *typed).map(|(_, name)| name)
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "expected a positive number".to_owned())
}

fn coverage(text: &str) -> Result<Coverage, String> {
    let expected = || "expected none, at-least=K or proportions=P,P,... as in at-least=1".to_owned();
    match text.split_once('=') {
        None if text == "none" => Ok(Coverage::None),
        Some(("at-least", count)) => count.parse().map(Coverage::AtLeast).map_err(|_| expected()),
        Some(("proportions", shares)) => {
            let shares = shares.split(',').map(|share| share.trim().parse::<f64>());
            shares.collect::<Result<_, _>>().map(Coverage::Proportions).map_err(|_| expected())
        }
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverages_are_read_as_typed() {
        assert_eq!(coverage("none"), Ok(Coverage::None));
        assert_eq!(coverage("at-least=3"), Ok(Coverage::AtLeast(3)));
        assert_eq!(coverage("proportions=0.25, 0.75"), Ok(Coverage::Proportions(vec![0.25, 0.75])));
        for wrong in ["", "at-least", "at-least=-1", "proportions=a", "all=1", "none=1"] {
            assert!(coverage(wrong).is_err(), "{wrong}");
        }
        assert!(positive("0").is_err() && positive("inf").is_err() && positive("0.5") == Ok(0.5));
    }
}
