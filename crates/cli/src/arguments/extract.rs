//! What can be typed after `extract`.

use std::path::PathBuf;

use clap::Args;

use super::{PrecisionArguments, ShardArgument, StorageArguments, TableArguments};

/// Compute a backbone's features of a data set into the cache.
///
/// Features are kept by content in files of 256 rows, so a run that was broken off continues where it stopped, and several runs
/// (--shard) can share the work. A later `fit` on the same images opens none of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom extract photos/ --backbone deit_tiny_patch16_224
  heirloom extract photos/ --backbone w.safetensors --tap layer3 --tap layer4 --target-sizes 1,512
  heirloom extract photos/ --backbone deit_tiny_patch16_224 -o features.parquet       for other programs, and for fit
  heirloom extract photos/ --backbone w.safetensors --shard 1/4      (and 2/4, 3/4, 4/4 elsewhere)")]
pub struct ExtractArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Pretrained network: a weight file, a folder as timm publishes it, or a name in $HEIRLOOM_DATA/weights
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Layer to read; may be given several times. `all` reads every layer that head2toe reads [default: the last features]
    #[arg(long = "tap", value_name = "LAYER")]
    pub taps: Vec<String>,
    /// Pooled widths of a layer
    #[arg(long, value_name = "T,T,...", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub target_sizes: Vec<u32>,
    /// Precision of the network.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// How features are kept.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Most memory that the features of 256 rows may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
    /// Also write the features here, one row an image: .safetensors (a tensor for each layer), .parquet or .csv (a column for each value).
    /// `fit` reads all three
    #[arg(short, long, value_name = "FILE", conflicts_with = "shard")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is already there
    #[arg(long)]
    pub force: bool,
    /// Do only part i of n, counted from 1
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardArgument>,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
}
