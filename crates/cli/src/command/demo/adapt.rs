//! Adapting the sources to the target, and measuring what came along.

use heirloom_audit::{Attack, predicted_classes};
use heirloom_data::augment::Preset;
use heirloom_data::intervention::Intervention;
use heirloom_data::{Split, Table};
use heirloom_transfer::fit::trained::{RecipeOptions, TrainedMethod, TrainedOptions, TrainingEvent, train};
use heirloom_transfer::fit::{Fit, FitOptions, Watch, fit};
use heirloom_transfer::heads::{Method, Settings};
use heirloom_transfer::predictor::{PredictOptions, Predictor};
use heirloom_zoo::Backbone;

use super::Demo;
use super::record::{AdaptedRecord, Source};
use crate::command::artifact;
use crate::command::training::Follower;
use crate::failure::Failure;

/// A way to adapt.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// A head on the source's features.
    Frozen(Method),
    /// Training through the network.
    Trained(TrainedMethod),
}

impl Way {
    /// The name of its method.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen(method) => method.name(),
            Self::Trained(method) => method.name(),
        }
    }
}

/// A model that was adapted, with the network it runs on, and what it cost.
struct Made {
    fit: Fit,
    backbone: Backbone,
    /// Images run forward, and images trained on.
    images: [usize; 2],
    slim: bool,
}

/// An adapted model ready to answer, and its record.
pub struct Adapted {
    /// The model.
    pub model: Predictor,
    /// The record.
    pub record: AdaptedRecord,
}

impl Demo<'_> {
    /// Adapts `backbone` to the target; the files and figures are those of `source`.
    pub fn adapt(
        &self,
        source: Option<Source>,
        backbone: &Backbone,
        way: Way,
        target: &Table,
        trigger: &Intervention,
    ) -> Result<Adapted, Failure> {
        let made = match way {
            Way::Frozen(method) => self.fit_head(method, backbone, target)?,
            Way::Trained(method) => self.train(method, backbone, target)?,
        };
        let name = source.map_or(way.name().to_owned(), |source| format!("{}-{}", source.name(), way.name()));
        let path = self.folder.model(&format!("{name}.heirloom"));
        let artifact = artifact::of(&made.fit, &made.backbone);
        artifact.save(&path)?;
        let stored = if made.slim { artifact.clone().slim() } else { artifact.clone() };
        let options = PredictOptions { extract: self.extract.clone(), ..PredictOptions::default() };
        let model = Predictor::new(artifact, options)?;
        let [forward, trained] = made.images;
        let record = AdaptedRecord {
            source,
            method: way.name().to_owned(),
            model: path,
            accuracy: made.fit.record.scores.accuracy,
            seconds: made.fit.record.seconds.total,
            images: forward + trained,
            // A backward pass costs twice a forward one: the gradients of the weights and of the values.
            flops: self.flops_per_image as f64 * (forward + 3 * trained) as f64,
            stored_bytes: stored.to_bytes()?.len(),
            attack: self.attack(&model, target, trigger)?,
        };
        Ok(Adapted { model, record })
    }

    /// What an intervention does to a model's answers on the target's test images.
    pub fn attack(&self, model: &Predictor, target: &Table, intervention: &Intervention) -> Result<Attack, Failure> {
        let (labels, [clean, triggered]) = self.answers_to(model, target, intervention)?;
        Attack::of(&labels, &clean, &triggered).map_err(Failure::internal)
    }

    /// Labels, answers to the test images as they are, and answers to them with an intervention.
    pub fn answers_to(
        &self,
        model: &Predictor,
        target: &Table,
        intervention: &Intervention,
    ) -> Result<(Vec<usize>, [Vec<usize>; 2]), Failure> {
        let rows = target.rows_in(Some(Split::Test));
        let answers = |images: &Table| -> Result<Vec<usize>, Failure> {
            let classes = predicted_classes(model, images, &rows, None)?;
            if classes.len() != rows.len() {
                let fact = format!("{} of {} test images can be read", classes.len(), rows.len());
                return Err(Failure::input(fact).hint("the demo's images were changed while it ran; run it again"));
            }
            Ok(classes.into_iter().map(|(_, class)| class).collect())
        };
        let labels = rows.iter().filter_map(|row| target.rows[*row].label).collect();
        Ok((labels, [answers(target)?, answers(&target.carrying(intervention))?]))
    }

    fn options(&self, methods: Vec<Method>) -> FitOptions {
        FitOptions {
            methods,
            rows: None,
            targets: vec![1, 512, 2048],
            settings: Settings::default(),
            seed: self.seed,
            extract: self.extract.clone(),
        }
    }

    /// Without a store, so that every method pays for its own features.
    fn fit_head(&self, method: Method, backbone: &Backbone, target: &Table) -> Result<Made, Failure> {
        let fit = fit(backbone, target, None, &self.options(vec![method]), Watch::default())?;
        let images = [fit.record.rows.train, 0];
        Ok(Made { fit, backbone: backbone.clone(), images, slim: true })
    }

    fn train(&self, method: TrainedMethod, backbone: &Backbone, target: &Table) -> Result<Made, Failure> {
        let [full, scratch] = self.size.target_epochs;
        let from_scratch = method == TrainedMethod::Scratch;
        let recipe = RecipeOptions {
            epochs: Some(if from_scratch { scratch } else { full }),
            // What helps most where there is nothing but a few images: the strong decay of Salman et al. 2022 and smoothed labels.
            weight_decay: from_scratch.then_some(1e-2),
            label_smoothing: from_scratch.then_some(0.1),
            augment: Some(Preset::Crop),
            ..RecipeOptions::default()
        };
        let options = TrainedOptions {
            method,
            recipe,
            freeze: Vec::new(),
            train_from: None,
            train_only: Vec::new(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            keep_folded: false,
            keep_epochs: None,
        };
        let follower = Follower::new(self.console.quiet(), None)?;
        let event = |event: &TrainingEvent| follower.event(event);
        let made = train(backbone, target, None, &self.options(Vec::new()), &options, Watch::default(), Some(&event));
        follower.finish();
        let made = made?;
        let images = [0, made.epochs.iter().map(|epoch| epoch.images).sum()];
        Ok(Made { fit: made.fit, backbone: made.backbone, images, slim: false })
    }
}
