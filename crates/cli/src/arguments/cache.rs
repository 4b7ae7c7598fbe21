//! What can be typed after `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show, empty or merge caches of features and results.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom cache                  where it is, what it holds, how large it is
  heirloom cache clear            remove all features; they can be computed again
  heirloom cache merge FOLDER     add what another cache holds
  heirloom cache --cache DIR      the same for another folder")]
pub struct CacheArguments {
    /// What to do [default: show]
    #[command(subcommand)]
    pub action: Option<CacheAction>,
}

/// What to do with the cache.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CacheAction {
    /// Where it is, what it holds, how large it is
    Show,
    /// Remove all features and results
    Clear,
    /// Copy what another cache holds and this one does not, as after runs with --shard on several machines
    Merge {
        /// The other cache's folder
        #[arg(value_name = "FOLDER")]
        from: PathBuf,
    },
}
