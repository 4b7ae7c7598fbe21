//! `fit` with a method that trains through the backbone.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use heirloom_data::Table;
use heirloom_data::augment::Preset;
use heirloom_transfer::fit::trained::{
    Balance, RecipeOptions, TrainedFit, TrainedMethod, TrainedOptions, TrainingEvent, train,
};
use heirloom_transfer::fit::{FitOptions, FitReport, Watch};
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

use super::{Job, artifact, write_report};
use crate::arguments::{FitArguments, TrainingArguments};
use crate::command::fit::text;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::{Progress, TrainingProgress};

/// Trains, writes the model and the report, and prints the summary.
pub fn make(
    job: &Job,
    method: TrainedMethod,
    arguments: &FitArguments,
    backbone: &Backbone,
    table: &Table,
    console: Console,
) -> Result<FitReport, Failure> {
    let checkpoint = checkpoint_path(&job.output);
    if arguments.force && checkpoint.exists() {
        std::fs::remove_file(&checkpoint)
            .map_err(|error| Failure::input(format!("{}: {error}", checkpoint.display())))?;
    }
    let trained = options(method, &arguments.training, checkpoint);
    let fitted = run(job, &trained, arguments.training.log.as_deref(), backbone, table, console)?;
    artifact::save(&fitted.fit, &fitted.backbone, job.slim, &job.output)?;
    if let Some(path) = &job.report {
        write_report(path, &fitted.fit.record, table)?;
    }
    console.say(format!("\n{}", text::summary(&fitted.fit.record, &job.output, job.report.as_deref())));
    Ok(fitted.fit.record)
}

/// `photos.heirloom` -> `photos.training`: the state of a run that is not complete.
fn checkpoint_path(model: &Path) -> PathBuf {
    model.with_extension("training")
}

fn options(method: TrainedMethod, typed: &TrainingArguments, checkpoint: PathBuf) -> TrainedOptions {
    use crate::arguments::{AugmentName, BalanceName};
    let recipe = RecipeOptions {
        image_size: typed.image_size.map(|size| size as usize),
        epochs: typed.epochs,
        batch_size: typed.batch_size.map(|size| size as usize),
        learning_rate: typed.learning_rate,
        weight_decay: typed.weight_decay,
        augment: Some(match typed.augment {
            AugmentName::None => Preset::None,
            AugmentName::Flip => Preset::Flip,
            AugmentName::Crop => Preset::Crop,
            AugmentName::Strong => Preset::Strong,
        }),
        mixup: typed.mixup,
        label_smoothing: typed.label_smoothing,
        balance: match typed.balance {
            BalanceName::None => Balance::None,
            BalanceName::Weights => Balance::Weights,
            BalanceName::Softmax => Balance::Softmax,
        },
    };
    TrainedOptions {
        method,
        recipe,
        freeze: typed.freeze.clone(),
        train_from: typed.train_from.clone(),
        checkpoint: Some(checkpoint),
        time_limit: typed.time_limit,
        recompute: typed.recompute,
    }
}

fn run(
    job: &Job,
    trained: &TrainedOptions,
    log: Option<&Path>,
    backbone: &Backbone,
    table: &Table,
    console: Console,
) -> Result<TrainedFit, Failure> {
    let options = FitOptions {
        methods: Vec::new(),
        rows: job.rows.clone(),
        targets: Vec::new(),
        settings: job.settings.clone(),
        seed: job.seed,
        extract: job.extract.clone(),
    };
    interrupt::note("the state after the last complete epoch is kept; run the same command again to go on from there");
    let log = log.map(Log::create).transpose()?;
    let (images, steps) = (Progress::new("images"), TrainingProgress::new());
    let progress = |state: &heirloom_transfer::extract::Progress| images.report(state.done, state.total);
    let stage = |text: &str| {
        images.restart();
        steps.finish();
        console.stage(text);
    };
    let event = |event: &TrainingEvent| {
        images.finish();
        match event {
            TrainingEvent::Step(step) => steps.step(step),
            TrainingEvent::Epoch(epoch) => {
                console.say(steps.epoch(epoch));
                log.iter().for_each(|log| log.write(epoch));
            }
            TrainingEvent::Resumed { epoch, step_in_epoch } => {
                console.say(format!("going on from the kept state: {epoch} epochs and {step_in_epoch} steps are done"));
            }
        }
    };
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let store = Store::new(&job.cache);
    let result = train(backbone, table, Some(&store), &options, trained, watch, Some(&event));
    drop(watching);
    steps.finish();
    Ok(result?)
}

/// Metrics of every epoch as JSON lines.
struct Log(Mutex<File>);

impl Log {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::options().create(true).append(true).open(path);
        file.map(|file| Self(Mutex::new(file))).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
    }

    /// A line that cannot be written is no reason to lose the training.
    fn write(&self, epoch: &heirloom_transfer::fit::trained::EpochReport) {
        if let (Ok(mut file), Ok(line)) = (self.0.lock(), serde_json::to_string(epoch)) {
            let _lost = writeln!(file, "{line}");
        }
    }
}
