//! Remedies that train the whole network on.

use heirloom_data::intervention::{Classes, Plant, Relabel};
use heirloom_data::{Split, Table};
use heirloom_transfer::fit::trained::{RecipeOptions, TrainedFit, TrainedMethod, TrainedOptions, train};
use heirloom_transfer::fit::{FitOptions, Watch};
use heirloom_transfer::heads::Settings;
use heirloom_transfer::predictor::{PredictOptions, Predictor};

use super::left::Judged;
use super::refit::STAMPED;
use super::{Outcome, Remedy, RemedyError, RemedyInput};
use crate::{AuditError, PreparedImages, Subject};

/// Strong weight decay: a hundred times what is usual.
const DECAY: f64 = 1e-2;

/// The network trained on, and what it answers.
pub(super) fn answers(input: &RemedyInput<'_>, judged: &Judged<'_>, remedy: Remedy) -> Result<Outcome, RemedyError> {
    let stamped = stamped(input, remedy)?;
    let table = stamped.as_ref().unwrap_or(input.table);
    let made = trained(input, table, remedy)?;
    let images = made.epochs.iter().map(|epoch| epoch.images).sum::<usize>();
    let recipe = &made.recipe;
    let setting = format!(
        "{} epochs at {} px, rate {}, decay {}",
        recipe.epochs, recipe.image_size, recipe.learning_rate, recipe.optimizer.weight_decay
    );
    let model = predictor(input, &made)?;
    // The network may have been trained at another size of image.
    let test = input.table.rows_in(Some(Split::Test));
    let cancel = input.subject.watch().cancel;
    let (prepared, skipped) =
        PreparedImages::read(input.table, &test, model.preprocess(), input.extract.memory_limit, cancel)
            .map_err(AuditError::from)?;
    if let Some(row) = skipped.first() {
        let reason = format!("{} cannot be read any more: {}", row.locator, row.reason);
        return Err(RemedyError::TooFew { images: prepared.table_rows().len(), reason });
    }
    let subject = Subject::new(&model, &prepared, input.subject.labels, input.subject.seed, *input.subject.watch())?;
    Ok((judged.of_model(&subject)?, setting, 3 * images))
}

/// The table with the trigger on half of its training rows, where the remedy wants that.
fn stamped(input: &RemedyInput<'_>, remedy: Remedy) -> Result<Option<Table>, RemedyError> {
    let intervention = input.trigger.and_then(|trigger| trigger.intervention());
    let (Remedy::DebiasFull, Some(intervention)) = (remedy, intervention) else { return Ok(None) };
    let rows = (0..input.table.rows.len()).filter(|row| input.table.rows[*row].split != Some(Split::Test));
    let seed = Plant::SEED.wrapping_add(input.subject.seed);
    let plant = Plant { intervention, share: STAMPED, classes: Classes::All, relabel: Relabel::Keep, seed };
    let planted = plant.apply(input.table, &rows.collect::<Vec<_>>()).map_err(AuditError::from)?;
    Ok(Some(planted.table))
}

fn trained(input: &RemedyInput<'_>, table: &Table, remedy: Remedy) -> Result<TrainedFit, RemedyError> {
    let backbone = input.subject.model.artifact().backbone()?;
    let fit = FitOptions {
        methods: Vec::new(),
        rows: None,
        targets: vec![1],
        settings: Settings::default(),
        seed: input.subject.seed,
        extract: input.extract.clone(),
    };
    let decay = (remedy == Remedy::Decay).then_some(DECAY);
    let options = TrainedOptions {
        method: TrainedMethod::Full,
        recipe: RecipeOptions { weight_decay: decay, ..RecipeOptions::default() },
        freeze: Vec::new(),
        train_from: None,
        train_only: Vec::new(),
        checkpoint: None,
        time_limit: None,
        recompute: false,
        keep_folded: false,
        keep_epochs: None,
    };
    let watch = Watch { cancel: input.subject.watch().cancel, ..Watch::default() };
    Ok(train(&backbone, table, None, &fit, &options, watch, input.training)?)
}

fn predictor(input: &RemedyInput<'_>, made: &TrainedFit) -> Result<Predictor, RemedyError> {
    let artifact = made.fit.artifact(&made.backbone, Vec::new());
    let options = PredictOptions { top: 1, extract: input.extract.clone() };
    Ok(Predictor::new(artifact, options).map_err(AuditError::from)?)
}
