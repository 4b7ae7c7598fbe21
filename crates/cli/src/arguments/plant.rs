//! What is planted into images, and into which.

use clap::Args;
use heirloom_data::intervention::{Intervention, Plant};

/// What is planted.
#[derive(Debug, Args)]
pub struct PlantArguments {
    /// Plant an intervention into training images: square:side=0.25,colour=ffff00,place=top-left, gaussian:scale=0.05,
    /// overlay:picture=FILE with mask=FILE or transparency of its own, or shuffle:block=8,seed=0 (blocks in another order), or turn:quarters=1
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
    #[arg(long, value_name = "N", default_value_t = Plant::SEED, requires = "plant")]
    pub plant_seed: u64,
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
