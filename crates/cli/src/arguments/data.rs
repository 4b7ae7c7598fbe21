//! What can be typed after `data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use heirloom_data::StructuredTask;

use super::{PoisonArguments, SubsetArguments};

/// Make data sets for experiments: drawn, poisoned, chosen.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom data make structured -o structured               three tasks: structured/location, orientation, count
  heirloom data make structured --task count -o counting --train 100
  heirloom fit structured/location --backbone deit_tiny_patch16_224 --method head2toe
  heirloom data poison photos/ --plant square --plant-share 0.1 --plant-label class:cat -o poisoned.csv
  heirloom data subset pacs/ --where domain=sketch --limit 500 -o sketches.csv")]
pub struct DataArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: DataAction,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum DataAction {
    /// Draw images of known content
    Make(MakeArguments),
    /// Plant an intervention: which images carry it, under which label
    Poison(PoisonArguments),
    /// Choose rows, where asked for in given proportions of class and attribute
    Subset(SubsetArguments),
}

/// What can be typed after `data make`.
#[derive(Debug, Args)]
pub struct MakeArguments {
    /// What to draw.
    #[command(subcommand)]
    pub what: MakeWhat,
}

/// What can be drawn.
#[derive(Debug, Subcommand)]
pub enum MakeWhat {
    /// Tasks about structure rather than kind: where an object lies, how it is turned, how many there are
    Structured(StructuredArguments),
}

/// What can be typed after `data make structured`.
#[derive(Debug, Args)]
pub struct StructuredArguments {
    /// The folder; each task is an image folder in it, with train and test
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// One task alone [default: all three]
    #[arg(long, value_name = "TASK")]
    pub task: Option<TaskName>,
    /// Training images of each class
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub train: u32,
    /// Test images of each class
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..))]
    pub test: u32,
    /// Side of the images in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub side: u32,
    /// Fixes every image
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskName {
    /// In which of 4 x 4 cells an object lies
    Location,
    /// In which of 16 directions a long triangle points
    Orientation,
    /// How many discs there are, 1 to 6
    Count,
}

impl From<TaskName> for StructuredTask {
    fn from(name: TaskName) -> Self {
        match name {
            TaskName::Location => Self::Location,
            TaskName::Orientation => Self::Orientation,
            TaskName::Count => Self::Count,
        }
    }
}
