//! The table that `compare` prints, and the advice under it.

use std::path::Path;

use heirloom_report::{Align, Table, bytes, count, counted, duration, interval, percent};
use heirloom_transfer::compare::{Comparison, Line};

use crate::console::{facts, indented};

/// Notes shown before they are only counted.
const SHOWN: usize = 8;

/// Everything `compare` says at its end.
pub fn summary(comparison: &Comparison, page: &Path, table: &Path) -> String {
    let mut parts = vec![indented(&lines(comparison).to_text())];
    if let Some(advice) = &comparison.advice {
        parts.push(format!("{}\n", advice.reason));
    }
    parts.push(facts(&measured(comparison)));
    let notes = notes(comparison);
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.push(format!("wrote {} and {}", page.display(), table.display()));
    parts.join("\n")
}

/// One row for each way to adapt, the most accurate first.
pub fn lines(comparison: &Comparison) -> Table {
    let several = comparison.backbones.len() > 1;
    let mut columns = vec![("", Align::Left), ("method", Align::Left)];
    if several {
        columns.push(("backbone", Align::Left));
    }
    columns.extend([
        ("accuracy", Align::Right),
        ("below the best", Align::Right),
        ("balanced", Align::Right),
        ("miscalibrated", Align::Right),
        ("to adapt", Align::Right),
        ("seconds", Align::Right),
        ("stored", Align::Right),
        ("a prediction", Align::Right),
    ]);
    let mut table = Table::new(&columns);
    let taken = comparison.advice.as_ref().map(|advice| advice.line);
    for (place, line) in comparison.lines.iter().enumerate() {
        let mark = if taken == Some(place) { "*" } else { "" };
        let mut cells = vec![mark.to_string(), line.method.clone()];
        if several {
            cells.push(backbone(comparison, line).to_string());
        }
        cells.extend(figures(line, place == 0));
        table.push(cells);
    }
    table
}

fn figures(line: &Line, best: bool) -> [String; 8] {
    let share = line.accuracy;
    [
        interval(share.value, share.low, share.high),
        if best { String::new() } else { below(line) },
        percent(line.balanced_accuracy),
        percent(line.calibration.expected_error),
        operations(line.cost.operations()),
        duration(line.cost.seconds()),
        bytes(line.cost.stored_bytes as u64),
        operations(line.cost.prediction_operations),
    ]
}

/// How far a line is below the best, in points: `1.2 (-0.3 to 2.6)`.
pub fn below(line: &Line) -> String {
    let [value, low, high] = line.against_best.points_below();
    format!("{value} ({low} to {high})")
}

/// The name of a line's backbone.
pub fn backbone<'a>(comparison: &'a Comparison, line: &Line) -> &'a str {
    comparison.backbones.get(line.backbone).map_or("?", |backbone| &backbone.name)
}

/// What was judged: images, or rows of a table of features.
pub fn judged(comparison: &Comparison) -> &'static str {
    if on_features(comparison) { "rows" } else { "images" }
}

/// Whether heads were compared on a table of features.
pub fn on_features(comparison: &Comparison) -> bool {
    comparison.backbones.is_empty()
}

/// What a line is called where backbones matter.
pub fn name(comparison: &Comparison, line: &Line) -> String {
    match comparison.backbones.len() {
        0 | 1 => line.method.clone(),
        _ => format!("{}, {}", line.method, backbone(comparison, line)),
    }
}

/// `1.2 GFLOP`.
pub fn operations(value: f64) -> String {
    let scaled = [("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6)];
    match scaled.into_iter().find(|(_, unit)| value >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", value / unit),
        None if value > 0.0 => format!("{:.0} kFLOP", value / 1e3),
        None => "0".to_string(),
    }
}

fn measured(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let rows = &comparison.rows;
    vec![
        ("measured", format!("{}: {}", counted(comparison.draws.len(), "draw"), comparison.protocol.explanation())),
        (
            "rows",
            format!(
                "{} fitted on in a draw, {} judged, {} skipped; always saying the most frequent class reaches {}",
                count(rows.train),
                count(rows.test),
                count(rows.skipped),
                percent(comparison.majority)
            ),
        ),
        ("this run", duration(comparison.seconds)),
    ]
}

/// What a group of copies is made of.
pub fn copies(comparison: &Comparison) -> &'static str {
    if on_features(comparison) { "rows with equal features" } else { "equal or nearly equal images" }
}

fn notes(comparison: &Comparison) -> String {
    let mut notes: Vec<String> = comparison
        .failed
        .iter()
        .map(|failed| format!("not fitted: {}, draw {}: {}", failed.name(), failed.draw, failed.reason))
        .collect();
    notes.extend(comparison.warnings.iter().map(|warning| format!("warning: {warning}")));
    let skipped = comparison.skipped.iter().map(|row| format!("skipped: {}: {}", row.locator, row.reason));
    notes.extend(skipped.clone().take(SHOWN));
    if comparison.skipped.len() > SHOWN {
        notes.push(format!("skipped: {} more", count(comparison.skipped.len() - SHOWN)));
    }
    if !comparison.duplicates.is_empty() {
        notes.push(format!(
            "{} of {}, which no draw tears apart",
            counted(comparison.duplicates.len(), "group"),
            copies(comparison)
        ));
    }
    notes.iter().map(|note| format!("{note}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::compare::sample;

    #[test]
    fn operations_have_a_unit_a_person_can_read() {
        assert_eq!(operations(2.34e12), "2.3 TFLOP");
        assert_eq!(operations(1e9), "1.0 GFLOP");
        assert_eq!(operations(5120.0), "5 kFLOP");
    }

    #[test]
    fn the_table_names_what_was_taken_and_how_far_the_rest_is_below() {
        let comparison = sample::comparison();
        let text = summary(&comparison, Path::new("c.html"), Path::new("c.parquet"));
        for part in [
            "head2toe",
            "92.0 % (89.5 to 94.1)",
            "0.8 (-0.6 to 2.2)",
            "Take linear",
            "skipped: photos/9.jpg",
            "c.parquet",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(text.lines().any(|line| line.trim_start().starts_with("*  linear")), "{text}");
    }
}
