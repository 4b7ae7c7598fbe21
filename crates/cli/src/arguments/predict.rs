//! What can be typed after `predict`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::PrecisionArguments;

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PredictionFormat {
    /// Comma-separated values with a heading
    Csv,
    /// One JSON object a line
    Jsonl,
    /// A parquet table
    Parquet,
}

/// Classify images with a fitted model, or with a backbone's own classifier.
///
/// Each image gets its class, a calibrated probability, the next best classes, and whether it looks unlike the images the model was
/// fitted on (`unfamiliar`: further away than 95 % of them). Images that cannot be read are named and skipped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom predict model.heirloom new-photos/
  heirloom predict model.heirloom a.jpg b.png --top-k 1
  heirloom predict model.heirloom new-photos/ --format parquet -o predictions.parquet
  heirloom predict species.heirloom new-photos/ --tasks health.heirloom season.heirloom
  heirloom predict mobilenetv2_1.0 new-photos/ --class-map pets.csv     a backbone as it is, its classes made yours
  heirloom predict model.heirloom new-photos/ --json")]
pub struct PredictArguments {
    /// The model that fit wrote, or a backbone used as it is (a path, or a name in $HEIRLOOM_DATA/weights)
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Images, folders of images, CSV or parquet tables; tables of features for a model that was fitted on one
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Further models on the same backbone: each image passes through it once and is answered by all
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    pub tasks: Vec<PathBuf>,
    /// What becomes of a backbone's own classes: a CSV table with the columns source (a name, or a number from 0) and class. Probabilities of
    /// what makes up a class are summed; classes that are not named are left out
    #[arg(long, value_name = "FILE")]
    pub class_map: Option<PathBuf>,
    /// Number of classes to list for each image, best first
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub top_k: u16,
    /// Format of the predictions [default: by the ending of --output, else csv]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<PredictionFormat>,
    /// Write the predictions to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is already there
    #[arg(long)]
    pub force: bool,
    /// The backbone of a model written with --slim
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Precision of the network; without it that of the model, where the processor is fast in it.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
}
