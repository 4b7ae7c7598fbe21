//! `predict`: classes, calibrated probabilities and unfamiliarity of new images, written as they come.

mod csv;
mod direct;
mod format;
mod line;
mod model;
mod parquet;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Instant;

use heirloom_report::{count, counted};
use heirloom_transfer::extract::SkippedImage;
use heirloom_transfer::predictor::{Outcome as Answer, Prediction};
use serde_json::{Value, json};

use self::line::{Layout, Line, Ranked};
use self::model::Model;
use self::writer::{Pending, WriteError, Writer};
use super::{Outcome, refuse_to_replace};
use crate::arguments::{PredictArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt;

/// Lines written at a time.
const BATCH: usize = 256;
/// Skipped images that are named before they are only counted.
const SHOWN: usize = 8;

/// Runs `predict`.
pub fn run(arguments: &PredictArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let keep = shared.json && arguments.output.is_none();
    let format = if keep { None } else { Some(format::choose(arguments.format, arguments.output.as_deref())?) };
    if let Some(path) = &arguments.output {
        refuse_to_replace(path, arguments.force)?;
    }
    let names = names(arguments)?;
    let model = Model::open(arguments, shared)?;
    let layout = Layout { top: usize::from(arguments.top_k).min(model.most_classes()), tasks: names.len() > 1 };

    let mut sink = Sink {
        names,
        lines: Vec::new(),
        skipped: Vec::new(),
        written: 0,
        unfamiliar: 0,
        outside: 0,
        top: layout.top,
        keep,
        out: None,
        failed: None,
    };
    let mut pending = None;
    if let Some(format) = format {
        let out: Box<dyn std::io::Write + Send> = match &arguments.output {
            Some(path) => {
                let (file_pending, file) =
                    Pending::create(path).map_err(|error| cannot_write(Some(path), error.into()))?;
                pending = Some(file_pending);
                Box::new(file)
            }
            None => Box::new(std::io::stdout()),
        };
        sink.out =
            Some(Writer::new(format, out, layout).map_err(|error| cannot_write(arguments.output.as_deref(), error))?);
    }
    interrupt::note("predictions printed so far are whole; a file that was asked for was not written");
    let skipped = model.predict(&mut sink)?;
    sink.skipped.splice(0..0, skipped);
    sink.finish(arguments.output.as_deref())?;
    if let Some((pending, path)) = pending.zip(arguments.output.as_deref()) {
        pending.keep().map_err(|error| cannot_write(Some(path), error.into()))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    console.say(sink.summary(&model, arguments.output.as_deref()));
    let object = sink.object(arguments, seconds);
    Ok(Outcome::strict(object, arguments.strict, sink.skipped.len()))
}

/// What the tasks are called: the models' file names without their ending, each another one.
fn names(arguments: &PredictArguments) -> Result<Vec<String>, Failure> {
    let name = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = std::iter::once(&arguments.model).chain(&arguments.tasks).map(name).collect();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            let fact = format!("two models are called '{name}', and predictions name the model that makes them");
            return Err(Failure::input(fact).hint("rename one of the files"));
        }
    }
    Ok(names)
}

/// Where answers go: to the writer in batches, or into memory for the JSON object.
pub struct Sink {
    /// Names of the tasks.
    names: Vec<String>,
    lines: Vec<Line>,
    skipped: Vec<SkippedImage>,
    written: usize,
    unfamiliar: usize,
    /// Images whose most probable class is none of those that a map names.
    outside: usize,
    /// Classes that are listed.
    top: usize,
    keep: bool,
    out: Option<Writer>,
    failed: Option<WriteError>,
}

impl Sink {
    /// Takes one answer of one task. Images are counted by the first.
    pub fn take(&mut self, task: usize, answer: Answer, classes: &[String]) {
        match answer {
            Answer::Skipped(skipped) if task == 0 => self.skipped.push(skipped),
            Answer::Skipped(_) => {}
            Answer::Predicted(prediction) => {
                if task == 0 {
                    self.written += 1;
                    self.unfamiliar += usize::from(prediction.unfamiliar == Some(true));
                }
                let name = (self.names.len() > 1).then(|| self.names[task].clone());
                self.lines.push(line(prediction, name, classes));
            }
        }
        if self.lines.len() >= BATCH && !self.keep {
            self.flush();
        }
    }

