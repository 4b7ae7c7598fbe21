//! What can be typed after every study of domains.

use std::path::PathBuf;

use clap::Args;

/// The domains, and where the page goes.
#[derive(Debug, Args)]
pub struct DomainsArguments {
    /// Table of features, or labelled images with a backbone, with a column that names the domain of each row
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The backbone of images: a path, or a name in $HEIRLOOM_DATA/weights
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Column that names the domain of a row
    #[arg(long, value_name = "NAME", default_value = "domain")]
    pub domain_column: String,
    /// Rows of each domain, at most, as many of every class as there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..))]
    pub limit: Option<u32>,
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
