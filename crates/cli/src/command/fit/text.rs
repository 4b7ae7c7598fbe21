//! The short table that `fit` prints: how good, measured how, by what, from which rows.

use std::path::Path;

use heirloom_report::{Align, Table, count, counted, duration, interval, percent};
use heirloom_transfer::adaptation::{Alignment, ColumnScaling, Coverage, RowScaling};
use heirloom_transfer::fit::{AdaptationRecord, FitReport, Share};
use heirloom_transfer::heads::Certificate;
use heirloom_transfer::safe::{Answerer, SafeChoice};

use super::{movement, surgery};
use crate::console::{facts, indented};

/// Lines of candidates, classes, skipped rows or duplicates that a terminal shows before it only counts.
const SHOWN: usize = 8;

/// Everything `fit` says at its end.
pub fn summary(record: &FitReport, artifact: &Path, report: Option<&Path>) -> String {
    let mut parts = Vec::new();
    if record.candidates.len() > 1 {
        let table = indented(&candidates(record, SHOWN).to_text());
        parts.push(format!("chosen from these, on training rows alone:\n{table}"));
    }
    parts.push(facts(&headline(record)));
    if record.classes.len() <= 2 * SHOWN {
        parts.push(indented(&classes(record).to_text()));
    }
    let notes = notes(record);
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.push(written(artifact, report));
    parts.join("\n")
}

/// The candidates, best first, at most `shown` of them and the chosen one.
pub fn candidates(record: &FitReport, shown: usize) -> Table {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("method", Align::Left),
        ("setting", Align::Left),
        ("log loss", Align::Right),
        ("s.e.", Align::Right),
        ("accuracy", Align::Right),
    ]);
    let mut sorted: Vec<_> = record.candidates.iter().collect();
    sorted.sort_by(|a, b| a.log_loss.total_cmp(&b.log_loss));
    for (rank, candidate) in sorted.into_iter().enumerate() {
        if rank < shown || candidate.chosen {
            let mark = if candidate.chosen { "*" } else { "" };
            table.push([
                mark.to_string(),
                candidate.method.clone(),
                candidate.setting.clone(),
                format!("{:.3}", candidate.log_loss),
                format!("{:.3}", candidate.standard_error),
                percent(candidate.accuracy),
            ]);
        }
    }
    table
}

/// The figures everybody wants, as label and value.
fn headline(record: &FitReport) -> Vec<(&'static str, String)> {
    let accuracy = &record.scores.accuracy;
    let mut lines = vec![
        ("method", format!("{}, {}", record.method, record.choice)),
        ("backbone", backbone(record).to_owned()),
        ("accuracy", measured(accuracy)),
        ("", format!("{} ({})", record.protocol.explanation(), record.protocol.name())),
        ("compare", format!("{} by always answering the most frequent class", percent(record.scores.majority))),
        ("balanced", percent(record.scores.balanced_accuracy)),
        ("log loss", format!("{:.3}", record.scores.log_loss)),
        ("fitted on", fitted_on(record)),
    ];
    lines.extend(
        record.batched_accuracy.map(|share| {
            ("as released", format!("{} in batches of 50, the last one counted as whole", percent(share)))
        }),
    );
    lines.extend(record.certificate.iter().map(certificate));
    lines.extend(surgery::line(&record.block_gradients).map(|chosen| ("trained alone", chosen)));
    lines.extend(record.movement.iter().map(|moved| ("moved", movement::line(moved))));
    lines.extend(record.adaptation.iter().flat_map(adaptation));
    let seconds = &record.seconds;
    let rate = record.images_per_second.map(|rate| format!(", {rate:.0} images a second"));
    let rate = rate.unwrap_or_else(|| if record.backbone.is_some() { " from the cache" } else { "" }.to_string());
    let (extract, fit, total) = (duration(seconds.extract), duration(seconds.fit), duration(seconds.total));
    lines.push(("time", format!("{total}: features {extract}{rate}; choosing, fitting, judging {fit}")));
    lines
}

