//! The model under audit and its references: a file that `fit` wrote, or a backbone that gets a linear head first.

use std::path::Path;

use heirloom_audit::PreparedImages;
use heirloom_audit::training_set::with_random_weights;
use heirloom_data::{Split, Table};
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::extract::{ExtractOptions, SkippedImage};
use heirloom_transfer::fit::{FitOptions, Watch, fit};
use heirloom_transfer::heads::{Method, Settings};
use heirloom_transfer::predictor::{PredictOptions, Predictor};
use heirloom_zoo::Backbone;

use super::rows::{self, Rows};
use crate::backbone;
use crate::command::{artifact, inspect};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// What stands for the model's own network before any training, where a reference is named.
pub const RANDOM: &str = "random";
/// Images that its batch-norm statistics are measured on, at most.
const STATISTICS: usize = 256;

/// What was named.
pub enum Named {
    /// A fitted model.
    Fitted(Box<Artifact>),
    /// A backbone.
    Backbone(Box<Backbone>),
    /// The network of the model under audit with random weights; of a reference alone.
    Random,
}

impl Named {
    /// Opens what was named: a model by what the file holds, else a backbone.
    pub fn open(name: &str) -> Result<Self, Failure> {
        let path = Path::new(name);
        if path.is_file() && inspect::is_model(path)? {
            let artifact = Artifact::load(path)?;
            if artifact.network.is_none() {
                let fact = format!("{name} was fitted on a table of features and has no network to show images to");
                return Err(Failure::input(fact).hint("name a model that was fitted on images, or a backbone"));
            }
            return Ok(Self::Fitted(Box::new(artifact)));
        }
        if path.extension().is_some_and(|ending| ending == "heirloom") {
            return Err(if path.is_file() {
                Failure::input(format!("{name} is no model")).hint("give the file that `heirloom fit` wrote")
            } else {
                Failure::input(format!("{name}: no such file"))
            });
        }
        Ok(Self::Backbone(Box::new(backbone::open(Some(name))?)))
    }

    /// Opens a reference: a model, a backbone, or [`RANDOM`].
    pub fn reference(name: &str) -> Result<Self, Failure> {
        if name == RANDOM { Ok(Self::Random) } else { Self::open(name) }
    }

    /// What it is once the model under audit is known: its network with random weights gets the place of [`Self::Random`].
    pub fn beside(
        self,
        model: &Ready,
        table: &Table,
        rows: &Rows,
        seed: u64,
        extract: &ExtractOptions,
    ) -> Result<Self, Failure> {
        if !matches!(self, Self::Random) {
            return Ok(self);
        }
        let backbone = model.model.artifact().backbone()?;
        let some: Vec<usize> = rows.fit.iter().copied().take(STATISTICS).collect();
        let (images, _) = model.prepare(table, &some, extract.memory_limit)?;
        let random = with_random_weights(&backbone, &images, seed, extract.isa)?;
        let Some(random) = random else {
            let fact = format!("{} is no published architecture: it cannot be given random weights", backbone.name);
            return Err(Failure::input(fact).hint("leave --reference random out"));
        };
        let name = format!("{} with random weights", backbone.name);
        Ok(Self::Backbone(Box::new(Backbone { name, ..random })))
    }

    /// The rows to judge, and to fit on where that is needed.
    pub fn rows(&self, table: &Table, limit: usize, seed: u64) -> Result<Rows, Failure> {
        match self {
            Self::Fitted(_) => Ok(rows::of_fitted(table, limit, seed)),
            Self::Backbone(_) | Self::Random => rows::of_backbone(table, limit, seed),
        }
    }

    /// Ready to answer; a backbone gets a linear head on the rows to fit on, and `slim` names the backbone of a slim model.
    pub fn ready(
        self,
        table: &Table,
        rows: &Rows,
        (slim, seed): (Option<&str>, u64),
        extract: &ExtractOptions,
        console: Console,
    ) -> Result<Ready, Failure> {
        let options = PredictOptions { top: 1, extract: extract.clone() };
        match self {
            Self::Fitted(artifact) => {
                let (method, digest) = (artifact.head.method().name().to_owned(), backbone_of(&artifact));
                let model = Predictor::complete(*artifact, slim, options)?;
                Ok(Ready { model, method, backbone: digest, fitted_on: None })
            }
            Self::Random => Err(Failure::input("random weights are no model").hint("name a model or a backbone")),
            Self::Backbone(backbone) => {
                let artifact = with_head(&backbone, table, rows, seed, extract, console)?;
                let (method, digest) = (Method::Linear.name().to_owned(), backbone_of(&artifact));
                Ok(Ready {
                    model: Predictor::new(artifact, options)?,
                    method,
                    backbone: digest,
                    fitted_on: Some(rows.fit.len()),
                })
            }
        }
    }
}

