//! Seconds and values of the scores of backbones on features that a peer reads too: `bench/peers/scores.py` writes them and compares.
//!
//! `heirloom-bench scores NAME,NAME,... FEATURES ROWS COLUMNS CLASSES BINS`. FEATURES holds the rows in single precision, then the labels as
//! 32-bit integers, then the source's probabilities, BINS of each row, in single precision; all little-endian. Every score is computed by itself;
//! `together` is the time of all of them at once, which share what they have in common.

use std::error::Error;

use heirloom_transfer::ranking::{Mat, Sample, Score, Scored, Source, all};

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [names, file, rows, columns, classes, bins] = arguments else {
        return Err("usage: heirloom-bench scores NAME,NAME,... FEATURES ROWS COLUMNS CLASSES BINS".into());
    };
    let sizes = [rows.parse()?, columns.parse()?, bins.parse()?];
    let wanted = names.split(',').map(named).collect::<Result<Vec<Score>, _>>()?;
    let (features, labels, source) = read(&std::fs::read(file)?, sizes)?;
    let sample =
        Sample { features: &features, labels: &labels, classes: classes.parse()?, source: Ok(&source), seed: 0 };
    let alone: Vec<Scored> = wanted.iter().flat_map(|score| all(&sample, &[*score])).collect();
    let together: f64 = all(&sample, &wanted).iter().map(|one| one.seconds).sum();
    println!("{}", serde_json::json!({ "bench": "scores", "scores": alone, "together": together }));
    Ok(())
}

fn named(name: &str) -> Result<Score, String> {
    let found = Score::ALL.into_iter().find(|score| score.name() == name);
    found.ok_or_else(|| format!("there is no score '{name}'"))
}

type Input = (Mat<f64>, Vec<usize>, Source);

fn read(bytes: &[u8], [rows, columns, bins]: [usize; 3]) -> Result<Input, Box<dyn Error>> {
    let words = bytes.as_chunks::<4>().0;
    let wanted = rows * (columns + 1 + bins);
    if words.len() != wanted {
        return Err(format!(
            "{} numbers, and {rows} rows of {columns} features and {bins} probabilities need {wanted}",
            words.len()
        )
        .into());
    }
    let (features, rest) = words.split_at(rows * columns);
    let (labels, source) = rest.split_at(rows);
    let features =
        Mat::from_fn(rows, columns, |row, column| f64::from(f32::from_le_bytes(features[row * columns + column])));
    let source = Source::new(source.iter().map(|word| f32::from_le_bytes(*word)).collect(), bins)?;
    let labels = labels.iter().map(|word| u32::from_le_bytes(*word) as usize).collect();
    Ok((features, labels, source))
}
