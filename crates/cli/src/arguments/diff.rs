//! What can be typed after `diff`.

use std::path::PathBuf;

use clap::Args;

use super::ShardArgument;

/// Lay two models side by side: which mistakes they share, how alike their layers see images, how far their weights lie apart, and
/// whether the line between them crosses a barrier.
///
/// A and B are files that fit wrote, or backbones: those get a linear head on training images first. What two models share says what was
/// transferred: two that were adapted from one backbone make alike mistakes and lie in one basin of the loss, two from random weights
/// do not (Neyshabur, Sedghi, Zhang 2020). Similarity stands beside its floor, that of images that do not belong together; distance
/// and line need two networks of the same layers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom diff full.heirloom scratch.heirloom --data photos/
  heirloom diff full.heirloom cifar10_resnet20 --data photos/            how far fine-tuning went
  heirloom diff a.heirloom b.heirloom --data photos/ --layers all --no-line
  heirloom diff cifar10_resnet20 full.heirloom --data photos/ --criticality   which modules did fine-tuning need?
  heirloom diff cifar10_resnet20 full.heirloom --data photos/ --criticality --valley --along full.epoch-*.safetensors
  heirloom diff a.heirloom b.heirloom --data photos/ --referee deit_tiny_patch16_224   are the mistakes on unclear images?
  heirloom diff a.heirloom b.heirloom --data photos/ --points 21 --beyond 0.5 --json")]
pub struct DiffArguments {
    /// The first model: a file that fit wrote, or a backbone (a path, or a name in $HEIRLOOM_DATA/weights)
    #[arg(value_name = "A")]
    pub first: String,
    /// The second model
    #[arg(value_name = "B")]
    pub second: String,
    /// Labelled images: a folder of CLASS/IMAGE (with or without train, val, test above), CSV or parquet table
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    /// Column of a CSV or parquet table that holds the labels [default: label]
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Use only rows whose column has this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = super::selection::condition)]
    pub conditions: Vec<(String, String)>,
    /// Judge at most N images, the same number of every class as far as there are as many
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(4..))]
    pub limit: u32,
    /// Layers to compare: names with commas between them, `usual` (those that heads read) or `all`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "usual")]
    pub layers: Vec<String>,
    /// Images of a batch in which layers are compared [default: an eighth of the images, at most 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=4096))]
    pub batch: Option<u32>,
    /// Leave the comparison of layers out
    #[arg(long)]
    pub no_similarity: bool,
    /// Points on the line from A to B, both ends included
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(3..=201))]
    pub points: u32,
    /// How far to go beyond either end, as a share of the line
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    pub beyond: f64,
    /// Judge each point of the line on at most N images
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(4..))]
    pub line_images: u32,
    /// Leave the line out
    #[arg(long)]
    pub no_line: bool,
    /// Also measure the basin that both lie in: how much the loss varies between them, and how far away it has risen by twice that
    #[arg(long, conflicts_with = "no_line")]
    pub basin: bool,
    /// Put every module of B back to where A has it, one at a time, and draw it anew: which modules matter? A is where the training of B
    /// began, or another checkpoint of it
    #[arg(long)]
    pub rewind: bool,
    /// Also measure how critical each module is: how far it has to go from A towards B, in units of the noise it then bears, for the
    /// error on training images to stay within a point
    #[arg(long)]
    pub criticality: bool,
    /// Let criticality follow what B was in between, from the first checkpoint to the last, in place of the straight line: files of
    /// `fit --keep-epochs`
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "criticality")]
    pub along: Vec<String>,
    /// Also draw the valley that each module lies in: accuracy over the way and the noise
    #[arg(long, requires = "criticality")]
    pub valley: bool,
    /// Training images that criticality is measured on, at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    pub critical_images: u32,
    /// Draws of the noise at every point; four times as many decide at the border of what is tolerated
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub critical_draws: u32,
    /// Say with a linear head on this backbone's features how clear the images are that one of the two has wrong
    #[arg(long, value_name = "PATH|NAME")]
    pub referee: Option<String>,
    /// The backbone of models written with --slim
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Compute part i of n of what takes long and draw nothing; with one cache (or `heirloom cache merge`) the same command without
    /// --shard then draws the whole
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardArgument>,
    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "diff.html")]
    pub output: PathBuf,
    /// Replace a file that is already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that images and values of layers may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}

impl DiffArguments {
    /// Whether modules are put back.
    pub fn rewinds(&self) -> bool {
        self.rewind || self.criticality
    }
}

/// A share of the line, 0 to 5.
fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=5.0).contains(&value) { Ok(value) } else { Err("give a number from 0 to 5".to_owned()) }
}
