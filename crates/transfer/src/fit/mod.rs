//! From a data set and a backbone to a measured head: the orchestration of `fit`.
//!
//! ```text
//! table -> checks -> features that the methods read -> groups (table, copies) -> protocol -> judged rows -> head -> record
//! ```
//!
//! This module owns the rule that no judged row takes part in fitting or choosing what judges it.

mod adapted;
mod artifact;
pub(crate) mod copies;
mod curve;
mod error;
mod given;
pub(crate) mod judge;
mod narrow;
mod record;
pub(crate) mod scores;
pub(crate) mod select;
pub mod trained;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use heirloom_data::{FeatureTable, Groups, Split, SplitInput, Table};
use heirloom_zoo::Backbone;

pub use adapted::{AdaptedOptions, fit_adapted, fit_adapted_table};
pub use error::FitError;
pub use record::{
    AdaptationRecord, BackboneRecord, Candidate, ClassScore, CurveRow, DuplicateGroup, Evaluated, FitReport, Protocol,
    ReliabilityBin, RowCounts, RunRecord, Scores, Seconds, Share, SkippedRow,
};
pub use scores::examples;

pub(crate) use scores::most_probable;

use crate::adaptation::Preparation;
use crate::extract::{ExtractOptions, Extracted, Extraction, Images, Network, Progress, TableImages};
use crate::heads::{Head, Method, Ragged, Settings, Solver, Training, batched_accuracy, recipe};
use crate::store::Store;
use crate::{Features, Pooling};
use copies::Copies;
use given::Given;
use judge::Judged;
use select::Selected;

/// Rows that the released code of Head2Toe judges at a time (`spec/head2toe.md` section 4).
const EVALUATION_BATCH: usize = 50;
/// Rows from which a part is held out instead of cross-validating.
pub const HOLD_OUT_ROWS: usize = 5000;
/// What `auto` chooses from.
pub const AUTO: [Method; 5] = [Method::Ncm, Method::Ridge, Method::Linear, Method::Knn, Method::Head2Toe];
/// Folds of every cross-validation; one of five is a fifth of the rows.
const FOLDS: usize = 5;

/// How to fit.
#[derive(Debug, Clone)]
pub struct FitOptions {
    /// Methods to choose from; one is fitted without a choice. Empty stands for [`AUTO`].
    pub methods: Vec<Method>,
    /// Rows of the table to use; `None` uses all.
    pub rows: Option<Vec<usize>>,
    /// Pooling targets of the methods that read all taps.
    pub targets: Vec<usize>,
    /// Settings of the heads.
    pub settings: Settings,
    /// Seed of folds and draws.
    pub seed: u64,
    /// How to extract.
    pub extract: ExtractOptions,
}

/// What a fit tells and asks while it runs.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Told how far the extraction is.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
    /// Told what is being done next.
    pub stage: Option<&'a (dyn Fn(&str) + Sync)>,
    /// Stops the extraction when set; what is finished stays in the store.
    pub cancel: Option<&'a AtomicBool>,
}

/// A fitted head with its record, and the features it was fitted on.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The head of the model to write.
    pub head: Head,
    /// The record that every view shows.
    pub record: FitReport,
    /// Features of all used rows.
    pub features: Features,
    /// Rows of `features` that the head was fitted on; after adaptation those of the target, which it was fitted for.
    pub fitted_rows: Vec<usize>,
    /// What happens to features before the head reads them, after adaptation; `features` are prepared already.
    pub preparation: Option<Preparation>,
}

/// The rows in use, by position in the features.
pub(crate) struct Rows {
    /// Row of the table of each.
    pub table: Vec<usize>,
    /// Class of each.
    pub labels: Vec<usize>,
    /// Rows to fit and choose on.
    pub train: Vec<usize>,
    /// The data's own test rows.
    pub test: Vec<usize>,
    /// Fold of each.
    pub folds: Vec<usize>,
}

