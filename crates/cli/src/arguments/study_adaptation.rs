//! What can be typed after `study adaptation`.

use clap::Args;

use super::DomainsArguments;

/// What can be typed after `study adaptation`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study adaptation office_caltech10_surf.safetensors
  heirloom study adaptation pacs/ --backbone deit_tiny_patch16_224 --seeds 3 -o pacs.html")]
pub struct StudyAdaptationArguments {
    /// The domains.
    #[command(flatten)]
    pub domains: DomainsArguments,
    /// Seeds of everything that is trained
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: u16,
    /// Steps of training on the source
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Columns of the bottleneck
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(2..))]
    pub bottleneck: u16,
}
