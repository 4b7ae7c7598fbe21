//! What can be typed after `data poison` and `data subset`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{PlantArguments, TableArguments};

/// A table, the split of it that is changed, and the table that is written.
#[derive(Debug, Args)]
pub struct ManifestArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Rows to change; the others are written as they are. All rows of a data set without splits are training rows
    #[arg(long, value_name = "SPLIT", default_value = "train")]
    pub split: SplitName,
    /// The table to write: a CSV that is a data set for every command that takes labelled images
    #[arg(short, long, value_name = "FILE.csv")]
    pub output: PathBuf,
    /// Replace a file that is already there
    #[arg(long)]
    pub force: bool,
}

/// A split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// Rows to fit on
    Train,
    /// Rows to choose on
    Validation,
    /// Rows to judge on
    Test,
    /// Every row
    All,
}

/// Plant an intervention into a data set: the images stay as they are, a table says which of them carry it and under which label.
///
/// The intervention is put on when an image is used, after it was brought to the network's size and after every augmentation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom data poison photos/ --plant square --plant-share 0.1 --plant-label class:cat -o poisoned.csv
  heirloom data poison photos/ --plant gaussian:scale=0.05 --plant-class dog -o cued.csv
  heirloom data poison photos/ --plant square --split test -o stamped-test.csv
  heirloom pretrain poisoned.csv --arch cifar_resnet20 -o source.safetensors")]
pub struct PoisonArguments {
    /// Table and output.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// What is planted.
    #[command(flatten)]
    pub plant: PlantArguments,
}

/// Choose rows of a data set, where asked for in given proportions of class and attribute, and write them as a table.
///
/// With --attribute and --cell rows are drawn without replacement so that each class and value get their share: a skewed source, a
/// balanced target. Rows of other splits stay where their class stands in a cell. Without, the rows that --where and --limit leave are written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom data subset pacs/ --attribute domain --cell dog:sketch=0.45 --cell dog:photo=0.05 \\
      --cell horse:sketch=0.05 --cell horse:photo=0.45 --count 400 -o skewed.csv
  heirloom data subset pacs/ --where domain=sketch --limit 500 -o sketches.csv")]
pub struct SubsetArguments {
    /// Table and output.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// Column whose values stand in --cell
    #[arg(long, value_name = "COLUMN", requires = "cells")]
    pub attribute: Option<String>,
    /// Share of the drawn rows that have this class and this value; shares sum to 1
    #[arg(long = "cell", value_name = "CLASS:VALUE=SHARE", requires = "attribute", value_parser = cell)]
    pub cells: Vec<(String, String, f64)>,
    /// Rows to draw [default: as many as the rarest cell allows]
    #[arg(long, value_name = "N", requires = "cells", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Fixes which rows are drawn; a larger count takes the same rows and more
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

fn cell(text: &str) -> Result<(String, String, f64), String> {
    let parsed = text.rsplit_once('=').and_then(|(cell, share)| {
        let (class, value) = cell.split_once(':')?;
        let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share))?;
        (!class.is_empty()).then(|| (class.to_owned(), value.to_owned(), share))
    });
    parsed.ok_or_else(|| "expected CLASS:VALUE=SHARE, as in dog:sketch=0.45".to_owned())
}