/// Fits a head on a backbone's features of a table and measures it.
///
/// # Errors
/// A table that nothing can be fitted on, features that cannot be had, see [`FitError`].
pub fn fit(
    backbone: &Backbone,
    table: &Table,
    store: Option<&Store>,
    options: &FitOptions,
    watch: Watch<'_>,
) -> Result<Fit, FitError> {
    let started = Instant::now();
    table.check_for_training()?;
    let methods = if options.methods.is_empty() { AUTO.to_vec() } else { options.methods.clone() };
    let requests = requests(backbone, &methods, &options.targets, &options.settings);
    let (extracted, data_digest) = extract(backbone, table, store, options, &requests, watch)?;
    let given = Given::extracted(backbone, table, extracted, &requests, options);
    let extracted = started.elapsed();
    let mut fit = fit_given(given, &methods, options, watch)?;
    fit.record.run.data_digest = data_digest;
    fit.record.seconds = Seconds::since(started, extracted);
    Ok(fit)
}

/// Fits a head on a table of features and measures it. Pooling targets have no meaning here: blocks are read as they are.
///
/// # Errors
/// A table that nothing can be fitted on, `head2toe` on a single block, see [`FitError`].
pub fn fit_table(table: &FeatureTable, options: &FitOptions, watch: Watch<'_>) -> Result<Fit, FitError> {
    let started = Instant::now();
    table.table.check_for_training()?;
    let methods = methods_for_table(table, &options.methods)?;
    let rows = options.rows.clone().unwrap_or_else(|| (0..table.table.rows.len()).collect());
    let digest = table.digest(&rows);
    let given = Given::of_table(table, rows);
    let read = started.elapsed();
    let options = FitOptions { targets: vec![1], ..options.clone() };
    let mut fit = fit_given(given, &methods, &options, watch)?;
    fit.record.run.data_digest = Some(digest);
    fit.record.seconds = Seconds::since(started, read);
    Ok(fit)
}

/// `head2toe` chooses among the features of several layers and needs two blocks; `auto` leaves it out where there is one.
fn methods_for_table(table: &FeatureTable, typed: &[Method]) -> Result<Vec<Method>, FitError> {
    let auto = AUTO.into_iter().filter(|method| table.blocks.len() > 1 || !method.reads_all_taps());
    let methods = if typed.is_empty() { auto.collect() } else { typed.to_vec() };
    match methods.iter().find(|method| method.reads_all_taps()) {
        Some(method) if table.blocks.len() < 2 => {
            Err(FitError::OneBlock { method: method.name(), block: table.principal().to_owned() })
        }
        _ => Ok(methods),
    }
}

/// Fits a head on what is given; digest and times of the record are the caller's.
fn fit_given(given: Given<'_>, methods: &[Method], options: &FitOptions, watch: Watch<'_>) -> Result<Fit, FitError> {
    let protocol = protocol(given.table, &given.rows);
    let mut rows = arrange(given.table, &given.rows, &given.copies, protocol, options.seed)?;
    check(given.table, &rows, given.skipped.len())?;
    let mut settings = options.settings.clone();
    settings.penultimate = given.principal.clone();
    settings.head2toe.targets = options.targets.clone();
    settings.all.targets = options.targets.clone();
    let stage = |text: &str| watch.stage.map_or((), |stage| stage(text));
    let job = Job { methods, settings: &settings, features: &given.features, classes: given.table.classes.len() };
    let (selected, judged) = job.run(protocol, &mut rows, &stage)?;
    stage("measuring what more rows would bring");
    let learning_curve = curve::curve(&job, &selected, &judged, &rows, protocol, options.seed)?;
    let mut record = Facts { given: &given, options, protocol }.record(&selected, &judged, &rows);
    record.learning_curve = learning_curve;
    Ok(Fit { head: selected.fitted.head, record, features: given.features, fitted_rows: rows.train, preparation: None })
}