/// How close to its optimum the sparse head is.
pub fn certificate(certificate: &Certificate) -> (&'static str, String) {
    let Certificate { group_penalty, objective, relative_gap, .. } = certificate;
    let solved = format!(
        "objective {objective:.6} at {group_penalty} of the largest penalty, above its minimum by at most {relative_gap:.1e} of the loss \
         without weights"
    );
    ("lasso", solved)
}

/// A share with its interval and its rows.
fn measured(share: &Share) -> String {
    match share.n {
        0 => "not measured, no row to judge has a label".to_owned(),
        n => format!("{} on {} rows", interval(share.value, share.low, share.high), count(n)),
    }
}

/// From which domain to which, how, and what was used of the target.
pub fn adaptation(record: &AdaptationRecord) -> Vec<(&'static str, String)> {
    let pair = format!(
        "{} ({} rows) -> {} ({} rows), by the column `{}`",
        record.sources.join(" + "),
        count(record.source_rows),
        record.target,
        count(record.target_rows),
        record.column
    );
    let used = match record.transductive {
        true => format!("transductive: {}", record.target_used_for.join("; ")),
        false => "nothing".to_owned(),
    };
    let mut lines = vec![("domains", pair)];
    lines.extend(record.safe.iter().flat_map(safe));
    let labels = match record.safe.as_ref().map(|choice| choice.fell_back.is_some()) {
        None => "its labels: for the accuracy alone",
        Some(false) => "its labels: to choose, and for the accuracy, each by rows that the other took no part in",
        Some(true) => "its labels: to choose and to fit on; the accuracy is of rows that took part in neither",
    };
    let apart = format!("{} by the same method with nothing of the target used", measured(&record.without_target));
    let tried =
        if record.safe.as_ref().is_some_and(|choice| choice.fell_back.is_some()) { "tried" } else { "adapted by" };
    lines.extend([(tried, steps(record)), ("target used", used), ("", labels.to_owned()), ("without it", apart)]);
    lines
}

/// Whether the source is used, and what says so.
fn safe(choice: &SafeChoice) -> [(&'static str, String); 2] {
    let [transferred, target_only, majority] = choice.accuracy.map(percent);
    let verdict = match &choice.fell_back {
        None => {
            let [more, less] = choice.apart;
            format!(
                "the source is used: it gets {more} rows right that {} misses, and misses {less} (p = {:.2e})",
                named(choice.baseline),
                choice.probability
            )
        }
        Some(reason) => format!("the source is not used, the model is fitted on the target's labels alone: {reason}"),
    };
    let shares = format!(
        "held-out rows right: {transferred} from the source, {target_only} by the target's labels alone, {majority} by the most frequent class"
    );
    [("safe", verdict), ("", shares)]
}

fn named(answerer: Answerer) -> &'static str {
    match answerer {
        Answerer::Transferred => "the source",
        Answerer::TargetOnly => "training on the target alone",
        Answerer::Majority => "the most frequent class",
    }
}

/// Preprocessing, alignment and coverage in words.
fn steps(record: &AdaptationRecord) -> String {
    let rows = match record.preprocessing.rows {
        RowScaling::None => "rows as they are",
        RowScaling::L1 => "rows divided by their sum of absolute values",
        RowScaling::L2 => "rows divided by their length",
    };
    let columns = match record.preprocessing.columns {
        ColumnScaling::None => "columns as they are",
        ColumnScaling::SourceZScore => "columns standardised by the source",
        ColumnScaling::DomainZScore => "columns standardised within each domain",
    };
    let alignment = match record.alignment {
        Alignment::Raw => "no alignment".to_owned(),
        Alignment::Coral { lambda } => format!("CORAL (identity times {lambda})"),
    };
    let coverage = record.coverage.as_ref().map(|coverage| match coverage {
        Coverage::None => "; classes may stay empty".to_owned(),
        Coverage::AtLeast(least) => {
            format!("; at least {} a class, {} moved for it", counted(*least, "row"), count(record.moved))
        }
        Coverage::Proportions(_) => {
            format!("; classes by given proportions, {} rows moved for them", count(record.moved))
        }
    });
    format!("{rows}, {columns}; {alignment}{}", coverage.unwrap_or_default())
}

