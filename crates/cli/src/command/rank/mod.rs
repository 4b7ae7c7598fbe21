//! `rank`: which backbone to take, from features alone.
//!
//! ```text
//! training rows -> for each candidate: features (and source answers) -> probe out of folds, scores -> order, pick set, agreement
//! ```

mod candidate;
pub mod candidates;
mod text;

use std::time::Instant;

use heirloom_data::{Split, Table};
use heirloom_report::count;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::SkippedRow;
use heirloom_transfer::ranking::{Candidate, Picked, Score, folds_of, pick, weighted_kendall};
use serde::Serialize;
use serde_json::json;

use super::fit::{extract_options, holds_features, open_table};
use super::{Outcome, cache_folder, limit, precision};
use crate::arguments::{RankArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use candidate::Rows;

/// Fewest images, and fewest of a class.
const FEWEST: usize = 30;
const OF_CLASS: usize = 2;
/// Candidates from which the agreement of two orders says anything (`spec/model-selection.md` section 3.1).
const CANDIDATES: usize = 8;

/// A ranking with everything that is told of it.
#[derive(Debug, Clone, Serialize)]
pub struct Ranking {
    /// Version of the program.
    pub version: String,
    /// The data.
    pub data: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Training images judged on.
    pub images: usize,
    /// Candidates, the best first by the probe.
    pub candidates: Vec<Ranked>,
    /// How each score agrees with the probe over the candidates.
    pub agreement: Vec<Agreement>,
    /// Candidates that could not be opened.
    pub left_out: Vec<LeftOut>,
    /// What has to be said.
    pub warnings: Vec<String>,
    /// Images that could not be used.
    pub skipped: Vec<SkippedRow>,
    /// Seed.
    pub seed: u64,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// A candidate with its place.
#[derive(Debug, Clone, Serialize)]
pub struct Ranked {
    /// What was measured of it.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Its rank by the probe.
    #[serde(flatten)]
    pub picked: Picked,
}

/// A score against the probe.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// The score; none for the number of parameters.
    pub score: Option<Score>,
    /// The candidate it puts first.
    pub first: String,
    /// Weighted Kendall tau with the probe's accuracy over the candidates that have the score; none where one of both is constant.
    pub tau: Option<f64>,
    /// Candidates that have it.
    pub candidates: usize,
    /// Accuracy of the probe that its first candidate gives up against the best.
    pub regret: f64,
}

/// A candidate that could not be opened.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// What was named.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Runs `rank`.
pub fn run(arguments: &RankArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    if holds_features(&arguments.table.data)? {
        let fact = "a table of features has one backbone only: that which made it";
        return Err(Failure::input(fact).hint("name a folder or table of images"));
    }
    let (backbones, left_out) = candidates::open(&arguments.backbone, arguments.backbones.as_deref())?;
    let table = training(open_table(&arguments.table)?, arguments)?;
    let cache = cache_folder(shared)?;
    let extract = ExtractOptions { storage: arguments.storage.storage(), ..extract_options(arguments.memory, shared) };
    let extract = precision::settled(arguments.precision, &backbones, &cache, extract, console)?;
    let wanted = arguments.scores.as_ref().map_or_else(|| Score::ALL.to_vec(), |scores| scores.0.clone());
    let mut rows = Rows::find(&backbones[0], &table, &cache, &extract)?;
    rows.folds = folds_of(&table, &rows.rows, arguments.seed)?;
    console.say(format!(
        "judging {} on {} training images of {} classes",
        heirloom_report::counted(backbones.len(), "candidate"),
        count(rows.rows.len()),
        table.classes.len()
    ));
    let mut measured = Vec::new();
    for (at, backbone) in backbones.iter().enumerate() {
        console.say(format!("[{}/{}] {}", at + 1, backbones.len(), backbone.name));
        measured.push(candidate::measure(backbone, &rows, &wanted, arguments.seed, &extract)?);
    }
    let mut ranking = ranking(arguments, &table, &rows, measured);
    (ranking.left_out, ranking.seconds) = (left_out, started.elapsed().as_secs_f64());
    console.answer(&text::summary(&ranking))?;
    let mut object = json!(ranking);
    object["command"] = json!("rank");
    Ok(Outcome::strict(object, arguments.strict, ranking.skipped.len()))
}

/// Training rows alone, at most as many as asked for.
fn training(mut table: Table, arguments: &RankArguments) -> Result<Table, Failure> {
    table.rows.retain(|row| row.split != Some(Split::Test) && row.label.is_some());
    let most = arguments.table.limit.unwrap_or(u64::MAX).min(u64::from(arguments.images));
    table.rows.iter_mut().for_each(|row| row.split = None);
    let table = limit::limited(table, Some(most), arguments.seed);
    if table.rows.len() < FEWEST {
        let fact = format!("{} training images are too few to rank on: {FEWEST} are needed", table.rows.len());
        return Err(Failure::input(fact).hint("give more labelled images; test images are never read"));
    }
    let counts = table.class_counts(|_| true);
    if let Some(class) = counts.iter().position(|count| *count < OF_CLASS) {
        let fact =
            format!("class '{}' has {} of {OF_CLASS} images needed to rank on", table.classes[class], counts[class]);
        return Err(Failure::input(fact).hint("give more images of it, or leave the class out"));
    }
    Ok(table)
}

fn ranking(arguments: &RankArguments, table: &Table, rows: &Rows<'_>, measured: Vec<Candidate>) -> Ranking {
    let right: Vec<&[bool]> = measured.iter().map(|candidate| candidate.right.as_slice()).collect();
    let picked = pick(&right, arguments.seed);
    let agreement = agreement(&measured, &picked);
    let mut candidates: Vec<Ranked> =
        measured.into_iter().zip(picked).map(|(candidate, picked)| Ranked { candidate, picked }).collect();
    let loss = |ranked: &Ranked| ranked.candidate.log_loss;
    candidates.sort_by(|a, b| a.picked.rank.cmp(&b.picked.rank).then(loss(a).total_cmp(&loss(b))));
    let mut warnings: Vec<String> = table.warnings.iter().map(ToString::to_string).collect();
    if candidates.len() < CANDIDATES {
        warnings.push(format!(
            "{} candidates are too few to say how well a score agrees with the probe: chance alone gives a tau of 0.5 and more",
            candidates.len()
        ));
    }
    Ranking {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: table.source.display().to_string(),
        classes: table.classes.clone(),
        images: rows.rows.len(),
        candidates,
        agreement,
        left_out: Vec::new(),
        warnings,
        skipped: rows.skipped.clone(),
        seed: arguments.seed,
        seconds: 0.0,
    }
}

/// Every score, and the number of parameters as a baseline that knows nothing of the data.
fn agreement(measured: &[Candidate], picked: &[Picked]) -> Vec<Agreement> {
    let best = picked.iter().map(|one| one.accuracy.value).fold(0.0, f64::max);
    let against = |score: Option<Score>, value: &dyn Fn(&Candidate) -> Option<f64>| {
        let with: Vec<(usize, f64)> =
            measured.iter().enumerate().filter_map(|(at, candidate)| Some((at, value(candidate)?))).collect();
        let first = with.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?.0;
        let values: Vec<f64> = with.iter().map(|(_, value)| *value).collect();
        let accuracy: Vec<f64> = with.iter().map(|(at, _)| picked[*at].accuracy.value).collect();
        Some(Agreement {
            score,
            first: measured[first].name.clone(),
            tau: weighted_kendall(&values, &accuracy),
            candidates: with.len(),
            regret: best - picked[first].accuracy.value,
        })
    };
    let scores: Vec<Score> =
        measured.first().map(|one| one.scores.iter().map(|one| one.score).collect()).unwrap_or_default();
    let value = |candidate: &Candidate, score: Score| {
        candidate.scores.iter().find(|one| one.score == score).and_then(|one| one.value)
    };
    let of_scores = scores.into_iter().filter_map(|score| against(Some(score), &|candidate| value(candidate, score)));
    let parameters = against(None, &|candidate| Some(candidate.parameters as f64));
    of_scores.chain(parameters).collect()
}