/// What the methods read, each once.
pub(crate) fn requests(
    backbone: &Backbone,
    methods: &[Method],
    targets: &[usize],
    settings: &Settings,
) -> Vec<(String, Pooling)> {
    let mut requests = Vec::new();
    for method in methods {
        let targets = settings.targets(*method, targets);
        for request in recipe(*method, &backbone.features, &backbone.taps, targets, settings.class_token) {
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
    }
    requests
}

fn extract(
    backbone: &Backbone,
    table: &Table,
    store: Option<&Store>,
    options: &FitOptions,
    requests: &[(String, Pooling)],
    watch: Watch<'_>,
) -> Result<(Extracted, Option<String>), FitError> {
    let all: Vec<usize>;
    let rows = match &options.rows {
        Some(rows) => rows,
        None => {
            all = (0..table.rows.len()).collect();
            &all
        }
    };
    let remembered = store.map(|store| TableImages::new(table, store.cache()));
    let images: &dyn Images = remembered.as_ref().map_or(table as &dyn Images, |remembered| remembered);
    let mut extraction = Extraction::new(Network::from(backbone), images, rows, requests);
    extraction.store = store;
    extraction.options = options.extract.clone();
    extraction.progress = watch.progress;
    extraction.cancel = watch.cancel;
    let extracted = extraction.run()?;
    let digest = data_digest(images, &extracted.rows);
    Ok((extracted, digest))
}

/// BLAKE3 over the content digests of `rows`, in order, in hexadecimal; `None` where one cannot be read.
#[must_use]
pub fn data_digest(images: &dyn Images, rows: &[usize]) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    for digest in images.digests(rows) {
        hasher.update(&digest.ok()?);
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// The data's own test rows decide; without any, the number of rows.
pub(crate) fn protocol(table: &Table, rows: &[usize]) -> Protocol {
    let split = |row: &usize| table.rows.get(*row).and_then(|row| row.split);
    if rows.iter().any(|row| split(row) == Some(Split::Test)) {
        Protocol::TestSplit
    } else if rows.len() >= HOLD_OUT_ROWS {
        Protocol::HoldOut
    } else {
        Protocol::NestedCv
    }
}

/// Labels, training rows, test rows and folds. Validation rows are training rows: choosing is done by folds.
fn arrange(table: &Table, used: &[usize], copies: &Copies, protocol: Protocol, seed: u64) -> Result<Rows, FitError> {
    let row = |place: usize| table.rows.get(used[place]);
    let labels: Vec<usize> = (0..used.len()).map(|place| row(place).and_then(|row| row.label).unwrap_or(0)).collect();
    let is_test = |place: &usize| row(*place).is_some_and(|row| row.split == Some(Split::Test));
    let (test, train): (Vec<usize>, Vec<usize>) = (0..used.len()).partition(is_test);
    let mut groups = Groups::of_table(table, used);
    groups.unite_sets(&copies.groups);
    let groups = groups.ids();
    let of_train = |all: &[usize]| -> Vec<usize> { train.iter().map(|place| all[*place]).collect() };
    let (train_labels, train_groups) = (of_train(&labels), of_train(&groups));
    let mut distinct = train_groups.clone();
    distinct.sort_unstable();
    distinct.dedup();
    // Holding a fold out leaves one fewer to choose with, and choosing needs two.
    let needed = if protocol == Protocol::TestSplit { 2 } else { 3 };
    if distinct.len() < needed {
        return Err(FitError::TooFewGroups { rows: train.len(), groups: distinct.len(), needed });
    }
    let input = SplitInput { labels: &train_labels, groups: Some(&train_groups), keys: None };
    let made = heirloom_data::folds(input, FOLDS.min(distinct.len()), seed)?;
    let mut folds = vec![0; used.len()];
    train.iter().zip(made.fold_of).for_each(|(place, fold)| folds[*place] = fold);
    Ok(Rows { table: used.to_vec(), labels, train, test, folds })
}

/// What broken images may have left: a class that is to be recognised and cannot be learned, or a single class.
fn check(table: &Table, rows: &Rows, skipped: usize) -> Result<(), FitError> {
    let count = |places: &[usize]| {
        let mut counts = vec![0_usize; table.classes.len()];
        places.iter().for_each(|place| counts[rows.labels[*place]] += 1);
        counts
    };
    let (train, test) = (count(&rows.train), count(&rows.test));
    let classes = train.iter().filter(|count| **count > 0).count();
    if classes < 2 {
        return Err(FitError::OneClass { classes, skipped });
    }
    match (0..train.len()).find(|class| train[*class] == 0 && test[*class] > 0) {
        Some(class) => Err(FitError::Unseen { class: table.classes[class].clone(), test: test[class], skipped }),
        None => Ok(()),
    }
}

/// What every fit of one run shares.
struct Job<'a> {
    methods: &'a [Method],
    settings: &'a Settings,
    features: &'a Features,
    classes: usize,
}

impl Job<'_> {
    fn training<'b>(&'b self, rows: &'b Rows, train: &'b [usize]) -> Training<'b> {
        let (labels, folds) = (&rows.labels, &rows.folds);
        Training { features: self.features, labels, rows: train, folds, classes: self.classes }
    }

    /// Judges rows by the protocol and fits the head to keep. Held-out rows leave `rows.train` for `rows.test`.
    fn run(&self, protocol: Protocol, rows: &mut Rows, stage: &impl Fn(&str)) -> Result<(Selected, Judged), FitError> {
        match protocol {
            Protocol::NestedCv => {
                stage("cross-validating");
                let judged = judge::nested(self.methods, &self.training(rows, &rows.train), self.settings)?;
                stage("fitting on all rows");
                Ok((select::select(self.methods, &self.training(rows, &rows.train), self.settings)?, judged))
            }
            Protocol::HoldOut | Protocol::TestSplit | Protocol::TargetDomain => {
                if protocol == Protocol::HoldOut {
                    (rows.test, rows.train) = rows.train.iter().partition(|place| rows.folds[**place] == 0);
                }
                stage("choosing and fitting");
                let training = self.training(rows, &rows.train);
                Ok(judge::held_out(self.methods, &training, self.settings, &rows.test)?)
            }
        }
    }
}

