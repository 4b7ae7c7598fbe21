//! What can be typed after `rank`.

use std::path::PathBuf;

use clap::Args;
use heirloom_transfer::ranking::Score;

use super::{PrecisionArguments, StorageArguments, TableArguments};

/// Which backbone to take for these images: every candidate judged on its features, without training any of them.
///
/// The referee is a linear head, cross-validated on the training images; its accuracy decides the order, and resampled images say which
/// candidates cannot be told from the best. Beside it stand the scores of the literature (LogME, H-score, SFDA, TransRate, GBC, PARC, N-LEEP,
/// nearest neighbour, LEEP, NCE), of each the larger the better, and how well each of them agrees with the referee here. Test images are
/// never read.
///
/// Published comparisons of fine-tuned networks agree with each other no better than the best scores agree with either: fine-tune the
/// candidates of the pick set, not the first one alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom rank photos/ --backbone mobilenetv2_1.0 deit_tiny_patch16_224 squeezenet1_1
  heirloom rank photos/ --backbones weights/            every network in a folder
  heirloom rank photos/                                 every network in $HEIRLOOM_DATA/weights
  heirloom rank photos/ --scores logme,sfda --json")]
pub struct RankArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Candidates: weight files, folders as timm publishes them, or names in $HEIRLOOM_DATA/weights [default: all of those]
    #[arg(long, value_name = "PATH|NAME", num_args = 1..)]
    pub backbone: Vec<String>,
    /// Candidates: every weight file and timm folder in this folder that can be read
    #[arg(long, value_name = "DIR")]
    pub backbones: Option<PathBuf>,
    /// Scores, separated by commas; none for the referee alone [default: all]
    #[arg(long, value_name = "SCORE,...", value_parser = scores)]
    pub scores: Option<Scores>,
    /// Training images to judge on, at most, as many of each class as there are
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(30..))]
    pub images: u32,
    /// Seed of images, folds and resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Precision of the network.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// How features are kept.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Most memory that features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}

/// The scores that were typed, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scores(pub Vec<Score>);

fn scores(text: &str) -> Result<Scores, String> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| *name != "none" && !name.is_empty()) {
        let score = Score::ALL.into_iter().find(|score| score.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Score::ALL.into_iter().map(Score::name).collect();
            format!("there is no score '{name}'; known: none, {}", known.join(", "))
        })?;
        if !found.contains(&score) {
            found.push(score);
        }
    }
    Ok(Scores(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_names_each_once() {
        assert_eq!(scores("sfda, logme,sfda").unwrap().0, [Score::SelfChallenging, Score::LogMe]);
        assert_eq!(scores("none").unwrap().0, []);
        assert!(scores("magic").unwrap_err().contains("n-leep"));
    }
}
