//! What can be typed after `fit`.

use std::path::PathBuf;

use clap::Args;

use super::{
    AdaptationArguments, FrozenArguments, MethodName, PrecisionArguments, StorageArguments, TableArguments,
    TrainingArguments,
};

/// Fit a classifier on a backbone's features, measure it honestly, write one file to deploy.
///
/// With test rows in the data, the accuracy is measured on them once. Without, below 5000 rows every image is predicted by a model that
/// was fitted, and chosen, on other images (nested 5-fold cross-validation), and the written model is fitted on all rows; from
/// 5000 rows on, a stratified fifth is held out.
///
/// Methods that train through the backbone hold a stratified fifth out in any case where there are no test rows, and use a fifth of the
/// training rows to choose the epoch.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom fit photos/ --backbone deit_tiny_patch16_224
  heirloom fit photos/ --backbone weights/resnet18/ --method linear -o photos.heirloom
  heirloom fit labels.csv --backbone w.safetensors --group-column patient --strict
  heirloom fit pacs.parquet --backbone w.safetensors --where domain=sketch --json
  heirloom fit photos/ --backbone mobilenetv2_1.0_gluon_bn --method full --epochs 10
  heirloom fit photos/ --backbone cifar10_resnet20 --method linearised --image-size 32 --limit 300
  heirloom fit pacs/ --backbone w.safetensors --source photo --target sketch --method easytl
  heirloom fit embeddings.npz --method ridge         features from anywhere, no backbone")]
pub struct FitArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Pretrained network: a weight file, a folder as timm publishes it, or a name in $HEIRLOOM_DATA/weights; none for a
    /// table of features
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// How to adapt
    #[arg(long, value_name = "METHOD", default_value_t = MethodName::Auto)]
    pub method: MethodName,
    /// Where to write the model; the report goes next to it
    #[arg(short, long, value_name = "FILE", default_value = "model.heirloom")]
    pub output: PathBuf,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Seed of everything that is drawn: folds, splits, bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Pooled widths of a layer that head2toe and all-* may choose from [default: 1,512,2048], and best-layer beside the mean over
    /// positions
    #[arg(long, value_name = "T,T,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub target_sizes: Vec<u32>,
    /// Solve head2toe by the paper's Adam recipe instead of to the optimum
    #[arg(long)]
    pub replicate: bool,
    /// Settings of the methods on frozen features.
    #[command(flatten)]
    pub frozen: FrozenArguments,
    /// Precision of the network.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// How features are kept.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Most memory that features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
    /// Leave the backbone out of the model and name it by its digest
    #[arg(long)]
    pub slim: bool,
    /// Write no HTML report
    #[arg(long)]
    pub no_report: bool,
    /// From one domain to another.
    #[command(flatten, next_help_heading = "From one domain to another")]
    pub adaptation: AdaptationArguments,
    /// Settings of the methods that train through the backbone.
    #[command(
        flatten,
        next_help_heading = "Training (full, lp-ft, scratch, l2-sp, delta, bss, co-tuning, head2toe-ft, head2toe-ft-plus, linearised, bn-tune, bitfit)"
    )]
    pub training: TrainingArguments,
}
