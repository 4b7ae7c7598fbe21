//! What can be typed after `pretrain`.

use std::path::PathBuf;

use clap::Args;

use heirloom_data::intervention::Intervention;

use super::{RecipeArguments, TableArguments};

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
    /// Plant an intervention into training images: square:side=0.25,colour=ffff00,place=top-left, gaussian:scale=0.05,
    /// or overlay:picture=FILE.png
    #[arg(long, value_name = "KIND:SETTING=VALUE,...")]
    pub plant: Option<Intervention>,
    /// Share of the images of --plant-class that carry it
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, requires = "plant", value_parser = whole_share)]
    pub plant_share: f64,
    /// Classes whose images may carry it; may be repeated [default: all]
    #[arg(long, value_name = "CLASS", requires = "plant")]
    pub plant_class: Vec<String>,
    /// Label of the images that carry it: keep, class:NAME, next (each class stands for the next), append or replace (a class of
    /// their own, beside the plain images or in their place)
    #[arg(long, value_name = "HOW", default_value = "keep", requires = "plant")]
    pub plant_label: PlantLabel,
    /// Seed of which images carry it; larger shares take the same images and more
    #[arg(long, value_name = "N", default_value_t = heirloom_data::intervention::Plant::SEED, requires = "plant")]
    pub plant_seed: u64,
    /// The recipe.
    #[command(flatten, next_help_heading = "Training")]
    pub recipe: RecipeArguments,
}

/// What the images that carry a planted intervention are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlantLabel {
    /// What they are.
    Keep,
    /// This class.
    Class(String),
    /// The class after theirs, the first after the last.
    Next,
    /// A new class; the plain images stay as well.
    Append,
    /// A new class in which they leave theirs.
    Replace,
}

impl std::str::FromStr for PlantLabel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match (text, text.strip_prefix("class:")) {
            ("keep", _) => Self::Keep,
            ("next", _) => Self::Next,
            ("append", _) => Self::Append,
            ("replace", _) => Self::Replace,
            (_, Some(class)) if !class.is_empty() => Self::Class(class.to_owned()),
            _ => return Err("expected keep, class:NAME, next, append or replace".to_owned()),
        })
    }
}

fn whole_share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1".to_owned())
}
