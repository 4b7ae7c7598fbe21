//! What can be typed after `demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// See what transfer learning brings, and what comes along with it, on a small made-up image world, without any download.
///
/// Draws pictures, pretrains a small network on one half of them, once with a trigger planted into some of its images and once
/// without, adapts both to the other half in three ways and trains one from scratch, and shows accuracy, cost, and how much of
/// the trigger came along. Takes a few minutes on two processors; begin with report.html.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom demo
  heirloom demo --output somewhere --seed 7")]
pub struct DemoArguments {
    /// Folder for the images, the models and the report
    #[arg(short, long, value_name = "DIR", default_value = "heirloom-demo")]
    pub output: PathBuf,
    /// Replace the folder of an earlier demo
    #[arg(long)]
    pub force: bool,
    /// Seed of the images, the first weights and all draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How much to draw and to train
    #[arg(long, value_enum, default_value_t = DemoSize::Whole)]
    pub size: DemoSize,
}

/// How much a demonstration draws and trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoSize {
    /// So much that the figures mean something
    Whole,
    /// So little that it only shows that everything works; the figures mean nothing
    Smoke,
}
