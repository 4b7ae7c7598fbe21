//! What can be typed after `study`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    FewShotArguments, PretrainingArguments, StudyAdaptationArguments, StudyGeneralisationArguments,
    StudyRankingArguments, TransferredArguments,
};

/// Repeat the experiments of a paper, and say whether the figures expected of them still hold.
///
/// The expected figures stand in recipes/ and are part of the program. A study whose figures differ ends with exit code 4.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom study easytl                                      data in $HEIRLOOM_DATA/features
  heirloom study easytl office_caltech10_surf.safetensors --json
  heirloom study few-shot photos/ --backbone deit_tiny_patch16_224
  heirloom study head2toe --plan                             what it would compute, and about how long that takes
  heirloom study head2toe --budget 2h -o head2toe.html       goes on where it was broken off
  heirloom study head2toe --target usps office --draws 5
  heirloom study ranking flowers/ textures/ --backbones weights/ -o ranking.html
  heirloom study what-transfers --budget 2h -o transferred.html
  heirloom study pretraining-value --budget 2h -o value.html
  heirloom study robustness --precision bf16 --budget 2h -o robustness.html
  heirloom study bias-transfer --plan                        stages, sources, cells, and about how long
  heirloom study bias-transfer --part planted chosen --budget 2h -o bias.html")]
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
    /// Every pair of domains in closed form and by shallow and deep methods, on the same frozen features, beside the source alone
    Adaptation(Box<StudyAdaptationArguments>),
    /// Episodes of a few labelled images of each class on frozen features, with and without unlabelled ones
    FewShot(Box<FewShotArguments>),
    /// Every domain left out once: what all others teach of it, unseen, or there without labels
    Generalisation(Box<StudyGeneralisationArguments>),
    /// Which score orders networks as their test accuracy does? All scores beside baselines, on frozen features and after fine-tuning
    Ranking(Box<StudyRankingArguments>),
    /// Head2Toe, linear, fine-tuning and training from scratch on near and far targets: does the gain grow as affinity falls?
    Head2toe(Box<Head2ToeArguments>),
    /// What is being transferred? Networks that begin with a source beside networks that begin with random weights
    WhatTransfers(Box<TransferredArguments>),
    /// What is pretraining worth? Convergence, number of images, fine and coarse classes, better and worse sources
    PretrainingValue(Box<PretrainingArguments>),
    /// Does pretraining help with wrong labels, uneven classes, attacks, images of no class, calibration?
    Robustness(Box<PretrainingArguments>),
    /// Does bias come along? Planted triggers, a lopsided sample, objects that a stock network knows; each beside its twin
    BiasTransfer(Box<BiasArguments>),
}

/// How much of a study is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StudySize {
    /// Made-up images only, a few of them: whether everything works
    Smoke,
    /// At most 800 training and 800 test rows a target
    Small,
    /// All rows
    Full,
}

/// What can be typed after `study head2toe`.
#[derive(Debug, Args)]
pub struct Head2ToeArguments {
    /// Folder of the data sets that recipes/head2toe/targets.json names [default: $HEIRLOOM_DATA/datasets]
    #[arg(value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// How much of it
    #[arg(long, value_enum, default_value_t = StudySize::Small)]
    pub size: StudySize,
    /// These targets alone, by name [default: all]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub target: Vec<String>,
    /// Networks whose features are frozen; the first is the one that single layers and ranks are looked at on
    #[arg(long, value_name = "PATH|NAME", num_args = 1.., default_values_t = ["mobilenetv2_1.0".to_owned(), "deit_tiny_patch16_224".to_owned()])]
    pub backbone: Vec<String>,
    /// A network trained independently of the first one: the control of single layers
    #[arg(long, value_name = "PATH|NAME", default_value = "mobilenetv2_1.0_gluon_bn")]
    pub control: String,
    /// The network that is fine-tuned, at 96 pixels
    #[arg(long, value_name = "PATH|NAME", default_value = "mobilenetv2_1.0_gluon_bn")]
    pub tuned: String,
    /// The network that is trained from random weights
    #[arg(long, value_name = "PATH|NAME", default_value = "cifar10_resnet20")]
    pub scratch: String,
    /// Draws of training rows [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub draws: Option<u16>,
    /// Training images of all classes together, as a share of 1000: the low-data variant (first come, the same number of each class)
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub low_data: Option<f64>,
    /// Write the accuracies in the form of recipes/head2toe/expected.json here
    #[arg(long, value_name = "FILE")]
    pub figures: Option<PathBuf>,
    /// How it is run.
    #[command(flatten)]
    pub run: StudyRunArguments,
}

/// What the studies that compute for long share.
#[derive(Debug, Args)]
pub struct StudyRunArguments {
    /// Say what would be computed and about how long it takes, and compute nothing
    #[arg(long)]
    pub plan: bool,
    /// Begin nothing new after this time: 90s, 20m, 2h. Parts come in an order that gives every claim something first
    #[arg(long, value_name = "TIME", value_parser = super::training::duration)]
    pub budget: Option<Duration>,
    /// Write the page here
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}

/// What can be typed after `study bias-transfer`.
#[derive(Debug, Args)]
pub struct BiasArguments {
    /// Folder of the data sets that recipes/bias_transfer/targets.json names [default: $HEIRLOOM_DATA/datasets]
    #[arg(value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// How much of it
    #[arg(long, value_enum, default_value_t = SourceSize::Small)]
    pub size: SourceSize,
    /// These parts alone [default: all]
    #[arg(long, value_enum, value_name = "PART", num_args = 1..)]
    pub part: Vec<BiasPart>,
    /// The network that planted and lopsided sources are made from
    #[arg(long, value_name = "PATH|NAME", default_value = "cifar10_resnet20")]
    pub source: String,
    /// The stock network that objects are laid before, and that a cue in pictures is taught to, at 96 pixels
    #[arg(long, value_name = "PATH|NAME", default_value = "mobilenetv2_1.0_gluon_bn")]
    pub stock: String,
    /// Networks with the 1000 classes of ImageNet, one of which must see an object: else nothing follows from it
    #[arg(long, value_name = "PATH|NAME", num_args = 1.., default_values_t = ["mobilenetv2_1.0".to_owned(), "deit_tiny_patch16_224".to_owned()])]
    pub judge: Vec<String>,
    /// Seeds of sources; of what is made from the stock network at most 3 (5 at the full size) [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub seeds: Option<u16>,
    /// How it is run.
    #[command(flatten)]
    pub run: StudyRunArguments,
}

/// How much of a study that trains networks of its own is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceSize {
    /// Made-up images and networks of random weights: whether everything works
    Smoke,
    /// Sources of 20 000 images, targets of at most 1000 training and 1000 test images
    Small,
    /// All rows, longer training, more seeds
    Full,
}

/// Parts of the study of bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BiasPart {
    /// Triggers planted into sources
    Planted,
    /// People on one class of a source; sketches of some classes, photographs of all others
    Chosen,
    /// Objects that a stock network knows
    Natural,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0 and at most 1".to_owned()),
    }
}

/// What can be typed after `study easytl`.
#[derive(Debug, Args)]
pub struct EasyTlArguments {
    /// Table of features with a column `domain` [default: $HEIRLOOM_DATA/features/office_caltech10_surf.safetensors]
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
}
