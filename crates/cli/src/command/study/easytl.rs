//! `study easytl`: EasyTL between every two domains of a table of features.

use std::path::PathBuf;
use std::time::Instant;

use heirloom_data::{FeatureTable, TableOptions};
use heirloom_report::{Align, Table, count, duration};
use heirloom_transfer::fit::Share;
use heirloom_transfer::study::easytl::{EasyTlStudy, Expected, Figures, study};
use serde_json::{Value, json};

use super::{DIFFERS, verdict};
use crate::arguments::EasyTlArguments;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Where the data lies in $HEIRLOOM_DATA.
const DATA: &str = "features/office_caltech10_surf.safetensors";

/// Runs the study.
pub fn run(arguments: &EasyTlArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let path = data(arguments)?;
    let table = FeatureTable::open(&path, &TableOptions::default())?;
    let expected = Expected::stored().map_err(Failure::internal)?;
    let found = study(&table, &expected).map_err(|error| {
        Failure::input(error.to_string()).hint("recipes/easytl/README.md says what the study is about")
    })?;
    let seconds = started.elapsed().as_secs_f64();
    console.answer(&text(&found, seconds))?;
    let holds = found.check.as_ref().map(|check| check.differences.is_empty());
    let code = if holds == Some(false) { DIFFERS } else { 0 };
    Ok(Outcome { json: object(&path, &found, holds, seconds), code })
}

fn data(arguments: &EasyTlArguments) -> Result<PathBuf, Failure> {
    if let Some(path) = &arguments.data {
        return Ok(path.clone());
    }
    let hint = "give the table of features, as in `heirloom study easytl office_caltech10_surf.safetensors`";
    let Some(folder) = std::env::var_os("HEIRLOOM_DATA") else {
        return Err(Failure::input("no data was named, and HEIRLOOM_DATA is not set").hint(hint));
    };
    let path = PathBuf::from(folder).join(DATA);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::input(format!("{}: no such file", path.display())).hint(hint))
}

fn object(path: &std::path::Path, found: &EasyTlStudy, holds: Option<bool>, seconds: f64) -> Value {
    json!({
        "command": "study",
        "study": "easytl",
        "data": path,
        "data_digest": found.data_digest,
        "pairs": found.pairs,
        "average": found.average,
        "check": found.check,
        "holds": holds,
        "seconds": seconds,
    })
}

fn text(found: &EasyTlStudy, seconds: f64) -> String {
    let mut table = Table::new(&[
        ("source", Align::Left),
        ("target", Align::Left),
        ("rows", Align::Right),
        ("easytl, raw", Align::Right),
        ("easytl, coral", Align::Right),
        ("1-nn", Align::Right),
    ]);
    let percent =
        |share: &Share| format!("{:.1} ({:.1} to {:.1})", 100.0 * share.value, 100.0 * share.low, 100.0 * share.high);
    for pair in &found.pairs {
        let Figures { raw, coral, nearest_neighbour } = &pair.accuracy;
        table.push([
            pair.source.clone(),
            pair.target.clone(),
            count(raw.n),
            percent(raw),
            percent(coral),
            percent(nearest_neighbour),
        ]);
    }
    let average = |value: f64| format!("{:.2}", 100.0 * value);
    table.push([
        "average".to_owned(),
        String::new(),
        String::new(),
        average(found.average.raw),
        average(found.average.coral),
        average(found.average.nearest_neighbour),
    ]);
    let mut text = table.to_text();
    text.push_str(
        "accuracy on all target rows in per cent, 95 % interval; transductive: the unlabelled target takes part\n",
    );
    let moved: usize = found.pairs.iter().flat_map(|pair| pair.moved).sum();
    text.push_str(&format!(
        "rows that the coverage of the classes took from their nearest class mean: {}\n",
        count(moved)
    ));
    text.push_str(&match &found.check {
        Some(check) => verdict(check),
        None => "no figures are expected of these data\n".to_owned(),
    });
    text.push_str(&format!("time: {}\n", duration(seconds)));
    text
}