/// Everything the record is made of besides the judged rows.
struct Facts<'a> {
    given: &'a Given<'a>,
    options: &'a FitOptions,
    protocol: Protocol,
}

impl Facts<'_> {
    fn record(&self, selected: &Selected, judged: &Judged, rows: &Rows) -> FitReport {
        let classes = self.given.table.classes.len();
        let verdicts = scores::verdicts(judged, &rows.labels, classes);
        let confusion = scores::confusion(&verdicts, classes);
        let per_class = scores::per_class(&confusion, &self.given.table.classes);
        let training: Vec<usize> = rows.train.iter().map(|place| rows.labels[*place]).collect();
        FitReport {
            method: selected.fitted.head.method().name().to_string(),
            requested: match self.options.methods.as_slice() {
                [only] => only.name().to_string(),
                _ => "auto".to_string(),
            },
            choice: selected.choice.clone(),
            candidates: selected.candidates.clone(),
            batched_accuracy: self.batched_accuracy(selected, &verdicts),
            layers: selected.fitted.head.layers(&self.given.features, &self.given.taps),
            certificate: selected.fitted.choice.certificate,
            backbone: self.given.backbone.clone(),
            classes: self.given.table.classes.clone(),
            protocol: self.protocol,
            refitted: self.protocol == Protocol::NestedCv,
            rows: RowCounts { train: rows.train.len(), test: verdicts.len(), skipped: self.given.skipped.len() },
            scores: scores::scores(judged, &rows.labels, &self.given.table.classes, &training),
            per_class,
            confusion,
            reliability: scores::reliability(&verdicts),
            evaluated: self.evaluated(verdicts, rows),
            suspects: self.suspects(selected, judged, rows),
            duplicates: self.given.copies.describe(self.given.table, rows),
            skipped: self.given.skipped.clone(),
            learning_curve: Vec::new(),
            adaptation: None,
            epochs: Vec::new(),
            movement: None,
            block_gradients: Vec::new(),
            warnings: self.warnings(rows),
            seconds: Seconds { extract: 0.0, fit: 0.0, total: 0.0 },
            images_per_second: self.given.images_per_second,
            run: self.run_record(selected),
        }
    }

    /// The accuracy as the released code of Head2Toe counts it, where the settings ask for it.
    fn batched_accuracy(&self, selected: &Selected, verdicts: &[scores::Verdict]) -> Option<f64> {
        let asked = match &self.options.settings.head2toe.solver {
            Solver::Adam(recipe) => recipe.batched_accuracy && selected.fitted.head.method() == Method::Head2Toe,
            Solver::Exact { .. } => false,
        };
        let right: Vec<bool> = verdicts.iter().map(|verdict| verdict.label == verdict.predicted).collect();
        asked.then(|| batched_accuracy(&right, EVALUATION_BATCH, Ragged::Reference))
    }

    /// The most confident mistakes first, then the right ones, the least confident first.
    fn evaluated(&self, mut verdicts: Vec<scores::Verdict>, rows: &Rows) -> Vec<Evaluated> {
        verdicts.sort_by(|a, b| {
            let (wrong_a, wrong_b) = (a.label != a.predicted, b.label != b.predicted);
            let within =
                if wrong_a { b.confidence.total_cmp(&a.confidence) } else { a.confidence.total_cmp(&b.confidence) };
            wrong_b.cmp(&wrong_a).then(within).then(a.row.cmp(&b.row))
        });
        verdicts.iter().map(|verdict| self.placed(verdict, rows)).collect()
    }

    fn placed(&self, verdict: &scores::Verdict, rows: &Rows) -> Evaluated {
        let row = rows.table[verdict.row];
        let locator = self.given.table.rows.get(row).map(|row| row.locator.to_string()).unwrap_or_default();
        verdict.placed(row, locator)
    }

    /// Suspects among all rows that have a prediction by a head that did not see them: the judged ones, and the training rows by
    /// the folds they were left out of.
    fn suspects(&self, selected: &Selected, judged: &Judged, rows: &Rows) -> Vec<Evaluated> {
        let classes = self.given.table.classes.len();
        let mut all = judged.clone();
        if self.protocol != Protocol::NestedCv {
            all.rows.extend(&selected.fitted.choice.rows);
            all.probabilities.extend(selected.fitted.out_of_fold_probabilities());
        }
        let verdicts = scores::verdicts(&all, &rows.labels, classes);
        let found = scores::suspects(&all, &rows.labels, classes).into_iter();
        let verdict = |row: usize| verdicts.iter().find(move |verdict| verdict.row == row);
        found.filter_map(verdict).map(|verdict| self.placed(verdict, rows)).collect()
    }

    fn warnings(&self, rows: &Rows) -> Vec<String> {
        let mut warnings: Vec<String> = self.given.table.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(self.given.notes.iter().cloned());
        warnings.extend(self.given.copies.leak(self.given.table, rows));
        warnings
    }

    fn run_record(&self, selected: &Selected) -> RunRecord {
        RunRecord {
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: self.given.table.source.display().to_string(),
            data_digest: None,
            seed: self.options.seed,
            isa: self.given.isa.clone(),
            precision: self.given.precision,
            parity: self.given.parity.clone(),
            feature_storage: self.given.feature_storage,
            features: self.given.read.clone(),
            settings: serde_json::json!({
                "method": selected.fitted.head.method(),
                "chosen": selected.fitted.choice.taken().map(|taken| &taken.settings),
                "temperature": selected.fitted.head.temperature(),
                "targets": self.options.settings.targets(selected.fitted.head.method(), &self.options.targets),
                "folds": FOLDS,
            }),
        }
    }
}
