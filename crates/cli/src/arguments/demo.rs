//! What can be typed after `demo`.

use std::path::PathBuf;

use clap::Args;

/// See fit and predict at work on a small made-up image world, without any download.
///
/// The images are drawn by the program. The backbone is a network with fixed random filters: it stands in for the pretrained one that
/// you will use, needs no download, and is weaker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom demo
  heirloom demo --output somewhere --seed 7")]
pub struct DemoArguments {
    /// Folder for the images, the model and the report
    #[arg(short, long, value_name = "DIR", default_value = "heirloom-demo")]
    pub output: PathBuf,
    /// Replace the folder of an earlier demo
    #[arg(long)]
    pub force: bool,
    /// Seed of the images, the filters and the folds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}
