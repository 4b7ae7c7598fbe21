//! How often the interval that a fit states holds the accuracy of its model.
//!
//! `heirloom-bench coverage DATA BACKBONE METHOD,METHOD,... ROWS DRAWS`. ROWS training rows are drawn without replacement, DRAWS times;
//! each draw is fitted on alone, as a data set without test rows, so that the stated accuracy is that of a nested cross-validation. The
//! truth is the accuracy of the model that was written, on all test rows of DATA. One JSON line for each method.

use std::error::Error;

use heirloom_data::{FeatureBlock, FeatureTable, Split, Table, TableOptions};
use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{ExtractOptions, Extraction, Network};
use heirloom_transfer::fit::{FitOptions, Share, Watch, fit_table};
use heirloom_transfer::heads::{Head, Method, Settings};

/// Runs the measurement.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [data, backbone, methods, rows, draws] = arguments else {
        return Err("usage: heirloom-bench coverage DATA BACKBONE METHOD,METHOD,... ROWS DRAWS".into());
    };
    let features = features(data, backbone)?;
    let (rows, draws): (usize, u64) = (rows.parse()?, draws.parse()?);
    for method in methods.split(',') {
        let draws: Vec<Draw> = (0..draws)
            .map(|seed| draw(&features, method.parse()?, rows, seed))
            .collect::<Result<_, Box<dyn Error>>>()?;
        let held = draws.iter().filter(|draw| draw.stated.low <= draw.truth && draw.truth <= draw.stated.high).count();
        let below = draws.iter().filter(|draw| draw.truth < draw.stated.low).count();
        let mean = |value: &dyn Fn(&Draw) -> f64| draws.iter().map(value).sum::<f64>() / draws.len().max(1) as f64;
        let coverage = Share::of(held, draws.len());
        let record = serde_json::json!({
            "bench": "coverage", "data": data, "backbone": backbone, "method": method, "rows": rows, "draws": draws.len(),
            "coverage": coverage, "truth_below": below, "truth_above": draws.len() - held - below,
            "stated": mean(&|draw| draw.stated.value), "truth": mean(&|draw| draw.truth),
            "width": mean(&|draw| draw.stated.high - draw.stated.low),
        });
        println!("{record}");
    }
    Ok(())
}

/// What one fit says of itself, and what is true of it.
struct Draw {
    stated: Share,
    truth: f64,
}

/// The last features of every image.
fn features(data: &str, backbone: &str) -> Result<FeatureTable, Box<dyn Error>> {
    let backbone = heirloom_zoo::open(backbone)?;
    let table = Table::open(data.as_ref(), &TableOptions::default())?;
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let requests = [(backbone.features.clone(), Pooling::MEAN)];
    let mut extraction = Extraction::new(Network::from(&backbone), &table, &rows, &requests);
    extraction.options = ExtractOptions::default();
    let extracted = extraction.run()?;
    if extracted.rows != rows {
        return Err(format!("{} of {} images can be read; all are needed", extracted.rows.len(), rows.len()).into());
    }
    let blocks = extracted.features.blocks.into_iter();
    let blocks =
        blocks.map(|block| FeatureBlock { name: block.tap, width: block.width, values: block.values }).collect();
    Ok(FeatureTable { table, blocks })
}

fn draw(features: &FeatureTable, method: Method, rows: usize, seed: u64) -> Result<Draw, Box<dyn Error>> {
    let mut train = features.table.rows_in(Some(Split::Train));
    heirloom_training::random::generator(seed, "coverage", &[]).shuffle(&mut train);
    train.truncate(rows);
    train.sort_unstable();
    let options = FitOptions {
        methods: vec![method],
        rows: Some(train),
        targets: vec![1],
        settings: Settings::default(),
        seed,
        extract: ExtractOptions::default(),
    };
    let fit = fit_table(features, &options, Watch::default())?;
    Ok(Draw { stated: fit.record.scores.accuracy, truth: truth(features, &fit.head)? })
}

/// Accuracy on all test rows.
fn truth(features: &FeatureTable, head: &Head) -> Result<f64, Box<dyn Error>> {
    let test = features.table.rows_in(Some(Split::Test));
    let values = heirloom_transfer::Features::of_table(features, &test);
    let places: Vec<usize> = (0..test.len()).collect();
    let classes = features.table.classes.len();
    let probabilities = head.probabilities(&values, &places)?;
    let right = probabilities.chunks(classes).zip(&test).filter(|(row, at)| {
        let most = (0..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        features.table.rows[**at].label == Some(most)
    });
    Ok(right.count() as f64 / test.len().max(1) as f64)
}
