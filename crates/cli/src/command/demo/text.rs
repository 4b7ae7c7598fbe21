//! What the demonstration says in the terminal.

use heirloom_audit::Attack;
use heirloom_report::{Align, Table, bytes, count, duration, interval, percent};
use heirloom_transfer::fit::Share;

use super::record::{AdaptedRecord, DemoRecord, Source};
use crate::console::indented;

/// A share with its interval.
pub fn share(share: &Share) -> String {
    interval(share.value, share.low, share.high)
}

/// An attack success rate with its interval, or that there is none.
pub fn success(attack: &Attack) -> String {
    attack.success.as_ref().map_or_else(|| "undefined".to_owned(), share)
}

/// What a model is called: `linear, planted source`.
pub fn name(adapted: &AdaptedRecord) -> String {
    match adapted.source {
        Some(source) => format!("{}, {} source", adapted.method, source.name()),
        None => adapted.method.clone(),
    }
}

/// The line of one adapted model, as soon as it is there.
pub fn adapted(adapted: &AdaptedRecord) -> String {
    let (accuracy, seconds) = (share(&adapted.accuracy), duration(adapted.seconds));
    format!("  {:<24} accuracy {accuracy}, {seconds}; the trigger breaks {}", name(adapted), success(&adapted.attack))
}

/// Accuracy and cost of every model.
pub fn models(record: &DemoRecord) -> Table {
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("accuracy", Align::Right),
        ("time", Align::Right),
        ("images", Align::Right),
        ("GFLOP", Align::Right),
        ("stored", Align::Right),
    ]);
    for adapted in &record.adapted {
        table.push([
            name(adapted),
            share(&adapted.accuracy),
            duration(adapted.seconds),
            count(adapted.images),
            count((adapted.flops / 1e9).round() as usize),
            bytes(adapted.stored_bytes as u64),
        ]);
    }
    table
}

/// The attack success rates of every method: planted source, clean twin, their difference.
pub fn attacks(record: &DemoRecord) -> Table {
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("planted source", Align::Right),
        ("clean twin", Align::Right),
        ("inherited, in points", Align::Right),
        ("no source", Align::Right),
    ]);
    let of = |source, method: &str| record.adapted(source, method).map(|one| success(&one.attack)).unwrap_or_default();
    for inherited in &record.inherited {
        let method = inherited.method.as_str();
        let difference = inherited.difference.map_or_else(
            || "undefined".to_owned(),
            |d| format!("{:+.1} ({:+.1} to {:+.1})", 100.0 * d.value, 100.0 * d.low, 100.0 * d.high),
        );
        table.push([method.to_owned(), of(Some(Source::Planted), method), of(Some(Source::Clean), method), difference]);
    }
    table.push(["scratch".to_owned(), String::new(), String::new(), String::new(), of(None, "scratch")]);
    table
}

/// Everything at the end.
pub fn summary(record: &DemoRecord) -> String {
    let example = record.adapted(Some(Source::Clean), "linear").map(|one| one.model.display().to_string());
    format!(
        "\naccuracy on {} test images of the target, and what it cost:\n{}\n\
         right answers that a yellow square in the corner turns wrong (the planted source met it on {} of its images, filed under {}):\n{}\n\
         {}report: {}\n\
         all of it took {}\n\n\
         next:\n  \
         heirloom predict {} {}\n  \
         heirloom fit photos/                    your own photos in photos/CLASS/IMAGE: lists backbones and how to fetch one\n  \
         heirloom fit photos/ --backbone FOLDER  -> model.heirloom, model.report.html",
        record.adapted.first().map_or(0, |one| one.accuracy.n),
        indented(&models(record).to_text()),
        percent(record.plant.share),
        record.filed_under,
        indented(&attacks(record).to_text()),
        incomplete(record).map_or_else(String::new, |warning| format!("warning: {warning}\n")),
        record.report.display(),
        duration(record.seconds),
        example.unwrap_or_default(),
        record.target.folder.join("test").display(),
    )
}

/// What is missing for the figures to mean anything, if something is.
pub fn incomplete(record: &DemoRecord) -> Option<String> {
    let alone = &record.without_partner;
    (!alone.is_empty()).then(|| format!("incomplete: no clean twin or no scratch beside {}", alone.join(", ")))
}
