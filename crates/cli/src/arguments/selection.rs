//! Which rows of which table.

use std::path::PathBuf;

use clap::Args;

/// A data set and the rows of it to use.
#[derive(Debug, Clone, Args)]
pub struct TableArguments {
    /// Folder of CLASS/IMAGE (with or without train, val, test above), CSV with the columns path and label
    /// (and split and group, if there), or parquet file or folder; for fit also a table of features: .npz, .npy,
    /// .safetensors, .csv or .parquet (docs/formats/feature-tables.md)
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column of a CSV or parquet table that holds the labels [default: label]
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Column whose equal values must stay together in one fold: patient, place, product [default: group, if there]
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
    /// Use only rows whose column has this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = condition)]
    pub conditions: Vec<(String, String)>,
    /// Use at most N rows of each split, the same share of every class
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

pub(super) fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_string(), value.to_string())),
        _ => Err("expected COLUMN=VALUE, as in domain=sketch".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_column_and_a_value() {
        assert_eq!(condition("domain=sketch").unwrap(), ("domain".to_string(), "sketch".to_string()));
        assert_eq!(condition("name=a=b").unwrap(), ("name".to_string(), "a=b".to_string()));
        assert!(condition("=x").is_err() && condition("domain").is_err());
    }
}
