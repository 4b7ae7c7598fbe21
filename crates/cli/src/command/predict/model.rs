//! The models that predict, with the rows they are to predict: images through their network, or tables of features.

use heirloom_data::{FeatureTable, Limits, Table};
use heirloom_transfer::artifact::{Artifact, ArtifactError};
use heirloom_transfer::extract::SkippedImage;
use heirloom_transfer::predictor::{PredictOptions, Predictor, predict_table};

use super::Sink;
use crate::arguments::{PredictArguments, SharedArguments};
use crate::command::fit::extract_options;
use crate::command::precision;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// One model or several, and what they are to look at.
pub enum Model {
    /// A network with its heads, and images.
    Images(Box<Predictor>, Box<Table>),
    /// Heads alone, and tables of features; how many classes are listed.
    Features(Vec<Artifact>, Vec<FeatureTable>, usize),
}

impl Model {
    /// Opens the models and the paths that were typed.
    pub fn open(arguments: &PredictArguments, shared: &SharedArguments) -> Result<Self, Failure> {
        let first = Artifact::load(&arguments.model)?;
        let others = arguments.tasks.iter().map(|path| Artifact::load(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some(network) = &first.network {
            // Opened as images, every row of a table of features would be skipped.
            if arguments.paths.iter().any(|path| FeatureTable::recognise(path).unwrap_or(false)) {
                return Err(ArtifactError::NeedsImages { name: network.backbone.name.clone() }.into());
            }
            return Self::images(first, others, arguments, shared);
        }
        if arguments.backbone.is_some() {
            let fact = format!("{} reads features and has no backbone", arguments.model.display());
            return Err(Failure::input(fact).hint("leave --backbone out"));
        }
        let tables = arguments.paths.iter().map(|path| FeatureTable::unlabelled(path));
        let tables = tables.collect::<Result<_, _>>().map_err(|error| {
            let hint = "this model was fitted on a table of features and reads tables of the same columns";
            Failure::input(error.to_string()).hint(hint)
        })?;
        Ok(Self::Features(std::iter::once(first).chain(others).collect(), tables, usize::from(arguments.top_k)))
    }

    fn images(
        first: Artifact,
        others: Vec<Artifact>,
        arguments: &PredictArguments,
        shared: &SharedArguments,
    ) -> Result<Self, Failure> {
        let extract = precision::of_model(arguments.precision, &first.run.precision, extract_options(None, shared));
        let options = PredictOptions { top: usize::from(arguments.top_k), extract };
        let mut predictor = Predictor::complete(first, arguments.backbone.as_deref(), options)?;
        if !others.is_empty() {
            predictor = predictor.with_tasks(others)?;
        }
        let table = Table::unlabelled(&arguments.paths, Limits::default())?;
        Ok(Self::Images(Box::new(predictor), Box::new(table)))
    }

    /// Classes of the model with most.
    pub fn most_classes(&self) -> usize {
        let most = |artifacts: &mut dyn Iterator<Item = &Artifact>| artifacts.map(|one| one.classes.len()).max();
        let most = match self {
            Self::Images(predictor, _) => most(&mut predictor.artifacts()),
            Self::Features(artifacts, ..) => most(&mut artifacts.iter()),
        };
        most.unwrap_or(0)
    }

    /// What it looks at, in the singular.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Images(..) => "image",
            Self::Features(..) => "row",
        }
    }

    /// Hands every answer to `sink`; rows that the table itself left out are returned.
    pub fn predict(&self, sink: &mut Sink) -> Result<Vec<SkippedImage>, Failure> {
        match self {
            Self::Images(predictor, table) => images(predictor, table, sink),
            Self::Features(artifacts, tables, top) => {
                tables.iter().try_for_each(|table| features(artifacts, table, *top, sink))?;
                Ok(Vec::new())
            }
        }
    }
}

fn images(predictor: &Predictor, table: &Table, sink: &mut Sink) -> Result<Vec<SkippedImage>, Failure> {
    let progress = Progress::new("images");
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let _watching = Watching::begin();
    let mut done = 0;
    let classes: Vec<&[String]> = predictor.artifacts().map(|artifact| artifact.classes.as_slice()).collect();
    predictor.predict_tasks(table, &rows, Some(&STOP), |task, answer| {
        done += usize::from(task == 0);
        sink.take(task, answer, classes[task]);
        progress.report(done, rows.len());
    })?;
    let skipped = table.skipped.iter().enumerate().map(|(row, skipped)| SkippedImage {
        row,
        locator: skipped.locator.clone(),
        reason: skipped.reason.clone(),
    });
    Ok(skipped.collect())
}

/// The answers for a row follow each other in the order of the models.
fn features(artifacts: &[Artifact], table: &FeatureTable, top: usize, sink: &mut Sink) -> Result<(), Failure> {
    let answers = artifacts.iter().map(|artifact| predict_table(artifact, table, top));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let mut answers: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
    for _ in 0..table.table.rows.len() {
        for (task, (answers, artifact)) in answers.iter_mut().zip(artifacts).enumerate() {
            answers.next().into_iter().for_each(|answer| sink.take(task, answer, &artifact.classes));
        }
    }
    Ok(())
}
