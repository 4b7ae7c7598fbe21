//! `cache`: what the folder of features and results holds, and emptying it.

use heirloom_report::{Align, Table, bytes, count, counted};
use heirloom_transfer::compare::{Kept, forget, kept};
use heirloom_transfer::store::{BaseSummary, Store, merge};
use serde_json::json;

use super::{Outcome, cache_folder};
use crate::arguments::{CacheAction, CacheArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Runs `cache`.
pub fn run(arguments: &CacheArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let folder = cache_folder(shared)?;
    let store = Store::new(&folder);
    match arguments.action.as_ref().unwrap_or(&CacheAction::Show) {
        CacheAction::Show => {
            let (list, results) = (store.list()?, kept(&folder)?);
            console.answer(&format!("{}\n{}{}", folder.display(), text(&list), results_text(results)))?;
            Ok(Outcome::done(json!({
                "command": "cache",
                "folder": folder,
                "bytes": list.iter().map(|base| base.bytes).sum::<u64>(),
                "backbones": list.iter().map(object).collect::<Vec<_>>(),
                "results": results,
            })))
        }
        CacheAction::Merge { from } => {
            let merged = merge(from, &folder)?;
            let (copied, size) = (counted(merged.copied, "file"), bytes(merged.bytes));
            let here = counted(merged.here, "file");
            console.say(format!("copied {copied} ({size}) to {}; {here} were there already", folder.display()));
            Ok(Outcome::done(json!({"command": "cache", "folder": folder, "merged": merged})))
        }
        CacheAction::Clear => {
            let (features, results) = (store.clear()?, forget(&folder)?);
            let removed = Kept { files: features.files + results.files, bytes: features.bytes + results.bytes };
            let size = bytes(removed.bytes);
            console.say(format!("removed {} ({size}) from {}", counted(removed.files, "file"), folder.display()));
            Ok(Outcome::done(json!({
                "command": "cache",
                "folder": folder,
                "removed": removed,
            })))
        }
    }
}

/// What the cache holds, one line per backbone and preprocessing.
pub fn text(list: &[BaseSummary]) -> String {
    if list.is_empty() {
        return "no features yet\n".to_string();
    }
    let mut table = Table::new(&[
        ("backbone", Align::Left),
        ("images", Align::Right),
        ("layers", Align::Right),
        ("files", Align::Right),
        ("size", Align::Right),
    ]);
    for base in list {
        table.push([name(base), count(base.rows), count(base.taps.len()), count(base.blocks), bytes(base.bytes)]);
    }
    let total = bytes(list.iter().map(|base| base.bytes).sum());
    format!("{}{total} in all\n", table.to_text())
}

/// What comparisons have kept; nothing where they have not.
fn results_text(kept: Kept) -> String {
    match kept.files {
        0 => String::new(),
        files => format!("{} of comparisons ({})\n", counted(files, "result"), bytes(kept.bytes)),
    }
}

fn name(base: &BaseSummary) -> String {
    base.base.as_ref().map_or_else(|| format!("{:.12} (not described)", base.digest), |known| known.backbone.clone())
}

/// One backbone for JSON.
pub fn object(base: &BaseSummary) -> serde_json::Value {
    json!({
        "backbone": base.base.as_ref().map(|known| &known.backbone),
        "digest": base.digest,
        "images": base.rows,
        "taps": base.taps,
        "files": base.blocks,
        "bytes": base.bytes,
    })
}
