//! The `config.json` that timm publishes beside `model.safetensors`: architecture, classes and how images are prepared.

use std::path::Path;

use heirloom_data::{Interpolation, Preprocess, Resize};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ZooError;
use crate::recipe::{Options, Recipe};

/// Model arguments that change nothing which the other fields do not say already.
const HARMLESS_ARGUMENTS: &[&str] = &["img_size", "num_classes", "drop_rate", "drop_path_rate"];

/// The fields that matter.
#[derive(Debug, Deserialize)]
pub(crate) struct TimmConfig {
    architecture: String,
    num_classes: Option<usize>,
    #[serde(default)]
    label_names: Option<Vec<String>>,
    #[serde(default)]
    model_args: Option<Map<String, Value>>,
    pretrained_cfg: PretrainedConfig,
}

#[derive(Debug, Deserialize)]
struct PretrainedConfig {
    tag: Option<String>,
    input_size: [usize; 3],
    mean: [f32; 3],
    std: [f32; 3],
    interpolation: String,
    crop_pct: f64,
    crop_mode: Option<String>,
    num_classes: Option<usize>,
    license: Option<String>,
    origin_url: Option<String>,
    hf_hub_id: Option<String>,
}

impl TimmConfig {
    pub fn into_recipe(self, path: &Path) -> Result<Recipe, ZooError> {
        let wrong = |reason: String| ZooError::Description { path: path.to_owned(), reason };
        let arguments = self.model_args.iter().flat_map(Map::keys);
        if let Some(argument) = arguments.into_iter().find(|key| !HARMLESS_ARGUMENTS.contains(&key.as_str())) {
            return Err(wrong(format!("model_args.{argument} changes the network, which is not supported")));
        }
        let config = &self.pretrained_cfg;
        let preprocess = config.preprocess().map_err(wrong)?;
        let name = match config.tag.as_deref().filter(|tag| !tag.is_empty()) {
            Some(tag) => format!("{}.{tag}", self.architecture),
            None => self.architecture.clone(),
        };
        let classes = self.num_classes.or(config.num_classes);
        let class_names = self.label_names.filter(|names| Some(names.len()) == classes).unwrap_or_default();
        Ok(Recipe {
            name,
            architecture: self.architecture,
            classes,
            class_names,
            norm: None,
            prefix: None,
            rename: Default::default(),
            options: Options::default(),
            network: None,
            preprocess,
            licence: config.license.clone(),
            source: config.hf_hub_id.clone().or_else(|| config.origin_url.clone()),
            notes: Vec::new(),
        })
    }
}

impl PretrainedConfig {
    fn preprocess(&self) -> Result<Preprocess, String> {
        let [channels, height, width] = self.input_size;
        if channels != 3 || height != width {
            return Err(format!("input_size is {:?}, must be 3 channels and a square", self.input_size));
        }
        let interpolation = match self.interpolation.as_str() {
            "bilinear" => Interpolation::Bilinear,
            "bicubic" => Interpolation::Bicubic,
            other => return Err(format!("interpolation '{other}' is neither bilinear nor bicubic")),
        };
        if !(0.1..=1.0).contains(&self.crop_pct) {
            return Err(format!("crop_pct is {}, must be 0.1 to 1", self.crop_pct));
        }
        let resize = match self.crop_mode.as_deref() {
            None | Some("center") => Resize::ShorterSide((height as f64 / self.crop_pct).floor() as usize),
            Some("squash") if self.crop_pct == 1.0 => Resize::Squeeze,
            Some("squash") => return Err(format!("crop_mode 'squash' with crop_pct {}, must be 1", self.crop_pct)),
            Some(other) => return Err(format!("crop_mode '{other}' is neither center nor squash")),
        };
        Ok(Preprocess { input_size: [height, width], resize, interpolation, mean: self.mean, std: self.std })
    }
}
