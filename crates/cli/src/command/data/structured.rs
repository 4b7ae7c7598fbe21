//! `data make structured`: tasks about structure, drawn.

use std::path::Path;

use heirloom_data::{Structured, StructuredTask};
use heirloom_report::count;
use serde_json::json;

use crate::arguments::StructuredArguments;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Draws the tasks that were asked for.
pub fn run(arguments: &StructuredArguments, console: Console) -> Result<Outcome, Failure> {
    let tasks: Vec<StructuredTask> =
        arguments.task.map_or_else(|| StructuredTask::ALL.to_vec(), |task| vec![task.into()]);
    let folders: Vec<_> = tasks.iter().map(|task| arguments.output.join(task.name())).collect();
    if let Some(taken) = folders.iter().find(|folder| folder.exists()) {
        let fact = format!("{} is there already", taken.display());
        return Err(Failure::input(fact).hint("name another folder, or remove it"));
    }
    let mut made = Vec::new();
    for (task, folder) in tasks.into_iter().zip(folders) {
        let structured = Structured {
            task,
            seed: arguments.seed,
            side: arguments.side as usize,
            train: arguments.train as usize,
            test: arguments.test as usize,
        };
        write(&structured, &folder)?;
        let images = task.classes() * (structured.train + structured.test);
        console.say(format!("{}: {} images of {} classes", folder.display(), count(images), task.classes()));
        made.push(json!({"task": task.name(), "folder": folder, "classes": task.classes(), "images": images}));
    }
    Ok(Outcome { json: json!({"command": "data", "made": made, "seed": arguments.seed}), code: 0 })
}

fn write(structured: &Structured, folder: &Path) -> Result<(), Failure> {
    structured
        .write(folder)
        .map_err(|error| Failure::input(error.to_string()).hint("name a folder that can be written"))
}
