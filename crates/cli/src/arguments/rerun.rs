//! What can be typed after `rerun`.

use std::path::PathBuf;

use clap::Args;

/// Repeat a run from its record and say whether every bit is the same.
///
/// `fit` and `pretrain` write a record beside what they make: photos.heirloom has photos.run.json. The run is repeated with the same command in
/// the same folder, and its tensors and scores are compared; what was made first is not touched. Exit code 1 says that something differs,
/// and what differs is listed: the data, the backbone, the program's version, the kernels of the processor.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom rerun photos.run.json
  heirloom rerun photos.run.json -o again.heirloom --json")]
pub struct RerunArguments {
    /// The record
    #[arg(value_name = "RUN.json")]
    pub record: PathBuf,
    /// Keep what the repeated run makes [default: it is compared and removed]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
}
