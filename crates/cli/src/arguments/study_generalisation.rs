//! What can be typed after `study generalisation`.

use clap::Args;

use super::DomainsArguments;

/// What can be typed after `study generalisation`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study generalisation office_caltech10_surf.safetensors
  heirloom study generalisation pacs/ --backbone deit_tiny_patch16_224 --seeds 3 -o pacs.html")]
pub struct StudyGeneralisationArguments {
    /// The domains.
    #[command(flatten)]
    pub domains: DomainsArguments,
    /// Seeds of splits, settings and batches
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: u16,
    /// Draws of settings that every method chooses from
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub draws: u16,
    /// Steps of each training
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
}