    /// Takes one answer of a backbone in the classes of a map.
    pub fn take_mapped(&mut self, answer: Answer, map: &direct::ClassMap) {
        let answer = match answer {
            Answer::Predicted(prediction) => {
                let (prediction, outside) = map.apply(prediction, self.top);
                self.outside += usize::from(outside);
                Answer::Predicted(prediction)
            }
            skipped => skipped,
        };
        self.take(0, answer, &map.classes);
    }

    fn flush(&mut self) {
        if let (Some(out), None) = (&mut self.out, &self.failed) {
            self.failed = out.write(&self.lines).err();
        }
        self.lines.clear();
    }

    /// Writes what is left. A reader of standard output that has gone away has what it wanted.
    fn finish(&mut self, path: Option<&Path>) -> Result<(), Failure> {
        if self.keep {
            return Ok(());
        }
        self.flush();
        let ended = match (self.failed.take(), self.out.take()) {
            (Some(error), _) => Err(error),
            (None, Some(out)) => out.finish(),
            (None, None) => Ok(()),
        };
        match ended {
            Err(WriteError::Io(error)) if path.is_none() && error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(cannot_write(path, error)),
            Ok(()) => Ok(()),
        }
    }

    fn summary(&self, model: &Model, output: Option<&Path>) -> String {
        let what = model.what();
        let place = output.map(|path| format!(" -> {}", path.display())).unwrap_or_default();
        let tasks = if self.names.len() > 1 { format!(" for {} tasks", self.names.len()) } else { String::new() };
        let mut text = format!("{} predicted{tasks}{place}", counted(self.written, what));
        if self.unfamiliar > 0 {
            text.push_str(&format!(
                "; {} unfamiliar (further from the model's {what}s than 95 % of those are from each other)",
                count(self.unfamiliar)
            ));
        }
        if self.outside > 0 {
            text.push_str(&format!("; the most probable class of {} is not in the map", counted(self.outside, what)));
        }
        let skipped: Vec<String> = self.skipped.iter().map(|row| format!("{}: {}", row.locator, row.reason)).collect();
        if !skipped.is_empty() {
            text.push_str(&format!("\nwarning: {} skipped:", counted(skipped.len(), what)));
            skipped.iter().take(SHOWN).for_each(|line| text.push_str(&format!("\n  {line}")));
        }
        text
    }

    fn object(&self, arguments: &PredictArguments, seconds: f64) -> Value {
        let skipped = self.skipped.iter().map(|row| json!({ "locator": row.locator, "reason": row.reason }));
        let skipped: Vec<Value> = skipped.collect();
        json!({
            "command": "predict",
            "model": arguments.model,
            "tasks": arguments.tasks,
            "rows": {
                "predicted": self.written,
                "skipped": skipped.len(),
                "unfamiliar": self.unfamiliar,
                "outside_map": self.outside,
            },
            "predictions": self.keep.then_some(&self.lines),
            "output": arguments.output,
            "skipped": skipped,
            "seconds": seconds,
            "images_per_second": self.written as f64 / seconds.max(1e-9),
        })
    }
}

fn line(prediction: Prediction, task: Option<String>, classes: &[String]) -> Line {
    let name = |class: usize| classes.get(class).cloned().unwrap_or_default();
    let ranked =
        prediction.top.iter().map(|(class, probability)| Ranked { class: name(*class), probability: *probability });
    Line {
        task,
        image: prediction.locator,
        class: name(prediction.class),
        probability: prediction.probability,
        unfamiliar: prediction.unfamiliar,
        top: ranked.collect(),
    }
}

fn cannot_write(path: Option<&Path>, error: WriteError) -> Failure {
    let place = path.map_or("standard output".to_string(), |path| path.display().to_string());
    Failure::input(format!("{place}: {error}")).hint("-o names another file")
}
