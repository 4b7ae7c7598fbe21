//! The data sets and the source of the recipe, opened.

use std::path::Path;

use heirloom_audit::study::Set;
use heirloom_audit::study::pretraining::PretrainingData;
use heirloom_data::augment::Draws;
use heirloom_data::{Split, Table, TableOptions};
use serde::Deserialize;

use super::super::data_sets::{self, Entry};
use super::Input;
use crate::arguments::{PretrainingArguments, SourceSize};
use crate::backbone;
use crate::failure::Failure;

const RECIPE: &str = include_str!("../../../../../../recipes/pretraining/targets.json");
/// What sources of our own are trained on, and how many of its test images judge them at the small size.
const SOURCE: &str = "cifar10";
const SOURCE_TEST: u64 = 2000;

/// The recipe's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    targets: Vec<Entry>,
    varied: usize,
    outliers: Vec<Entry>,
    pairs: Pairs,
}

/// Targets of fine classes, each with one of coarse classes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    path: String,
    /// Training and test rows of each class, drawn from all of them.
    rows: [usize; 2],
    fine: Vec<Vec<String>>,
    coarse: Vec<Vec<String>>,
}

/// Everything a study needs.
pub fn input(study: &str, arguments: &PretrainingArguments) -> Result<Input, Failure> {
    let recipe: Recipe = serde_json::from_str(RECIPE).map_err(|error| Failure::internal(error.to_string()))?;
    let root = data_sets::root(arguments.data.as_deref(), study)?;
    let seed = arguments.run.seed;
    let small = (arguments.size != SourceSize::Full).then_some(SOURCE_TEST);
    let whole = Table::open(&root.join(SOURCE), &TableOptions::default())?;
    let source = data_sets::with_test(&whole, small, seed);
    let mut targets = data_sets::opened(recipe.targets, &root, None, seed)?;
    let first = targets.len();
    let mut pairs = Vec::new();
    for (number, (fine, coarse)) in recipe.pairs.fine.iter().zip(&recipe.pairs.coarse).enumerate() {
        for (kind, classes) in [("fine", fine), ("coarse", coarse)] {
            let name = format!("{kind} {}", number + 1);
            targets.push(part(&root, &recipe.pairs, &name, classes, seed)?);
        }
        pairs.push([first + 2 * number, first + 2 * number + 1]);
    }
    let data = PretrainingData {
        source: Set::new(SOURCE, "animals and vehicles, 32 pixels", source)?,
        targets,
        varied: recipe.varied,
        pairs,
        outliers: data_sets::opened(recipe.outliers, &root, None, seed)?,
    };
    Ok(Input { data, source: backbone::open(Some(&arguments.source))?, _folder: None })
}

/// Some classes of a data set, its rows split anew.
fn part(root: &Path, pairs: &Pairs, name: &str, classes: &[String], seed: u64) -> Result<Set, Failure> {
    let mut table = Table::open(&root.join(&pairs.path), &TableOptions::default())?;
    let is_class =
        |full: &String, class: &String| full == class || full.split_once(' ').is_some_and(|(_, own)| own == class);
    let mut rows = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let found = table.classes.iter().position(|full| is_class(full, class));
        let found = found.ok_or_else(|| Failure::input(format!("{} has no class '{class}'", pairs.path)))?;
        let mut own: Vec<usize> = (0..table.rows.len()).filter(|row| table.rows[*row].label == Some(found)).collect();
        Draws::of_batch(seed, 0, found).shuffle(&mut own);
        let [train, test] = pairs.rows;
        for (at, row) in own.into_iter().take(train + test).enumerate() {
            let mut row = table.rows[row].clone();
            row.label = Some(label);
            row.split = Some(if at < train { Split::Train } else { Split::Test });
            rows.push(row);
        }
    }
    (table.rows, table.classes) = (rows, classes.to_vec());
    Ok(Set::new(name, &classes.join(", "), table)?)
}
