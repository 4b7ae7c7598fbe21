//! What can be typed after `study few-shot`.

use std::path::PathBuf;

use clap::Args;

/// What can be typed after `study few-shot`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study few-shot photos/ --backbone deit_tiny_patch16_224
  heirloom study few-shot caltech101/ --backbone mobilenetv2_1.0 --ways 20 --shots 1 5 10 --unlabelled 0 --queries 8")]
pub struct FewShotArguments {
    /// Labelled images, all splits together
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Backbones whose frozen features are learned on
    #[arg(long, value_name = "PATH|NAME", num_args = 1.., required = true)]
    pub backbone: Vec<String>,
    /// Classes of an episode [default: 5, or all there are]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    pub ways: Option<u16>,
    /// Labelled images of each class
    #[arg(long, value_name = "N", num_args = 1.., default_values_t = [1, 5], value_parser = clap::value_parser!(u16).range(1..))]
    pub shots: Vec<u16>,
    /// Images of each class whose labels are hidden from what learns; 0 for none
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub unlabelled: u16,
    /// Images of each class to judge on
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub queries: u16,
    /// Episodes
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub episodes: u32,
    /// Where to write the page
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the page if it is already there
    #[arg(long)]
    pub force: bool,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}
