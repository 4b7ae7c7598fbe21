//! `fit`: from a data set and a backbone to a measured model in one file.

mod adapted;
mod features;
mod json;
mod movement;
mod page;
mod pictures;
#[cfg(test)]
mod sample;
mod surgery;
mod text;
mod trained;

use std::path::{Path, PathBuf};

use heirloom_data::{Decoder, Image, Table};
use heirloom_engine::{Isa, Precision};
use heirloom_report::Picture;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::trained::TrainedMethod;
use heirloom_transfer::fit::{Evaluated, Fit, FitOptions, FitReport, Watch};
use heirloom_transfer::heads::{Head2ToeSettings, Method, Settings};
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

pub use features::{is_table as holds_features, open as open_features, refuse_options};
pub use pictures::table_of as mistakes;

use super::run_file::{Inputs, RunFile};
use super::{Outcome, artifact, cache_folder, limit, precision, refuse_to_replace, threads};
use crate::arguments::{FitArguments, SharedArguments, TableArguments};
use crate::backbone;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;

/// Longer side of a thumbnail, in pixels.
const THUMBNAIL: u32 = 160;

/// A fit with everything settled: what to do it with and where to put it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Methods to choose from; empty stands for all that `auto` tries.
    pub methods: Vec<Method>,
    /// The model's file.
    pub output: PathBuf,
    /// The HTML report, if one is wanted.
    pub report: Option<PathBuf>,
    /// Rows of the table to use; `None` uses all.
    pub rows: Option<Vec<usize>>,
    /// Pooling targets of head2toe.
    pub targets: Vec<usize>,
    /// Settings of the heads.
    pub settings: Settings,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Extraction settings.
    pub extract: ExtractOptions,
    /// Folder of cached features.
    pub cache: PathBuf,
    /// Whether the model leaves its backbone out.
    pub slim: bool,
}

impl Job {
    /// The defaults, writing to `output` and beside it.
    pub fn new(output: PathBuf, shared: &SharedArguments) -> Result<Self, Failure> {
        Ok(Self {
            methods: Vec::new(),
            report: Some(report_path(&output)),
            output,
            rows: None,
            targets: targets(&[]),
            settings: Settings::default(),
            seed: 0,
            extract: extract_options(None, shared),
            cache: cache_folder(shared)?,
            slim: false,
        })
    }

    /// What the library needs to know of it.
    pub fn fit_options(&self) -> FitOptions {
        FitOptions {
            methods: self.methods.clone(),
            rows: self.rows.clone(),
            targets: self.targets.clone(),
            settings: self.settings.clone(),
            seed: self.seed,
            extract: self.extract.clone(),
        }
    }
}

/// Runs `fit`.
pub fn run(arguments: &FitArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let (None, Some(option)) = (arguments.method.trained(), arguments.training.typed()) {
        let fact = format!("{option} is for methods that train through the backbone, '{}' does not", arguments.method);
        return Err(Failure::input(fact).hint("leave it out, or name one of them: --method full"));
    }
    let by_steps = arguments.method.trained().is_none_or(TrainedMethod::goes_by_steps);
    if let (false, Some(option)) = (by_steps, arguments.training.typed_for_steps()) {
        let fact = format!("{option} is for methods that go by steps over batches, '{}' does not", arguments.method);
        return Err(Failure::input(fact).hint("leave it out, or name one of them: --method full"));
    }
    if arguments.slim && arguments.method.trained().is_some_and(TrainedMethod::changes_the_network) {
        let fact =
            format!("--slim leaves the backbone out, but '{}' changes it: no other file holds it", arguments.method);
        return Err(Failure::input(fact).hint("leave --slim out, or name a method on frozen features"));
    }
    if let Some((flag, of)) = arguments.frozen.misplaced(arguments.method) {
        let fact = format!("{flag} is for {of}; the method is '{}'", arguments.method);
        return Err(Failure::input(fact).hint("leave it out, or name such a method"));
    }
    if let Some((flag, of)) = arguments.frozen.of_other_solver(arguments.replicate) {
        return Err(Failure::input(format!("{flag} is for {of}")).hint("leave it out, or change the solver"));
    }
    let mut job = Job::new(arguments.output.clone(), shared)?;
    if arguments.no_report {
        job.report = None;
    }
    for path in job.report.iter().chain([&job.output, &RunFile::path(&job.output)]) {
        refuse_to_replace(path, arguments.force)?;
    }
    job.methods = Option::from(arguments.method).into_iter().collect();
    job.targets = targets(&arguments.target_sizes);
    job.settings.best_layer.targets = layer_targets(&arguments.target_sizes);
    if arguments.replicate {
        job.settings.head2toe = Head2ToeSettings::replication();
    }
    arguments.frozen.apply(&mut job.settings, arguments.seed);
    job.seed = arguments.seed;
    job.extract = extract_options(arguments.memory, shared);
    job.extract.storage = arguments.storage.storage();
    job.slim = arguments.slim;
    let record = if let Some(adapted) = adapted::options(arguments)? {
        precision::refuse(arguments.precision, "domains are adapted to each other in f32")?;
        adapted::make(&mut job, &adapted, arguments, console)?
    } else if features::is_table(&arguments.table.data)? {
        features::refuse_network(arguments)?;
        let table = features::open(&arguments.table)?;
        job.rows = limited(&table.table, arguments);
        features::make(&job, &table, console)?
    } else {
        let backbone = backbone::open(arguments.backbone.as_deref())?;
        let table = limit::limited(open_table(&arguments.table)?, arguments.table.limit, arguments.seed);
        match arguments.method.trained() {
            Some(method) => trained::make(&job, method, arguments, &backbone, &table, console)?,
            None => {
                let extract = job.extract.clone();
                job.extract = precision::settled(arguments.precision, [&backbone], &job.cache, extract, console)?;
                make(&job, &backbone, &table, console)?
            }
        }
    };
    let scores = &record.scores;
    let backbone = record.backbone.as_ref().map(|backbone| backbone.digest.clone());
    let inputs = Inputs { data: record.run.data_digest.clone(), backbone };
    let (accuracy, log_loss) = (Some(scores.accuracy.value), Some(scores.log_loss));
    let mut run_file = RunFile::new(shared.typed.clone(), inputs, &job.output, accuracy, log_loss)?;
    let trains = arguments.method.trained().is_some();
    let precision = if trains { arguments.precision.of_training() } else { Precision::F32 };
    run_file.kernels = job.extract.isa.max(Isa::detect_for(precision));
    run_file.save(&RunFile::path(&job.output))?;
    let object = json::object(&record, &job.output, job.report.as_deref());
    Ok(Outcome::strict(object, arguments.strict, record.skipped.len()))
}

