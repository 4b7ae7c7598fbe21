//! The smallest patches that turn a model's answers, and the seconds they took.
//!
//! `heirloom-bench scan MODEL.heirloom DATA IMAGES [COLUMN=VALUE]`: on IMAGES test images of DATA. One JSON line.

use std::error::Error;
use std::time::Instant;

use heirloom_audit::{PreparedImages, ScanImages, ScanOptions, scan};
use heirloom_data::{Split, Table, TableOptions};
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::gradient::Differentiable;

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [model, data, images, condition @ ..] = arguments else {
        return Err("usage: heirloom-bench scan MODEL.heirloom DATA IMAGES [COLUMN=VALUE]".into());
    };
    let artifact = Artifact::load(model.as_ref())?;
    let only = condition.iter().filter_map(|text| text.split_once('='));
    let only = only.map(|(column, value)| (column.to_owned(), value.to_owned())).collect();
    let table = Table::open(data.as_ref(), &TableOptions { only, ..TableOptions::default() })?;
    let test = table.rows_in(Some(Split::Test));
    let count: usize = images.parse()?;
    let rows: Vec<usize> = (0..count.min(test.len())).map(|at| test[at * test.len() / count.min(test.len())]).collect();
    let preprocess = artifact.network.as_ref().ok_or("a model of images")?.preprocess.clone();
    let (prepared, _) = PreparedImages::read(&table, &rows, &preprocess, 1 << 31, None)?;
    let pixels: Vec<f32> = (0..prepared.table_rows().len())
        .flat_map(|at| prepared.pixels(at))
        .map(|value| f32::from(*value) / 255.0)
        .collect();
    let started = Instant::now();
    let mut network = Differentiable::new(&artifact, heirloom_engine::Isa::detect())?;
    let length = network.image_length();
    let mut clean = Vec::new();
    for pixels in pixels.chunks(64 * length) {
        let logits = network.logits(pixels, pixels.len() / length)?;
        clean.extend(
            logits
                .chunks(network.classes())
                .map(|row| (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })),
        );
    }
    let found =
        scan(&mut network, ScanImages { pixels: &pixels, clean: &clean }, &ScanOptions::default(), |_, _| true)?;
    let record = serde_json::json!({
        "bench": "scan", "model": model, "images": clean.len(), "seconds": started.elapsed().as_secs_f64(), "patches": found,
    });
    println!("{record}");
    Ok(())
}
