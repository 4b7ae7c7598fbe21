//! What can be typed after `study what-transfers`.

use std::path::PathBuf;

use clap::Args;

use super::study::StudyRunArguments;
use super::{ShardArgument, SourceSize};

/// What can be typed after `study what-transfers`.
#[derive(Debug, Args)]
pub struct TransferredArguments {
    /// Folder of the data sets that recipes/what_transfers/targets.json names [default: $HEIRLOOM_DATA/datasets]
    #[arg(value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// How much of it
    #[arg(long, value_enum, default_value_t = SourceSize::Small)]
    pub size: SourceSize,
    /// The source with batch norms; one without normalisation is trained here
    #[arg(long, value_name = "PATH|NAME", default_value = "cifar10_resnet20")]
    pub source: String,
    /// A network whose frozen features say how clear an image is
    #[arg(long, value_name = "PATH|NAME", default_value = "deit_tiny_patch16_224")]
    pub referee: String,
    /// Networks of each kind on every target [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=100))]
    pub replicas: Option<u16>,
    /// Orders of shuffled blocks, and runs from every checkpoint [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: Option<u16>,
    /// Compute part i of n; once all parts have filled one cache (`heirloom cache merge` brings caches together), leave this out
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardArgument>,
    /// How it is run.
    #[command(flatten)]
    pub run: StudyRunArguments,
}