/// The rows of a table of features that `--limit` leaves.
fn limited(table: &Table, arguments: &FitArguments) -> Option<Vec<usize>> {
    arguments.table.limit.map(|count| limit::rows(table, count as usize, arguments.seed))
}

/// Fits, writes the model and the report, and prints the summary.
pub fn make(job: &Job, backbone: &Backbone, table: &Table, console: Console) -> Result<FitReport, Failure> {
    let fit = fit(job, backbone, table, console)?;
    interrupt::note("the model was not written; run the same command again, its features are in the cache");
    artifact::save(&fit, backbone, job.slim, &job.output)?;
    if let Some(path) = &job.report {
        write_report(path, &fit.record, table)?;
    }
    console.say(format!("\n{}", text::summary(&fit.record, &job.output, job.report.as_deref())));
    Ok(fit.record)
}

/// `photos.heirloom` -> `photos.report.html`.
pub fn report_path(model: &Path) -> PathBuf {
    model.with_extension("report.html")
}

/// Opens the table that was typed.
pub fn open_table(arguments: &TableArguments) -> Result<Table, Failure> {
    Ok(Table::open(&arguments.data, &features::options(arguments))?)
}

/// Extraction settings from what was typed.
pub fn extract_options(memory: Option<u64>, shared: &SharedArguments) -> ExtractOptions {
    let default = ExtractOptions { threads: threads(shared), ..ExtractOptions::default() };
    ExtractOptions { memory_limit: memory.unwrap_or(default.memory_limit), ..default }
}

fn fit(job: &Job, backbone: &Backbone, table: &Table, console: Console) -> Result<Fit, Failure> {
    let store = Store::new(&job.cache);
    let options = job.fit_options();
    watched(console, |watch| Ok(heirloom_transfer::fit::fit(backbone, table, Some(&store), &options, watch)?))
}

/// Runs a fit on images with its progress shown; an interrupt is heard while images pass through the network.
fn watched<T>(console: Console, run: impl FnOnce(Watch<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    interrupt::note("finished features stay in the cache; run the same command again to go on from there");
    let progress = Progress::new("images");
    let report = |state: &heirloom_transfer::extract::Progress| progress.report(state.done, state.total);
    let watching = std::sync::Mutex::new(Some(Watching::begin()));
    let stage = |text: &str| {
        progress.finish();
        // From here on nobody looks at the flag: an interrupt ends the process.
        drop(watching.lock().map(|mut watching| watching.take()));
        console.stage(text);
    };
    run(Watch { progress: Some(&report), stage: Some(&stage), cancel: Some(&STOP) })
}

/// Pooling targets from what was typed.
pub fn targets(typed: &[u32]) -> Vec<usize> {
    if typed.is_empty() { vec![1, 512, 2048] } else { typed.iter().map(|target| *target as usize).collect() }
}

/// Pooling targets of a layer that is read alone: the mean over positions, and what was typed.
pub fn layer_targets(typed: &[u32]) -> Vec<usize> {
    let mut targets: Vec<usize> = typed.iter().map(|target| *target as usize).chain([1]).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn write_report(path: &Path, record: &FitReport, table: &Table) -> Result<(), Failure> {
    page::write(path, record, |row| picture(table, row))
}

/// The thumbnail of a row; nothing where the image has gone since it was read.
pub fn picture(table: &Table, row: &Evaluated) -> Option<Picture> {
    let bytes = table.stream(&[row.row]).next()?.ok()?;
    let mut image = Image::default();
    Decoder::new(table.limits()).decode_into(&bytes, &mut image).ok()?;
    let (width, height) = (u32::try_from(image.width()).ok()?, u32::try_from(image.height()).ok()?);
    Picture::thumbnail(image.pixels().to_vec(), width, height, THUMBNAIL).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_read_alone_is_averaged_first_of_all() {
        assert_eq!(layer_targets(&[]), [1]);
        assert_eq!(layer_targets(&[512, 1, 64]), [1, 64, 512]);
    }

    #[test]
    fn the_report_lies_beside_the_model() {
        assert_eq!(report_path(Path::new("a/photos.heirloom")), PathBuf::from("a/photos.report.html"));
        assert_eq!(report_path(Path::new("model")), PathBuf::from("model.report.html"));
    }
}