/// Name of the network, or what stands in its place.
pub fn backbone(record: &FitReport) -> &str {
    record.backbone.as_ref().map_or("none, the data are features", |backbone| &backbone.name)
}

fn fitted_on(record: &FitReport) -> String {
    let rows = count(record.rows.train);
    if record.refitted { format!("all {rows} rows, after they were judged as above") } else { format!("{rows} rows") }
}

/// Scores by class, the weakest first.
pub fn classes(record: &FitReport) -> Table {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("rows", Align::Right),
        ("recognised", Align::Right),
        ("right when said", Align::Right),
    ]);
    let mut sorted: Vec<_> = record.per_class.iter().collect();
    sorted.sort_by(|a, b| a.recall.value.total_cmp(&b.recall.value));
    for class in sorted {
        let recall = interval(class.recall.value, class.recall.low, class.recall.high);
        let precision = class.precision.map_or("never said".to_string(), percent);
        table.push([class.class.clone(), count(class.rows), recall, precision]);
    }
    table
}

/// Warnings, skipped rows, duplicates and suspects, each counted and the first few named.
fn notes(record: &FitReport) -> String {
    let mut lines: Vec<String> = record.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    if !record.skipped.is_empty() {
        lines.push(format!("warning: {} skipped:", counted(record.skipped.len(), "row")));
        lines.extend(few(record.skipped.iter().map(|row| format!("{}: {}", row.locator, row.reason))));
    }
    if !record.duplicates.is_empty() {
        lines.push(format!(
            "{} of {} (each kept in one fold):",
            counted(record.duplicates.len(), "group"),
            if record.backbone.is_some() { "equal or nearly equal images" } else { "rows with equal features" }
        ));
        lines.extend(few(record.duplicates.iter().map(|group| group.locators.join(" = "))));
    }
    if !record.suspects.is_empty() {
        lines.push(format!("{} worth checking, the labels look like mistakes:", counted(record.suspects.len(), "row")));
        let name = |class: usize| record.classes.get(class).map_or("?", String::as_str);
        lines.extend(few(record.suspects.iter().map(|row| {
            let sure = percent(row.confidence);
            format!("{}: labelled {}, looks like {} ({sure})", row.locator, name(row.label), name(row.predicted))
        })));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The first few lines, indented, and how many more there are.
fn few(mut lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = lines.by_ref().take(SHOWN).map(|line| format!("  {line}")).collect();
    let more = lines.count();
    if more > 0 {
        shown.push(format!("  and {} more (in the report and under --json)", count(more)));
    }
    shown
}

fn written(artifact: &Path, report: Option<&Path>) -> String {
    let model = artifact.display();
    let page = report.map(|path| format!("report: {}\n", path.display())).unwrap_or_default();
    format!("model:  {model}\n{page}next:   heirloom predict {model} PATH...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fit::sample;

    #[test]
    fn the_summary_says_how_good_how_measured_and_what_next() {
        let text = summary(&sample::record(), Path::new("m.heirloom"), Some(Path::new("m.report.html")));
        for part in [
            "91.7 % (86.1 to 95.2) on 144 rows",
            "nested-cv",
            "36.1 % by always answering",
            "all 144 rows",
            "warning: 1 row skipped",
            "photos/oak/7.jpg: truncated",
            "heirloom predict m.heirloom",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn the_chosen_candidate_is_shown_even_when_it_ranks_low() {
        let mut record = sample::record();
        let chosen = record.candidates.iter().position(|candidate| candidate.chosen).unwrap();
        record.candidates[chosen].log_loss = 9.0;
        let table = candidates(&record, 1);
        assert_eq!(table.rows().len(), 2);
        assert_eq!(table.rows()[1][0], "*");
    }
}