fn backbone_of(artifact: &Artifact) -> String {
    artifact.network.as_ref().map(|network| network.backbone.name.clone()).unwrap_or_default()
}

/// A model that can be asked.
pub struct Ready {
    /// The model.
    pub model: Predictor,
    /// Method of its head.
    pub method: String,
    /// Name of its network.
    pub backbone: String,
    /// Images its head was fitted on just now; none where it came fitted.
    pub fitted_on: Option<usize>,
}

impl Ready {
    /// The class of the model that each class of the table is, by name.
    fn class_of(&self, table: &Table) -> Vec<Option<usize>> {
        let classes = &self.model.artifact().classes;
        table.classes.iter().map(|name| classes.iter().position(|class| class == name)).collect()
    }

    /// Class of each row among the model's classes; rows of classes that the model does not know are dropped and their number given.
    pub fn known(&self, table: &Table, rows: &[usize]) -> Result<(Vec<usize>, usize), Failure> {
        let class_of = self.class_of(table);
        let known = |row: &usize| table.rows[*row].label.is_some_and(|label| class_of[label].is_some());
        let kept: Vec<usize> = rows.iter().copied().filter(known).collect();
        if kept.is_empty() {
            let list = |names: &[String]| names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
            let (data, model) = (list(&table.classes), list(&self.model.artifact().classes));
            let fact = format!("the data's classes ({data}) are none of the model's ({model})");
            return Err(Failure::input(fact).hint("--label-column names another column of labels"));
        }
        let dropped = rows.len() - kept.len();
        Ok((kept, dropped))
    }

    /// Class of each of `rows` among the model's classes; refuses a class that it does not know.
    pub fn labels(&self, table: &Table, rows: &[usize]) -> Result<Vec<usize>, Failure> {
        let class_of = self.class_of(table);
        let label = |row: &usize| table.rows[*row].label.and_then(|label| class_of[label].ok_or(label).ok());
        rows.iter()
            .map(|row| {
                label(row).ok_or_else(|| {
                    let class = table.rows[*row].label.map_or("?", |label| table.classes[label].as_str());
                    let fact = format!("the reference on {} does not know the class {class}", self.backbone);
                    Failure::input(fact).hint("a reference has to be fitted on the same classes")
                })
            })
            .collect()
    }

    /// The images of `rows` at the model's input size.
    pub fn prepare(
        &self,
        table: &Table,
        rows: &[usize],
        memory: u64,
    ) -> Result<(PreparedImages, Vec<SkippedImage>), Failure> {
        let _watching = Watching::begin();
        let read = PreparedImages::read(table, rows, self.model.preprocess(), memory, Some(&STOP));
        Ok(read.map_err(heirloom_audit::AuditError::from)?)
    }
}

/// Fits a linear head, chosen and fitted on `rows.fit` alone.
fn with_head(
    backbone: &Backbone,
    table: &Table,
    rows: &Rows,
    seed: u64,
    extract: &ExtractOptions,
    console: Console,
) -> Result<Artifact, Failure> {
    let mut table = table.clone();
    for (row, entry) in table.rows.iter_mut().enumerate() {
        let judged = rows.judged.binary_search(&row).is_ok();
        entry.split = Some(if judged { Split::Test } else { Split::Train });
    }
    let mut used = [rows.fit.as_slice(), &rows.judged].concat();
    used.sort_unstable();
    console.say(format!(
        "fitting a linear head on {}'s features of {} images of the data first: a backbone has no classes of its own here",
        backbone.name,
        heirloom_report::count(rows.fit.len())
    ));
    let progress = Progress::new("images");
    let report = |state: &heirloom_transfer::extract::Progress| progress.report(state.done, state.total);
    let options = FitOptions {
        methods: vec![Method::Linear],
        rows: Some(used),
        targets: vec![1],
        settings: Settings::default(),
        seed,
        extract: extract.clone(),
    };
    let _watching = Watching::begin();
    let watch = Watch { progress: Some(&report), stage: None, cancel: Some(&STOP) };
    // Nothing is kept: a store computes whole runs of neighbouring rows, and these are picked from all over the table.
    let made = fit(backbone, &table, None, &options, watch)?;
    Ok(artifact::of(&made, backbone))
}
