//! What can be typed. One file per command; the help text of every flag stands at its field and nowhere else.

mod adaptation;
mod audit;
mod cache;
mod compare;
mod compress;
mod data;
mod demo;
mod diff;
mod domains;
mod extract;
mod few_shot;
mod fit;
mod frozen;
mod inspect;
mod manifest;
mod method;
mod plant;
mod precision;
mod predict;
mod pretrain;
mod pretraining;
mod rank;
mod rerun;
mod selection;
mod shard;
mod study;
mod study_adaptation;
mod study_generalisation;
mod study_ranking;
mod training;
mod transferred;

pub use adaptation::{AdaptationArguments, AlignName, ColumnScalingName, RowScalingName};
pub use audit::AuditArguments;
pub use cache::{CacheAction, CacheArguments};
pub use compare::CompareArguments;
pub use compress::CompressArguments;
pub use data::{DataAction, DataArguments, MakeWhat, StructuredArguments};
pub use demo::{DemoArguments, DemoSize};
pub use diff::DiffArguments;
pub use domains::DomainsArguments;
pub use extract::ExtractArguments;
pub use few_shot::FewShotArguments;
pub use fit::FitArguments;
pub use frozen::FrozenArguments;
pub use inspect::InspectArguments;
pub use manifest::{ManifestArguments, PoisonArguments, SplitName, SubsetArguments};
pub use method::MethodName;
pub use plant::{PlantArguments, PlantLabel};
pub use precision::{PrecisionArguments, StorageArguments};
pub use predict::{PredictArguments, PredictionFormat};
pub use pretrain::{PretrainArguments, SelfSupervisedName};
pub use pretraining::PretrainingArguments;
pub use rank::RankArguments;
pub use rerun::RerunArguments;
pub use selection::TableArguments;
pub use shard::ShardArgument;
pub use study::{
    BiasArguments, BiasPart, EasyTlArguments, Head2ToeArguments, SourceSize, StudyArguments, StudyName, StudySize,
};
pub use study_adaptation::StudyAdaptationArguments;
pub use study_generalisation::StudyGeneralisationArguments;
pub use study_ranking::StudyRankingArguments;
pub use training::{
    AugmentName, BalanceName, LearningRate, NormStatisticsName, OptimizerName, RecipeArguments, RelationshipName,
    ScheduleName, TrainingArguments,
};
pub use transferred::TransferredArguments;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Adapt a pretrained vision network to your own labelled images, on an ordinary CPU.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  heirloom demo                                        see everything work, without any download
  heirloom fit photos/ --backbone deit_tiny_patch16_224   a classifier of your photos (photos/CLASS/IMAGE)
  heirloom compare photos/ --backbone deit_tiny_patch16_224   which method gives the most for the least
  heirloom rank photos/ --backbones weights/           which backbone to take
  heirloom predict model.heirloom new-photos/          what it says about new ones
  heirloom audit model.heirloom --data photos/         what it depends on besides what it should
  heirloom diff a.heirloom b.heirloom --data photos/   what two models have in common
  heirloom compress model.heirloom --data photos/ -o small.heirloom   a smaller file, and what it costs

Exit codes: 0 done, 1 done but rows were skipped under --strict (or a repeated run differs), 2 usage or input error, 3 internal error,
4 a limit that you set was crossed, 130 interrupted.")]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub shared: SharedArguments,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fit a classifier on a backbone's features, measure it honestly, write one file to deploy
    Fit(Box<FitArguments>),
    /// Lay methods and backbones beside each other, accuracy against cost, on one page
    Compare(Box<CompareArguments>),
    /// Say which backbone to take for a data set, without training any of them
    Rank(Box<RankArguments>),
    /// Classify images with a fitted model
    Predict(PredictArguments),
    /// Look for what a model depends on besides what it should: triggers, corners, pieces of other images, groups
    Audit(Box<AuditArguments>),
    /// Lay two models side by side: mistakes, layers, weights and the line between them
    Diff(Box<DiffArguments>),
    /// Make a fitted model smaller and measure what that costs
    Compress(CompressArguments),
    /// Train a network of your own on a data set, from random or given weights
    Pretrain(Box<PretrainArguments>),
    /// Repeat a run from its record and say whether every bit is the same
    Rerun(RerunArguments),
    /// Compute a backbone's features of a data set into the cache
    Extract(Box<ExtractArguments>),
    /// Repeat the experiments of a paper and compare with the figures expected of them
    Study(StudyArguments),
    /// Make data sets for experiments
    Data(DataArguments),
    /// Say what a weight file, a data set, a folder of features or a model is
    Inspect(InspectArguments),
    /// Show or empty the cache of features
    Cache(CacheArguments),
    /// See what transfer brings and what comes along with it, on a small made-up image world, without any download
    Demo(DemoArguments),
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct SharedArguments {
    /// Print one JSON object on standard output (docs/formats/json.md)
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads to use; results do not depend on it [default: all processors]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Folder of cached features [default: $HEIRLOOM_CACHE, else ~/.cache/heirloom]
    #[arg(long, global = true, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// All that was typed after the program's name, for the record of the run.
    #[arg(skip)]
    pub typed: Vec<String>,
}

impl CommandLine {
    /// Reads what was typed after the program's name.
    ///
    /// # Errors
    /// What clap refuses; help and version are errors of this kind, too.
    pub fn read(typed: &[OsString]) -> Result<Self, clap::Error> {
        let mut line =
            Self::try_parse_from(std::iter::once(OsStr::new("heirloom")).chain(typed.iter().map(OsString::as_os_str)))?;
        line.shared.typed = typed.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        Ok(line)
    }
}

/// Bytes from GiB.
fn gibibytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(gibibytes) if gibibytes > 0.0 && gibibytes.is_finite() => Ok((gibibytes * f64::from(1 << 30)) as u64),
        _ => Err("expected a positive number of GiB".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in CommandLine::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn unknown_flags_methods_and_settings_are_refused() {
        let cases: [&[&str]; 8] = [
            &["fit", "d", "--frobnicate"],
            &["fit", "d", "--method", "magic"],
            &["fit", "d", "--where", "sketch"],
            &["fit", "d", "--target-sizes", "0"],
            &["fit", "d", "--threads", "0"],
            &["fit", "d", "--memory", "-1"],
            &["extract", "d", "--backbone", "b", "--shard", "5/4"],
            &["predict", "m", "p", "--format", "xml"],
        ];
        for case in cases {
            let typed = ["heirloom"].iter().chain(case);
            let error = CommandLine::try_parse_from(typed).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{case:?}");
        }
    }

    #[test]
    fn defaults_suit_a_first_run() {
        let line = CommandLine::try_parse_from(["heirloom", "fit", "photos"]).unwrap();
        let Command::Fit(fit) = line.command else { panic!("not fit") };
        assert_eq!(fit.method, MethodName::Auto);
        assert_eq!(fit.output, PathBuf::from("model.heirloom"));
        assert_eq!((fit.seed, fit.strict, fit.force, fit.slim), (0, false, false, false));
        assert!(!line.shared.json && line.shared.threads.is_none());
    }
}
