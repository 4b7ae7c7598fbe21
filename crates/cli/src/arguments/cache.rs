//! What can be typed after `cache`.

use clap::{Args, Subcommand};

/// Show or empty the cache of features.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom cache                  where it is, what it holds, how large it is
  heirloom cache clear            remove all features; they can be computed again
  heirloom cache --cache DIR      the same for another folder")]
pub struct CacheArguments {
    /// What to do [default: show]
    #[command(subcommand)]
    pub action: Option<CacheAction>,
}

/// What to do with the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum CacheAction {
    /// Where it is, what it holds, how large it is
    Show,
    /// Remove all features
    Clear,
}
