//! The models that predict, with the rows they are to predict: images through their network, or tables of features.

use heirloom_data::{FeatureTable, Limits, Table};
use heirloom_transfer::artifact::{Artifact, ArtifactError};
use heirloom_transfer::extract::SkippedImage;
use heirloom_transfer::predictor::{PredictOptions, Predictor, predict_table};

use super::Sink;
use super::direct::{self, ClassMap};
use crate::arguments::{PredictArguments, SharedArguments};
use crate::backbone;
use crate::command::fit::extract_options;
use crate::command::{inspect, precision};
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// One model or several, and what they are to look at.
pub enum Model {
    /// A network with its heads, and images; a backbone used as it is may have a map of its classes.
    Images(Box<Predictor>, Box<Table>, Option<ClassMap>),
    /// Heads alone, and tables of features; how many classes are listed.
    Features(Vec<Artifact>, Vec<FeatureTable>, usize),
}

impl Model {
    /// Opens the models and the paths that were typed.
    pub fn open(arguments: &PredictArguments, shared: &SharedArguments) -> Result<Self, Failure> {
        let (first, map) = first(arguments)?;
        let others = arguments.tasks.iter().map(|path| Artifact::load(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some(network) = &first.network {
            // Opened as images, every row of a table of features would be skipped.
            if arguments.paths.iter().any(|path| FeatureTable::recognise(path).unwrap_or(false)) {
                return Err(ArtifactError::NeedsImages { name: network.backbone.name.clone() }.into());
            }
            return Self::images((first, map), others, arguments, shared);
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
        (first, map): (Artifact, Option<ClassMap>),
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
        Ok(Self::Images(Box::new(predictor), Box::new(table), map))
    }

    /// Classes of the model with most.
    pub fn most_classes(&self) -> usize {
        let most = |artifacts: &mut dyn Iterator<Item = &Artifact>| artifacts.map(|one| one.classes.len()).max();
        let most = match self {
            Self::Images(_, _, Some(map)) => Some(map.classes.len()),
            Self::Images(predictor, ..) => most(&mut predictor.artifacts()),
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
            Self::Images(predictor, table, map) => images(predictor, table, map.as_ref(), sink),
            Self::Features(artifacts, tables, top) => {
                tables.iter().try_for_each(|table| features(artifacts, table, *top, sink))?;
                Ok(Vec::new())
            }
        }
    }
}

/// The model that was named: a file that `fit` wrote, or a backbone used as it is.
fn first(arguments: &PredictArguments) -> Result<(Artifact, Option<ClassMap>), Failure> {
    let path = &arguments.model;
    let named = path.extension().is_some_and(|ending| ending == "heirloom");
    if named || (path.is_file() && inspect::is_model(path)?) {
        if arguments.class_map.is_some() {
            let fact = "--class-map is about the classes of a backbone that is used as it is";
            return Err(Failure::input(fact).hint("a fitted model has the classes it was fitted on"));
        }
        return Ok((Artifact::load(path)?, None));
    }
    if !arguments.tasks.is_empty() {
        let fact = format!("{} is a backbone, and --tasks goes with models that fit wrote", path.display());
        return Err(Failure::input(fact).hint("leave --tasks out, or fit a head first"));
    }
    let model = direct::model(&backbone::open(Some(&path.to_string_lossy()))?)?;
    let map = arguments.class_map.as_ref().map(|map| ClassMap::read(map, &model.classes)).transpose()?;
    Ok((model, map))
}

fn images(
    predictor: &Predictor,
    table: &Table,
    map: Option<&ClassMap>,
    sink: &mut Sink,
) -> Result<Vec<SkippedImage>, Failure> {
    let progress = Progress::new("images");
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let _watching = Watching::begin();
    let mut done = 0;
    let classes: Vec<&[String]> = predictor.artifacts().map(|artifact| artifact.classes.as_slice()).collect();
    predictor.predict_tasks(table, &rows, Some(&STOP), |task, answer| {
        done += usize::from(task == 0);
        match map {
            Some(map) => sink.take_mapped(answer, map),
            None => sink.take(task, answer, classes[task]),
        }
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
