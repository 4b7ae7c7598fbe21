//! Seconds of a whole Head2Toe search on features that a peer reads too: `bench/peers/search.py` writes them and compares.
//!
//! `heirloom-bench search FEATURES ROWS WIDTH,WIDTH,... CLASSES GROUP,GROUP,... RIDGE,RIDGE,... GAP`. FEATURES holds the rows in single
//! precision, tap after tap within a row, and then the labels as 32-bit integers, both little-endian. GROUP are group penalties as
//! shares of the largest, RIDGE relative ridge penalties; with the nine default fractions they make the settings. Five folds:
//! row modulo 5.

use std::error::Error;
use std::str::FromStr;
use std::time::Instant;

use heirloom_engine::Shape;
use heirloom_transfer::heads::{Method, Settings, Solver, Training, fit};
use heirloom_transfer::{Block, Features, Pooling};

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [file, rows, widths, classes, group, ridge, gap] = arguments else {
        return Err("usage: heirloom-bench search FEATURES ROWS WIDTHS CLASSES GROUP RIDGE GAP".into());
    };
    let (rows, widths, classes): (usize, Vec<usize>, usize) = (rows.parse()?, list(widths)?, classes.parse()?);
    let (features, labels) = read(&std::fs::read(file)?, rows, &widths)?;
    let folds: Vec<usize> = (0..rows).map(|row| row % 5).collect();
    let everything: Vec<usize> = (0..rows).collect();
    let training = Training { features: &features, labels: &labels, rows: &everything, folds: &folds, classes };
    let mut settings = Settings { penultimate: format!("tap{}", widths.len() - 1), ..Settings::default() };
    settings.head2toe.solver =
        Solver::Exact { group_penalties: list(group)?, penalties: list(ridge)?, gap: gap.parse()? };
    let started = Instant::now();
    let fitted = fit(Method::Head2Toe, &training, &settings)?;
    let seconds = started.elapsed().as_secs_f64();
    let record = serde_json::json!({
        "bench": "search", "rows": rows, "columns": features.width(), "classes": classes, "seconds": seconds,
        "settings": fitted.choice.table.len(), "chosen": fitted.choice.taken(), "certificate": fitted.choice.certificate,
    });
    println!("{record}");
    Ok(())
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>, T::Err> {
    text.split(',').map(str::parse).collect()
}

fn read(bytes: &[u8], rows: usize, widths: &[usize]) -> Result<(Features, Vec<usize>), Box<dyn Error>> {
    let columns: usize = widths.iter().sum();
    let words: Vec<[u8; 4]> = bytes.as_chunks().0.to_vec();
    let needed = rows * (columns + 1);
    if words.len() != needed {
        return Err(
            format!("{} numbers; {rows} rows of {columns} columns and a label need {needed}", words.len()).into()
        );
    }
    let (values, labels) = words.split_at(rows * columns);
    let mut blocks = Vec::new();
    let mut first = 0;
    for (tap, &width) in widths.iter().enumerate() {
        let own = |row: &[[u8; 4]]| -> Vec<f32> {
            row[first..first + width].iter().map(|word| f32::from_le_bytes(*word)).collect()
        };
        blocks.push(Block {
            tap: format!("tap{tap}"),
            shape: Shape::Vector { channels: width },
            pooling: Pooling::MEAN,
            width,
            values: values.chunks(columns).flat_map(own).collect(),
        });
        first += width;
    }
    Ok((Features { rows, blocks }, labels.iter().map(|word| u32::from_le_bytes(*word) as usize).collect()))
}
