//! The score of the scan for unknown triggers, the seconds it took, and what a known trigger breaks.
//!
//! `heirloom-bench scan MODEL.heirloom DATA [COLUMN=VALUE] [KIND:SETTING=VALUE,...]`: on the test images of DATA. One JSON line.

use std::error::Error;
use std::time::Instant;

use heirloom_audit::{AuditWatch, Halves, PreparedImages, ScanOptions, Subject, scan};
use heirloom_data::intervention::Intervention;
use heirloom_data::{Split, Table, TableOptions};
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::predictor::{PredictOptions, Predictor};

/// Images that candidates are looked for on.
const SCREENING: usize = 96;

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [model, data, more @ ..] = arguments else {
        return Err("usage: heirloom-bench scan MODEL.heirloom DATA [COLUMN=VALUE] [KIND:SETTING=VALUE,...]".into());
    };
    let (triggers, conditions): (Vec<&String>, Vec<&String>) = more.iter().partition(|text| text.contains(':'));
    let only = conditions.iter().filter_map(|text| text.split_once('='));
    let only = only.map(|(column, value)| (column.to_owned(), value.to_owned())).collect();
    let table = Table::open(data.as_ref(), &TableOptions { only, ..TableOptions::default() })?;
    let artifact = Artifact::load(model.as_ref())?;
    let classes: Vec<Option<usize>> =
        table.classes.iter().map(|name| artifact.classes.iter().position(|class| class == name)).collect();
    let model = Predictor::new(artifact, PredictOptions { top: 1, ..PredictOptions::default() })?;
    let label = |row: usize| table.rows[row].label.and_then(|label| classes[label]);
    let rows: Vec<usize> = table.rows_in(Some(Split::Test)).into_iter().filter(|row| label(*row).is_some()).collect();
    let (images, _) = PreparedImages::read(&table, &rows, model.preprocess(), 1 << 31, None)?;
    let labels: Vec<usize> = images.table_rows().iter().filter_map(|row| label(*row)).collect();
    let started = Instant::now();
    let subject = Subject::new(&model, &images, &labels, 0, AuditWatch::default())?;
    let halves = Halves::draw(&labels, SCREENING, labels.len(), 0);
    let size = images.preprocess().input_size;
    let found = scan(&subject, &ScanOptions::default(), &halves, &[])?;
    let seconds = started.elapsed().as_secs_f64();
    let all: Vec<usize> = (0..labels.len()).collect();
    let attack = |text: &&String| -> Result<_, Box<dyn Error>> {
        let stamp = text.parse::<Intervention>()?.prepare(size)?;
        let answers = subject.answers(&all, &|_, pixels| stamp.apply(pixels))?;
        Ok(subject.attack(&all, &answers)?)
    };
    let known = triggers.iter().map(attack).collect::<Result<Vec<_>, _>>()?;
    let record = serde_json::json!({
        "bench": "scan", "model": arguments[0], "images": labels.len(), "seconds": seconds, "known": known, "scan": found,
    });
    println!("{record}");
    Ok(())
}
