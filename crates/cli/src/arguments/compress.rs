//! What can be typed after `compress`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use heirloom_transfer::compress::Numbers;

/// In which numbers a model is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NumbersName {
    /// Single precision, as it is
    F32,
    /// Eight significant bits, half the size
    Bf16,
    /// Eight-bit integers with one factor for each output channel, a quarter of the size
    Int8,
}

impl NumbersName {
    /// The numbers that values are rounded to; none where they stay.
    pub const fn numbers(self) -> Option<Numbers> {
        match self {
            Self::F32 => None,
            Self::Bf16 => Some(Numbers::Bf16),
            Self::Int8 => Some(Numbers::Int8),
        }
    }
}

/// Make a fitted model smaller and measure what that costs.
///
/// Weights of the network, the head and the reference features of unfamiliar images are rounded; biases and batch-norm parameters are not.
/// A head that reads several layers may be told to read the N that move its answers most. With --data, both models answer the same test
/// images, and what the smaller one loses is told with its interval; without, the accuracy of the smaller one is unknown and its file
/// says so. It answers as fast as before: values are brought back to single precision when it is opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom compress model.heirloom --data photos/ -o small.heirloom
  heirloom compress model.heirloom --data photos/ --numbers int8 -o small.heirloom
  heirloom compress layers.heirloom --data photos/ --layers 4 -o small.heirloom
  heirloom compress model.heirloom --numbers int8 -o small.heirloom --json")]
pub struct CompressArguments {
    /// The model that fit wrote
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Where to write the smaller one
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// In which numbers it is kept
    #[arg(long, value_name = "NUMBERS", default_value = "bf16")]
    pub numbers: NumbersName,
    /// Let the head read the N layers that move its answers most on images it may be fitted on; needs --data
    #[arg(long, value_name = "N", requires = "data", value_parser = clap::value_parser!(u32).range(1..))]
    pub layers: Option<u32>,
    /// Labelled images that both models answer: a folder of CLASS/IMAGE (with or without train, val, test above), CSV or parquet table
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// Column of a CSV or parquet table that holds the labels [default: label]
    #[arg(long, value_name = "NAME", requires = "data")]
    pub label_column: Option<String>,
    /// Use only rows whose column has this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = super::selection::condition, requires = "data")]
    pub conditions: Vec<(String, String)>,
    /// Judge at most N images, the same number of every class as far as there are as many
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(4..))]
    pub limit: u32,
    /// The backbone of a model written with --slim, to measure it with; its weights stay in their own file
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Replace a file that is already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that images may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}
