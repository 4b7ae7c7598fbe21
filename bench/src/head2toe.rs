//! Seconds of Head2Toe's default search on features as wide as those of a ResNet-50 at 240 pixels (`spec/head2toe.md`
//! section 2.2): synthetic values with class signal, shared factors and noise, cut off at zero as a rectifier would.
//!
//! `heirloom-bench head2toe [rows] [classes] [target,target,...]`, by default 1000 rows, 10 classes and targets 1, 512, 2048.

use std::error::Error;
use std::time::Instant;

use heirloom_engine::Shape;
use heirloom_transfer::heads::{Method, Settings, Training, fit};
use heirloom_transfer::{Block, ClassTokenMode, Features, Pooling, pooled_width};

/// Factors that columns share; as many as classes carry the class.
const FACTORS: usize = 24;

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse::<usize>());
    let (rows, classes) = (number(0, 1000)?, number(1, 10)?);
    let targets = arguments.get(2).map_or("1,512,2048", String::as_str);
    let targets = targets.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let labels: Vec<usize> = (0..rows).map(|row| row % classes).collect();
    let folds: Vec<usize> = (0..rows).map(|row| (row / classes) % 5).collect();
    let features = features(rows, &labels, &targets);
    let everything: Vec<usize> = (0..rows).collect();
    let training = Training { features: &features, labels: &labels, rows: &everything, folds: &folds, classes };
    let started = Instant::now();
    let fitted = fit(Method::Head2Toe, &training, &Settings::default())?;
    let seconds = started.elapsed().as_secs_f64();
    let record = serde_json::json!({
        "bench": "head2toe", "rows": rows, "classes": classes, "targets": targets, "columns": features.width(),
        "gigabytes": features.width() as f64 * rows as f64 * 4e-9, "seconds": seconds,
        "chosen": fitted.choice.taken(), "certificate": fitted.choice.certificate,
    });
    println!("{record}");
    Ok(())
}

/// The tapped activations of a ResNet-50 at 240 pixels, by depth.
fn taps() -> Vec<(String, Shape)> {
    let map = |side: usize, channels: usize| Shape::Map { height: side, width: side, channels };
    let mut taps = vec![("after_root".to_string(), map(60, 64))];
    let stages = [(3, 64, 60, 60), (4, 128, 60, 30), (6, 256, 30, 15), (3, 512, 15, 8)];
    for (stage, (units, channels, before, side)) in stages.into_iter().enumerate() {
        for unit in 0..units {
            let name = |layer: usize| format!("stage{stage}.unit{unit}.layer{layer}");
            taps.push((name(0), map(if unit == 0 { before } else { side }, channels)));
            taps.push((name(1), map(side, channels)));
            taps.push((name(2), map(side, 4 * channels)));
        }
    }
    taps.push(("pre_logits_pre_pooling".to_string(), map(8, 2048)));
    taps.push(("pre_logits".to_string(), Shape::Vector { channels: 2048 }));
    taps.push(("logits".to_string(), Shape::Vector { channels: 1000 }));
    taps
}

fn features(rows: usize, labels: &[usize], targets: &[usize]) -> Features {
    let mut blocks = Vec::new();
    for &target in targets {
        let pooling = Pooling { target, class_token: ClassTokenMode::Normal };
        for (index, (tap, shape)) in taps().into_iter().enumerate() {
            let width = pooled_width(shape, pooling);
            let values = values(rows, width, labels, index as u64 * 7919 + target as u64);
            blocks.push(Block { tap, shape, pooling, width, values });
        }
    }
    Features { rows, blocks }
}

/// Values `[rows, width]`: `max(0, 0.3 + loadings . factors + noise)`.
fn values(rows: usize, width: usize, labels: &[usize], seed: u64) -> Vec<f32> {
    let loadings: Vec<f32> = (0..width * FACTORS).map(|at| 0.25 * normal(seed, at as u64)).collect();
    let mut values = Vec::with_capacity(rows * width);
    for row in 0..rows {
        // Factors belong to the image, whatever the tap.
        let factors: Vec<f32> = (0..FACTORS)
            .map(|factor| normal(1, (row * FACTORS + factor) as u64) + if factor == labels[row] { 2.0 } else { 0.0 })
            .collect();
        for (column, loadings) in loadings.chunks(FACTORS).enumerate() {
            let shared: f32 = loadings.iter().zip(&factors).map(|(loading, factor)| loading * factor).sum();
            let noise = normal(seed ^ 0xA5A5, (row * width + column) as u64);
            values.push((0.3 + shared + noise).max(0.0));
        }
    }
    values
}

/// About standard normal: four uniform numbers from one hash, added.
fn normal(seed: u64, at: u64) -> f32 {
    let mut state = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed.wrapping_mul(0xD134_2543_DE82_EF95);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^= state >> 31;
    let sum: u64 = (0..4).map(|part| (state >> (16 * part)) & 0xFFFF).sum();
    (sum as f32 / 65_536.0 - 2.0) * 1.732
}
