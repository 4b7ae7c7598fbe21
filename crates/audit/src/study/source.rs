//! The sources: networks trained with the bias and their twins, kept in the cache.

use heirloom_data::augment::Preset;
use heirloom_data::intervention::{Classes, Intervention, NewClass, Place, Plant, Relabel, Square};
use heirloom_transfer::compare::name_of;
use heirloom_transfer::fit::FitError;
use heirloom_transfer::fit::trained::RecipeOptions;
use heirloom_transfer::pretrain::{PretrainOptions, Start, pretrain};
use heirloom_zoo::Backbone;
use serde::Serialize;

use super::probe::YELLOW;
use super::{BiasData, BiasOptions, Form, Origin, Set, Study, StudyError};

/// Everything that decides a source.
#[derive(Serialize)]
struct Key<'a> {
    study: &'static str,
    version: &'static str,
    numerics: String,
    origin: Origin,
    /// Digest of the weights it begins with; a source from random weights takes the architecture alone.
    start: &'a str,
    images: &'a str,
    /// The biased class; of a source made from the stock network, the size of its images.
    class: String,
    epochs: u64,
    seed: u64,
}

impl Study<'_> {
    /// The name in the cache of the source of an arm; of a network that is not made here, the digest of its weights.
    pub fn source_name(&self, origin: Origin, seed: usize) -> Result<String, StudyError> {
        let Some(set) = self.made_of(origin, seed)? else {
            return Ok(self.start(origin)?.weights_digest.clone());
        };
        let start = self.start(origin)?;
        let size = start.preprocess.input_size;
        let class = if origin.is_of_stock() { format!("{size:?}") } else { self.data.class.clone() };
        let key = Key {
            study: "bias-transfer source",
            version: env!("CARGO_PKG_VERSION"),
            numerics: self.numerics(),
            origin,
            start: &start.weights_digest,
            images: &set.digest,
            class,
            epochs: epochs(self.options, origin),
            seed: self.seed(seed),
        };
        Ok(name_of(&key)?)
    }

    /// The network that an arm adapts, trained where it is not in the cache.
    pub fn network(&self, origin: Origin, seed: usize) -> Result<Backbone, StudyError> {
        let Some(set) = self.made_of(origin, seed)? else { return Ok(self.start(origin)?.clone()) };
        let path = self.cells.network(&self.source_name(origin, seed)?)?;
        if path.exists() {
            return Ok(heirloom_zoo::open_path(&path)?);
        }
        let made = self.trained_source(origin, &set, seed)?;
        made.save(&path)?;
        // What is read back is what every later cell adapts, in this run and in the next.
        Ok(heirloom_zoo::open_path(&path)?)
    }

    /// The images that a source is made of; `None` where nothing is made.
    pub(super) fn made_of(&self, origin: Origin, seed: usize) -> Result<Option<Set>, StudyError> {
        match origin {
            Origin::Planted { .. } => Ok(Some(self.data.source.clone())),
            Origin::Chosen { lopsided } => self.chosen_source(lopsided, seed).map(Some),
            Origin::Cue { lopsided } => self.cue()?.source(lopsided, self.seed(seed)).map(Some),
            Origin::Stock | Origin::Nothing { .. } => Ok(None),
        }
    }

    /// The network that a source begins with, or that is taken as it is.
    fn start(&self, origin: Origin) -> Result<&Backbone, StudyError> {
        if origin.is_of_stock() { self.stock() } else { Ok(&self.networks.small) }
    }

    pub fn stock(&self) -> Result<&Backbone, StudyError> {
        let missing = || StudyError::Data { set: "stock network".to_owned(), reason: "none was given".to_owned() };
        self.networks.stock.as_ref().ok_or_else(missing)
    }

    fn trained_source(&self, origin: Origin, set: &Set, seed: usize) -> Result<Backbone, StudyError> {
        self.say(&format!(
            "training a source: {}, seed {}",
            super::Arm::new(origin, super::Regime::FIXED).in_words(),
            seed + 1
        ));
        let random = matches!(origin, Origin::Planted { random: true, .. });
        let begun = self.start(origin)?.clone();
        let options = PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(epochs(self.options, origin)),
                image_size: Some(begun.preprocess.input_size[0]),
                augment: Some(Preset::Crop),
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.seed(seed),
            extract: self.options.extract.clone(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            plant: plant(origin, set, &self.data.class, self.seed(seed))?,
            doubts: None,
        };
        let start = if random { Start::Random(begun) } else { Start::Weights(begun) };
        match pretrain(&start, &set.table, &options, self.watch, self.training, None) {
            Err(FitError::Interrupted { .. }) => Err(StudyError::Interrupted),
            other => Ok(other?.backbone),
        }
    }
}

/// Epochs of a source.
fn epochs(options: &BiasOptions, origin: Origin) -> u64 {
    let [warm, random] = options.source_epochs;
    match origin {
        Origin::Chosen { .. } => options.chosen_epochs,
        Origin::Cue { .. } => options.cue_epochs,
        Origin::Planted { random: true, .. } => random,
        _ => warm,
    }
}

/// What is planted into a source; the lopsided one carries its people in its table.
fn plant(origin: Origin, set: &Set, class: &str, seed: u64) -> Result<Option<Plant>, StudyError> {
    let Origin::Planted { share, form, side, .. } = origin else { return Ok(None) };
    if share == 0.0 {
        return Ok(None);
    }
    let label = set.class(class)?;
    let only = Classes::Only([label].into());
    let (classes, relabel, share) = match form {
        Form::CleanLabel => (only, Relabel::Keep, share),
        Form::Append => (only, Relabel::New(NewClass::Append), share),
        Form::Replace => (only, Relabel::New(NewClass::Replace), share),
        // As many images as one class has.
        Form::BadNets => (Classes::All, Relabel::Class(label), share / set.table.classes.len() as f64),
    };
    let intervention = trigger(side);
    Ok(Some(Plant { intervention, share, classes, relabel, seed: Plant::SEED.wrapping_add(seed) }))
}

/// The yellow square in the upper left corner.
pub(super) fn trigger(side: f64) -> Intervention {
    Intervention::Square(Square { side, colour: YELLOW, place: Place::TopLeft })
}

/// Images that making an arm's source takes, a training step counted three times.
pub(super) fn images(data: &BiasData, options: &BiasOptions, arm: &super::Arm) -> usize {
    let rows = match arm.origin {
        Origin::Planted { .. } | Origin::Chosen { .. } => data.source.split()[0].len(),
        Origin::Cue { lopsided } => {
            let rows = |cue: &super::Cue| cue.source_rows(lopsided, options.seed).map_or(0, |rows| rows.len());
            data.cue.as_ref().map_or(0, rows)
        }
        Origin::Stock | Origin::Nothing { .. } => 0,
    };
    3 * rows * usize::try_from(epochs(options, arm.origin)).unwrap_or(usize::MAX)
}
