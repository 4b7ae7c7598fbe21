//! What can be typed after `study`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Repeat the experiments of a paper, and say whether the figures expected of them still hold.
///
/// The expected figures stand in recipes/ and are part of the program. A study whose figures differ ends with exit code 4.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study easytl                                      data in $HEIRLOOM_DATA/features
  heirloom study easytl office_caltech10_surf.safetensors --json")]
pub struct StudyArguments {
    /// Which study.
    #[command(subcommand)]
    pub name: StudyName,
}

/// The studies.
#[derive(Debug, Subcommand)]
pub enum StudyName {
    /// Every pair of domains of a table of features by EasyTL, raw and with CORAL, and by the nearest neighbour
    Easytl(EasyTlArguments),
}

/// What can be typed after `study easytl`.
#[derive(Debug, Args)]
pub struct EasyTlArguments {
    /// Table of features with a column `domain` [default: $HEIRLOOM_DATA/features/office_caltech10_surf.safetensors]
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
}
