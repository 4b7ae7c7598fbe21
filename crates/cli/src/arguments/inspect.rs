//! What can be typed after `inspect`.

use std::path::PathBuf;

use clap::Args;

/// Say what a weight file, a data set, a folder of features or a model is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom inspect deit_tiny_patch16_224      a backbone: layers, cost, memory
  heirloom inspect deit_tiny_patch16_224 --data photos/    the memory that photos/ would take
  heirloom inspect deit_tiny_patch16_224 --profile --precision bf16 -o roofline.svg     where the time goes
  heirloom inspect photos/                    a data set: classes, sizes, problems
  heirloom inspect embeddings.npz             a table of features: blocks, classes, domains
  heirloom inspect model.heirloom             a model: what it is, how it was made, how good it is
  heirloom inspect ~/.cache/heirloom          a folder of features")]
pub struct InspectArguments {
    /// A path, or the name of a backbone in $HEIRLOOM_DATA/weights
    #[arg(value_name = "THING")]
    pub thing: String,
    /// Images per block in the estimate of memory
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub images: u16,
    /// With a backbone: a data set whose images the estimate of memory is for
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// With a backbone: run it on one core and tell where the time goes, step by step
    #[arg(long)]
    pub profile: bool,
    /// With --profile: precision of the products
    #[arg(long, value_name = "PRECISION", default_value = "f32", requires = "profile")]
    pub precision: heirloom_engine::Precision,
    /// With --profile: draw the roofline to this SVG file
    #[arg(short, long, value_name = "FILE", requires = "profile")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when a data set has images that cannot be read
    #[arg(long)]
    pub strict: bool,
}
