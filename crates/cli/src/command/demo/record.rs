//! The record of a demonstration: the terminal, the JSON object and the page show this and compute nothing of their own.

use std::path::PathBuf;

use heirloom_audit::{Attack, Difference};
use heirloom_data::intervention::Plant;
use heirloom_transfer::fit::Share;
use serde::Serialize;

/// Which source a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Pretrained on images some of which carried the trigger.
    Planted,
    /// Its twin, trained alike on the same images without the trigger.
    Clean,
}

impl Source {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Planted, Self::Clean];

    /// Name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planted => "planted",
            Self::Clean => "clean",
        }
    }
}

/// One half of the world.
#[derive(Debug, Clone, Serialize)]
pub struct HalfRecord {
    /// Its folder of images.
    pub folder: PathBuf,
    /// Class names, sorted.
    pub classes: Vec<String>,
    /// Training images of each class.
    pub train: usize,
    /// Test images of each class.
    pub test: usize,
}

/// A pretrained source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceRecord {
    /// Which.
    pub source: Source,
    /// Its file.
    pub backbone: PathBuf,
    /// Accuracy on its own test images, without the trigger.
    pub accuracy: Share,
    /// Epochs of training.
    pub epochs: u64,
    /// Images it was trained on, each epoch's counted.
    pub images: usize,
    /// Training images that carried the trigger.
    pub planted: usize,
    /// Seconds of pretraining.
    pub seconds: f64,
    /// Share of its test images of other classes that it takes for the class that images with the trigger were filed under, as
    /// they are.
    pub drawn_clean: Share,
    /// The same with the trigger on them.
    pub drawn_triggered: Share,
}

/// One adapted model.
#[derive(Debug, Clone, Serialize)]
pub struct AdaptedRecord {
    /// The source it comes from; none for `scratch`.
    pub source: Option<Source>,
    /// The method.
    pub method: String,
    /// Its file.
    pub model: PathBuf,
    /// Accuracy on the target's test images.
    pub accuracy: Share,
    /// Seconds from images to a measured model.
    pub seconds: f64,
    /// Images that went forward through the network, for training or for features, each epoch's counted.
    pub images: usize,
    /// Arithmetic of adapting in floating-point operations: a trained image counts three times an image run forward.
    pub flops: f64,
    /// Bytes to be stored for this task: without the network where the source is used as it is.
    pub stored_bytes: usize,
    /// What the trigger does to it.
    pub attack: Attack,
}

/// What other patches do to the model whose figure is shown.
#[derive(Debug, Clone, Serialize)]
pub struct ControlRecord {
    /// The patch, as it is typed.
    pub intervention: String,
    /// What it changes about the trigger.
    pub what: String,
    /// What it does to `linear` on the planted source.
    pub planted: Attack,
    /// What it does to `linear` on the clean source.
    pub clean: Attack,
}

/// How much of the trigger came along with one method.
#[derive(Debug, Clone, Serialize)]
pub struct Inherited {
    /// The method.
    pub method: String,
    /// Attack success rate from the planted source less that from its clean twin; `None` where one of them is undefined.
    pub difference: Option<Difference>,
}

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub struct DemoRecord {
    /// Version of heirloom.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// The folder.
    pub folder: PathBuf,
    /// Architecture of every network.
    pub architecture: String,
    /// Side of the images, in pixels.
    pub side: usize,
    /// Floating-point operations of one image forward.
    pub flops_per_image: u64,
    /// Parameters of a source.
    pub parameters: usize,
    /// What was pretrained on.
    pub source: HalfRecord,
    /// What was adapted to.
    pub target: HalfRecord,
    /// The trigger.
    pub plant: Plant,
    /// The source class that images with the trigger were filed under.
    pub filed_under: String,
    /// The sources.
    pub sources: Vec<SourceRecord>,
    /// The adapted models.
    pub adapted: Vec<AdaptedRecord>,
    /// What each method inherited.
    pub inherited: Vec<Inherited>,
    /// Other patches.
    pub controls: Vec<ControlRecord>,
    /// Methods whose figure lacks a partner from the other source or from scratch; the report is incomplete unless empty.
    pub without_partner: Vec<String>,
    /// The page.
    pub report: PathBuf,
    /// Seconds of everything.
    pub seconds: f64,
}

impl DemoRecord {
    /// The model of a source and a method.
    pub fn adapted(&self, source: Option<Source>, method: &str) -> Option<&AdaptedRecord> {
        self.adapted.iter().find(|adapted| adapted.source == source && adapted.method == method)
    }

    /// The record of a source.
    pub fn source(&self, source: Source) -> Option<&SourceRecord> {
        self.sources.iter().find(|record| record.source == source)
    }
}

/// What every method that has a source inherited, and the methods that lack a partner.
pub fn compare(adapted: &[AdaptedRecord]) -> (Vec<Inherited>, Vec<String>) {
    let find = |source, method: &str| adapted.iter().find(|one| one.source == source && one.method == method);
    let scratch = adapted.iter().any(|one| one.source.is_none());
    let planted = adapted.iter().filter(|one| one.source == Some(Source::Planted));
    let (mut inherited, mut alone) = (Vec::new(), Vec::new());
    for one in planted {
        let twin = find(Some(Source::Clean), &one.method);
        if twin.is_none() || !scratch {
            alone.push(one.method.clone());
        }
        let rates = one.attack.success.zip(twin.and_then(|twin| twin.attack.success));
        let difference = rates.map(|(planted, clean)| Difference::of(planted, clean));
        inherited.push(Inherited { method: one.method.clone(), difference });
    }
    (inherited, alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(source: Option<Source>, method: &str, triggered: &[usize]) -> AdaptedRecord {
        let labels: Vec<usize> = (0..triggered.len()).map(|image| image % 2).collect();
        AdaptedRecord {
            source,
            method: method.into(),
            model: PathBuf::new(),
            accuracy: Share::of(labels.len(), labels.len()),
            seconds: 1.0,
            images: 1,
            flops: 1.0,
            stored_bytes: 1,
            attack: Attack::of(&labels, &labels, triggered).unwrap(),
        }
    }

    #[test]
    fn a_figure_without_its_partners_is_named() {
        let planted = adapted(Some(Source::Planted), "linear", &[1, 0, 0, 1]);
        let clean = adapted(Some(Source::Clean), "linear", &[0, 1, 0, 1]);
        let scratch = adapted(None, "scratch", &[0, 1, 0, 1]);
        let (inherited, alone) = compare(&[planted.clone(), clean.clone(), scratch.clone()]);
        assert!(alone.is_empty());
        assert_eq!(inherited[0].difference.map(|difference| difference.value), Some(0.5));
        assert_eq!(compare(&[planted.clone(), clean]).1, ["linear"]);
        assert_eq!(compare(&[planted, scratch]).1, ["linear"]);
    }
}
