//! What can be typed after `study ranking`.

use std::path::PathBuf;

use clap::Args;

use super::study::StudyRunArguments;
use super::{PrecisionArguments, ShardArgument};

/// What can be typed after `study ranking`.
///
/// Every score of `rank` on the training rows of every data set, against the test accuracy of a frozen linear head, and on some data sets of
/// the network fine-tuned: weighted Kendall tau over the networks, with what orders drawn at random give.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study ranking flowers/ textures/ scenes/ --backbones weights/ --plan
  heirloom study ranking flowers/ textures/ scenes/ --backbones weights/ --fine-tuned textures --budget 1h -o ranking.html
  heirloom study ranking flowers/ textures/ --json          every network in $HEIRLOOM_DATA/weights")]
pub struct StudyRankingArguments {
    /// Data sets, each with training rows and test rows
    #[arg(value_name = "DATA", required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Networks: weight files, folders as timm publishes them, or names in $HEIRLOOM_DATA/weights [default: all of those]
    #[arg(long, value_name = "PATH|NAME", num_args = 1..)]
    pub backbone: Vec<String>,
    /// Networks: every weight file and timm folder in this folder that can be read
    #[arg(long, value_name = "DIR")]
    pub backbones: Option<PathBuf>,
    /// Data sets, by the names of their folders, on which every network is fine-tuned as well
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub fine_tuned: Vec<String>,
    /// Epochs of fine-tuning
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub epochs: u64,
    /// Seeds of fine-tuning
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: u16,
    /// Training rows, and test rows, of each data set, at most, as many of every class as there are
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(30..))]
    pub images: u32,
    /// Compute part i of n; once all parts have filled one cache (`heirloom cache merge` brings caches together), leave this out
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardArgument>,
    /// Precision of the frozen networks; fine-tuning is in f32.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// How it is run.
    #[command(flatten)]
    pub run: StudyRunArguments,
}
