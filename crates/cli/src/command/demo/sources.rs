//! The two sources: one met the trigger, its twin did not; everything else about them is the same.

use heirloom_audit::network_classes;
use heirloom_data::augment::Preset;
use heirloom_data::intervention::{Plant, Relabel};
use heirloom_data::{Split, Table};
use heirloom_transfer::extract::{Images, Network};
use heirloom_transfer::fit::trained::{RecipeOptions, TrainingEvent};
use heirloom_transfer::fit::{Share, Watch};
use heirloom_transfer::pretrain::{PretrainOptions, Pretrained, Start, pretrain};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::record::{Source, SourceRecord};
use super::{ARCHITECTURE, Demo};
use crate::command::training::Follower;
use crate::failure::Failure;

impl Demo<'_> {
    /// Pretrains a source, writes it, and measures what the trigger does to it.
    pub fn source(&self, source: Source, table: &Table, plant: &Plant) -> Result<(Backbone, SourceRecord), Failure> {
        let planted = (source == Source::Planted).then(|| plant.clone());
        self.console.say(match source {
            Source::Planted => "\npretraining the planted source: some images carry the trigger and a wrong label",
            Source::Clean => "\npretraining its clean twin: the same images, seed and settings, no trigger",
        });
        let made = self.pretrain(source, table, planted)?;
        let path = self.folder.model(&format!("{}.safetensors", source.name()));
        made.backbone.save(&path)?;
        let test = table.rows_in(Some(Split::Test));
        let clean = self.answers(&made.backbone, table, &test)?;
        let triggered = self.answers(&made.backbone, &table.carrying(&plant.intervention), &test)?;
        let label = |row: usize| table.rows.get(row).and_then(|row| row.label);
        let Relabel::Class(filed_under) = plant.relabel else {
            return Err(Failure::internal("the trigger's images are filed under no class"));
        };
        let right = clean.iter().filter(|(row, class)| label(*row) == Some(*class)).count();
        let record = SourceRecord {
            source,
            backbone: path,
            accuracy: Share::of(right, clean.len()),
            epochs: made.recipe.epochs,
            images: made.epochs.iter().map(|epoch| epoch.images).sum(),
            planted: made.planted_rows,
            seconds: made.epochs.iter().map(|epoch| epoch.seconds).sum(),
            drawn_clean: drawn(&clean, label, filed_under),
            drawn_triggered: drawn(&triggered, label, filed_under),
        };
        Ok((made.backbone, record))
    }

    fn pretrain(&self, source: Source, table: &Table, plant: Option<Plant>) -> Result<Pretrained, Failure> {
        let recipe = Recipe::usual(&format!("demo {}", source.name()), ARCHITECTURE)?;
        let recipe = Recipe { class_names: table.classes.clone(), ..recipe };
        let network = Backbone::from_scratch(&recipe, &Initialization::usual(self.seed))?;
        let options = PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(self.size.source_epochs),
                batch_size: Some(32),
                learning_rate: Some(0.05),
                augment: Some(Preset::Crop),
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.seed,
            extract: self.extract.clone(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            plant,
            doubts: None,
        };
        let follower = Follower::new(self.console, None)?;
        let event = |event: &TrainingEvent| follower.event(event);
        let made = pretrain(&Start::Random(network), table, &options, Watch::default(), Some(&event), None);
        follower.finish();
        Ok(made?)
    }

    /// Row and class of a network's own classifier.
    fn answers(&self, network: &Backbone, images: &dyn Images, rows: &[usize]) -> Result<Vec<(usize, usize)>, Failure> {
        let logits = network.logits.as_deref().unwrap_or("logits");
        Ok(network_classes(Network::from(network), logits, images, rows, &self.extract, None)?)
    }
}

/// Of the images of other classes, the share that is taken for the class `filed_under`.
fn drawn(answers: &[(usize, usize)], label: impl Fn(usize) -> Option<usize>, filed_under: usize) -> Share {
    let others: Vec<usize> = answers
        .iter()
        .filter(|(row, _)| label(*row).is_some_and(|label| label != filed_under))
        .map(|(_, class)| *class)
        .collect();
    Share::of(others.iter().filter(|class| **class == filed_under).count(), others.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_class_itself_do_not_count_as_drawn() {
        let answers = [(0, 0), (1, 0), (2, 1), (3, 2)];
        let share = drawn(&answers, |row| Some([0, 1, 1, 2][row]), 0);
        assert_eq!((share.value, share.n), (1.0 / 3.0, 3));
    }
}
