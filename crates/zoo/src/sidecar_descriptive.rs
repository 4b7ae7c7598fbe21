//! Reads the descriptive sidecars that came with early weight files, in which the architecture is prose, and turns them into
//! [`Recipe`]s. The architecture is told by the file's `name`.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::{Interpolation, Preprocess, Resize};
use serde::Deserialize;

use crate::error::ZooError;
use crate::readers::Entry;
use crate::recipe::{Norm, Options, Recipe};

/// The fields that matter; prose and figures are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Descriptive {
    name: String,
    architecture: String,
    num_classes: usize,
    #[serde(default)]
    classes: Vec<String>,
    input_size: [usize; 3],
    resize_shorter_side: Option<usize>,
    crop: Option<String>,
    interpolation: Option<String>,
    channel_order: String,
    scale: String,
    mean: [f32; 3],
    std: [f32; 3],
    bn: Option<String>,
    #[serde(default)]
    key_map_torchvision: BTreeMap<String, String>,
    bottleneck_strides: Option<Vec<usize>>,
    licence: Option<String>,
    source_repo: Option<String>,
    source_commit: Option<String>,
}

impl Descriptive {
    pub fn into_recipe(self, held: &BTreeMap<String, Entry>, path: &Path) -> Result<Recipe, ZooError> {
        let wrong = |reason: String| ZooError::Description { path: path.to_owned(), reason };
        let preprocess = self.preprocess().map_err(wrong)?;
        let (architecture, options) = self.architecture();
        let folded = self.bn.as_deref().is_some_and(|text| text.starts_with("folded"));
        let separate = self.bn.as_deref().is_some_and(|text| text.starts_with("not folded"));
        let norm = if folded { Some(Norm::Folded) } else { separate.then_some(Norm::Separate) };
        let source = match (&self.source_repo, &self.source_commit) {
            (Some(repository), Some(commit)) => Some(format!("{repository} @ {commit}")),
            (repository, _) => repository.clone(),
        };
        Ok(Recipe {
            rename: rename(&self.key_map_torchvision, held),
            name: self.name,
            architecture,
            classes: Some(self.num_classes),
            class_names: self.classes,
            norm,
            prefix: None,
            options,
            network: None,
            preprocess,
            licence: self.licence,
            source,
            notes: Vec::new(),
        })
    }

    fn preprocess(&self) -> Result<Preprocess, String> {
        let [channels, height, width] = self.input_size;
        if channels != 3 || self.channel_order != "RGB" || self.scale != "1/255" {
            let order = &self.channel_order;
            return Err(format!("{channels} channels in order {order} scaled by {} are not supported", self.scale));
        }
        let interpolation = match self.interpolation.as_deref() {
            None | Some("bilinear") => Interpolation::Bilinear,
            Some("bicubic") => Interpolation::Bicubic,
            Some(other) => return Err(format!("interpolation '{other}' is neither bilinear nor bicubic")),
        };
        if let Some(crop) = self.crop.as_deref().filter(|&crop| crop != "center") {
            return Err(format!("crop '{crop}' is not center"));
        }
        // Without a resize the images have the input's size already.
        let shorter = self.resize_shorter_side.unwrap_or(height.min(width));
        let resize = Resize::ShorterSide(shorter);
        Ok(Preprocess { input_size: [height, width], resize, interpolation, mean: self.mean, std: self.std })
    }

    fn architecture(&self) -> (String, Options) {
        let name = self.name.as_str();
        let mut options = Options { strides: self.bottleneck_strides.clone(), ..Options::default() };
        let architecture =
            if let Some((_, depth)) = name.split_once("_resnet").filter(|(set, _)| set.starts_with("cifar")) {
                format!("cifar_resnet{depth}")
            } else if let Some((network, stage)) = name.split_once("_to_layer") {
                options.last_stage = stage.parse().ok();
                network.to_owned()
            } else if let Some(width) =
                name.strip_prefix("mobilenetv1_").and_then(|rest| rest.split('_').next()?.parse().ok())
            {
                options.width = Some(width);
                "mobilenetv1".to_owned()
            } else if name.contains("gluon") {
                "mobilenetv2_gluon".to_owned()
            } else if name == "mobilenetv2_1.0" {
                "mobilenetv2_100".to_owned()
            } else {
                name.to_owned()
            };
        if self.architecture.contains("floor mode") {
            options.ceil_pooling = Some(false);
        }
        (architecture, options)
    }
}

/// From torchvision's keys to the file's, given the map between their modules.
fn rename(modules: &BTreeMap<String, String>, held: &BTreeMap<String, Entry>) -> BTreeMap<String, String> {
    let pairs = modules.iter().flat_map(|(own, torchvision)| {
        ["weight", "bias"].map(|part| {
            let underscored = format!("{own}_{part}");
            let own = if held.contains_key(&underscored) { underscored } else { format!("{own}.{part}") };
            (format!("{torchvision}.{part}"), own)
        })
    });
    pairs.collect()
}
