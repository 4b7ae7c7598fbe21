//! What can be typed after `study pretraining-value` and `study robustness`.

use std::path::PathBuf;

use clap::Args;

use super::study::StudyRunArguments;
use super::{PrecisionArguments, ShardArgument, SourceSize};

/// What can be typed after either.
#[derive(Debug, Args)]
pub struct PretrainingArguments {
    /// Folder of the data sets that recipes/pretraining/targets.json names [default: $HEIRLOOM_DATA/datasets]
    #[arg(value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// How much of it
    #[arg(long, value_enum, default_value_t = SourceSize::Small)]
    pub size: SourceSize,
    /// The source, which must have been trained on other images than the targets'; random weights have its architecture
    #[arg(long, value_name = "PATH|NAME", default_value = "cifar10_resnet20")]
    pub source: String,
    /// Seeds on the main target [default: 5, for robustness 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: Option<u16>,
    /// What training rounds to; both sides of every comparison alike. Frozen features are computed in f32
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// Compute part i of n; once all parts have filled one cache (`heirloom cache merge` brings caches together), leave this out
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardArgument>,
    /// How it is run.
    #[command(flatten)]
    pub run: StudyRunArguments,
}
