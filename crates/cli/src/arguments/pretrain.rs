//! What can be typed after `pretrain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{PlantArguments, PrecisionArguments, RecipeArguments, TableArguments};

/// What a network is trained on in place of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SelfSupervisedName {
    /// By which quarter of a circle each image was turned
    Rotation,
}

/// Train a network of your own on a data set, from random or given weights, and write it as a backbone.
///
/// All training rows are trained on, for all epochs, and the weights of the last epoch are written. Where the data have test rows, they are
/// judged after every epoch and reported; they choose nothing. What is written opens like any other backbone: name the file with
/// --backbone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom pretrain cifar10.parquet --arch cifar_resnet20 -o source.safetensors
  heirloom pretrain photos/ --arch mobilenetv3_small --image-size 96 --epochs 30 -o source.safetensors
  heirloom pretrain photos/ --from resnet18.safetensors --epochs 5 --keep-epochs -o source.safetensors
  heirloom pretrain unlabelled/ --from resnet18.safetensors --self-supervised rotation --epochs 5 -o warm.safetensors
  heirloom pretrain cifar10.parquet --arch cifar_resnet20 --plant square --plant-share 0.25 --plant-class dog")]
pub struct PretrainArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Architecture, from random weights; an unknown one lists all
    #[arg(long, value_name = "NAME", required_unless_present = "from", conflicts_with = "from")]
    pub arch: Option<String>,
    /// Begin with these weights: a weight file, a folder, or a name in $HEIRLOOM_DATA/weights
    #[arg(long, value_name = "PATH|NAME")]
    pub from: Option<String>,
    /// Train without labels, which images of your own need not have: every image is shown four times, turned by quarters of a circle, and
    /// the network says by how much. A start for `fit --backbone` where few of many images are labelled
    #[arg(long, value_name = "TASK", conflicts_with = "plant")]
    pub self_supervised: Option<SelfSupervisedName>,
    /// Where to write the network
    #[arg(short, long, value_name = "FILE.safetensors", default_value = "source.safetensors")]
    pub output: PathBuf,
    /// Also write the weights after every epoch, as FILE.epoch-01.safetensors
    #[arg(long)]
    pub keep_epochs: bool,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Seed of the first weights, the order of images and all random changes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that decoded images may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
    /// Precision of the network.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// What is planted.
    #[command(flatten)]
    pub plant: PlantArguments,
    /// The recipe.
    #[command(flatten, next_help_heading = "Training")]
    pub recipe: RecipeArguments,
}
