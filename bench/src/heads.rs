//! Seconds of fitting one head on features that a peer reads too: `bench/peers/heads.py` writes them and compares.
//!
//! `heirloom-bench heads METHOD FEATURES ROWS COLUMNS CLASSES VALUE OUTPUT`. FEATURES holds the rows in single precision and then the
//! labels as 32-bit integers, both little-endian. VALUE is the one penalty, or the shrinkage of lda; `ridge` and `knn` choose from
//! their own lists. Two folds, even and odd rows. OUTPUT takes weights `[columns, classes]` and bias where the head has them.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use heirloom_engine::Shape;
use heirloom_transfer::heads::{Method, Normalization, Settings, Shrinkage, StoredTensor, Training, fit};
use heirloom_transfer::{Block, Features, Pooling};

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [method, file, rows, columns, classes, value, output] = arguments else {
        return Err("usage: heirloom-bench heads METHOD FEATURES ROWS COLUMNS CLASSES VALUE OUTPUT".into());
    };
    let (method, value): (Method, f64) = (method.parse()?, value.parse()?);
    let (rows, columns, classes): (usize, usize, usize) = (rows.parse()?, columns.parse()?, classes.parse()?);
    let (features, labels) = read(&std::fs::read(file)?, rows, columns)?;
    let folds: Vec<usize> = (0..rows).map(|row| row % 2).collect();
    let everything: Vec<usize> = (0..rows).collect();
    let training = Training { features: &features, labels: &labels, rows: &everything, folds: &folds, classes };
    let settings = settings(value);
    let started = Instant::now();
    let fitted = fit(method, &training, &settings)?;
    let seconds = started.elapsed().as_secs_f64();
    let stored = fitted.head.to_stored()?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(output)?);
    for name in ["weights", "bias"] {
        if let Some(StoredTensor::F32 { values, .. }) = stored.tensors.get(name) {
            for value in values {
                out.write_all(&value.to_le_bytes())?;
            }
        }
    }
    let record = serde_json::json!({ "bench": "heads", "method": method, "rows": rows, "columns": columns, "classes": classes,
        "seconds": seconds, "chosen": fitted.choice.taken() });
    println!("{record}");
    Ok(())
}

fn settings(value: f64) -> Settings {
    let mut settings = Settings::default();
    settings.linear.penalties = vec![value];
    settings.svm.penalties = vec![value];
    settings.lda.shrinkages = vec![Shrinkage::Share(value)];
    // The features are normalised already, for both sides alike.
    settings.linear.normalization = Normalization::None;
    settings.ridge.normalization = Normalization::None;
    settings.lda.normalization = Normalization::None;
    settings.svm.normalization = Normalization::None;
    settings.knn.normalization = Normalization::None;
    settings
}

fn read(bytes: &[u8], rows: usize, columns: usize) -> Result<(Features, Vec<usize>), Box<dyn Error>> {
    let words: Vec<[u8; 4]> = bytes.as_chunks().0.to_vec();
    if words.len() != rows * (columns + 1) {
        return Err(format!(
            "{} numbers; {rows} rows of {columns} columns and a label need {}",
            words.len(),
            rows * (columns + 1)
        )
        .into());
    }
    let (values, labels) = words.split_at(rows * columns);
    let values = values.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let labels = labels.iter().map(|word| u32::from_le_bytes(*word) as usize).collect();
    let block = Block {
        tap: "pre_logits".into(),
        shape: Shape::Vector { channels: columns },
        pooling: Pooling::MEAN,
        width: columns,
        values,
    };
    Ok((Features { rows, blocks: vec![block] }, labels))
}
