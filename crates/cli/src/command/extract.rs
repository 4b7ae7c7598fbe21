//! `extract`: fills the cache with features of a data set.

use heirloom_data::Table;
use heirloom_report::{count, counted, duration};
use heirloom_transfer::extract::{ExtractOptions, Extraction, Network, Shard, Summary, TableImages};
use heirloom_transfer::store::Store;
use heirloom_transfer::{ClassTokenMode, Pooling};
use heirloom_zoo::Backbone;
use serde_json::json;

use super::features_file::Form;
use super::fit::{extract_options, open_table};
use super::{Outcome, cache_folder, limit, precision, refuse_to_replace, write_whole};
use crate::arguments::{ExtractArguments, SharedArguments};
use crate::backbone;
use crate::console::{Console, facts};
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;

/// Skipped rows that are named before they are only counted.
const SHOWN: usize = 8;

/// Runs `extract`.
pub fn run(arguments: &ExtractArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let form = arguments.output.as_deref().map(Form::of).transpose()?;
    if let Some(path) = &arguments.output {
        refuse_to_replace(path, arguments.force)?;
    }
    let backbone = backbone::open(arguments.backbone.as_deref())?;
    let table = limit::limited(open_table(&arguments.table)?, arguments.table.limit, 0);
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let requests = requests(arguments, &backbone);
    let folder = cache_folder(shared)?;
    let options = ExtractOptions { storage: arguments.storage.storage(), ..extract_options(arguments.memory, shared) };
    let options = precision::settled(arguments.precision, [&backbone], &folder, options, console)?;
    let precision = options.precision;
    let store = Store::new(&folder);
    let summary = fill(arguments, options.clone(), &backbone, &table, &rows, &requests, &store)?;
    console.say(text(&summary));
    if let (Some(path), Some(form)) = (&arguments.output, form) {
        // Everything is in the cache by now.
        let images = TableImages::new(&table, store.cache());
        let mut extraction = Extraction::new(Network::from(&backbone), &images, &rows, &requests);
        (extraction.store, extraction.options) = (Some(&store), options);
        let extracted = extraction.run()?;
        write_whole(path, &form.bytes(&extracted, &table)?)?;
        console.say(format!("wrote the features of {} to {}", counted(extracted.rows.len(), "image"), path.display()));
    }
    let object = json!({
        "command": "extract",
        "backbone": backbone.name,
        "backbone_digest": backbone.weights_digest,
        "precision": precision,
        "cache": folder,
        "output": arguments.output,
        "features": requests.iter().map(|(tap, pooling)| format!("{tap}@{}", pooling.target)).collect::<Vec<_>>(),
        "rows": { "asked": summary.rows, "computed": summary.computed, "cached": summary.from_store, "skipped": summary.skipped.len() },
        "skipped": summary.skipped.iter().map(|row| json!({ "locator": row.locator, "reason": row.reason })).collect::<Vec<_>>(),
        "warnings": summary.warnings,
        "seconds": summary.seconds,
        "images_per_second": (summary.computed > 0).then_some(summary.images_per_second),
    });
    Ok(Outcome::strict(object, arguments.strict, summary.skipped.len()))
}

/// The layers that were typed, at each pooled width.
fn requests(arguments: &ExtractArguments, backbone: &Backbone) -> Vec<(String, Pooling)> {
    let taps = match arguments.taps.as_slice() {
        [] => std::slice::from_ref(&backbone.features),
        [all] if all == "all" => &backbone.taps,
        typed => typed,
    };
    let pooling = |target: &u32| Pooling { target: *target as usize, class_token: ClassTokenMode::Normal };
    arguments
        .target_sizes
        .iter()
        .flat_map(|target| taps.iter().map(move |tap| (tap.clone(), pooling(target))))
        .collect()
}

fn fill(
    arguments: &ExtractArguments,
    options: ExtractOptions,
    backbone: &Backbone,
    table: &Table,
    rows: &[usize],
    requests: &[(String, Pooling)],
    store: &Store,
) -> Result<Summary, Failure> {
    let progress = Progress::new("images");
    let report = |state: &heirloom_transfer::extract::Progress| progress.report(state.done, state.total);
    let images = TableImages::new(table, store.cache());
    let mut extraction = Extraction::new(Network::from(backbone), &images, rows, requests);
    extraction.store = Some(store);
    extraction.options = options;
    extraction.options.must_store = true;
    extraction.options.shard = arguments.shard.map(|shard| Shard { index: shard.index, count: shard.count });
    extraction.progress = Some(&report);
    extraction.cancel = Some(&STOP);
    interrupt::note("finished features stay in the cache; run the same command again to go on from there");
    let _watching = Watching::begin();
    Ok(extraction.fill()?)
}

fn text(summary: &Summary) -> String {
    let rate = if summary.computed > 0 {
        format!(", {:.0} images a second", summary.images_per_second)
    } else {
        String::new()
    };
    let mut text = facts(&[
        ("computed", format!("{} in {}{rate}", counted(summary.computed, "image"), duration(summary.seconds))),
        ("cached", counted(summary.from_store, "image")),
        ("skipped", count(summary.skipped.len())),
    ]);
    for row in summary.skipped.iter().take(SHOWN) {
        text.push_str(&format!("  {}: {}\n", row.locator, row.reason));
    }
    for warning in &summary.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.trim_end().to_string()
}
