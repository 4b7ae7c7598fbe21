//! What an audit says in the terminal.

use std::path::Path;

use heirloom_audit::{Finding, Verdict};
use heirloom_report::{Align, Table, count, duration, interval, percent};

use super::{AuditReport, remedy, robust, training_set, words};
use crate::console::indented;

/// Lines of the table of what does not stand out.
const SHOWN: usize = 12;
/// Characters of a line of running text.
const WIDTH: usize = 110;

/// Everything at the end.
pub fn summary(report: &AuditReport, page: &Path, findings: &Path) -> String {
    let record = &report.record;
    let accuracy = interval(record.accuracy.value, record.accuracy.low, record.accuracy.high);
    let head = report.fitted_on.map_or_else(String::new, |rows| format!(", head fitted on {} images", count(rows)));
    let mut text = format!(
        "{} ({} on {}{head}): {accuracy} of {} {} right\n\n{}",
        report.model,
        report.method,
        report.backbone,
        count(record.images),
        report.judged,
        wrapped(&words::outcome(report))
    );
    for (number, finding) in record.standing_out().enumerate() {
        text.push_str(&format!(
            "\n{}. {}: {}\n",
            number + 1,
            words::kind(finding.kind),
            words::sentence(report, finding)
        ));
    }
    if let Some(remedied) = &report.remedies {
        text.push_str(&format!("\n{}\n{}", remedy::about(remedied), indented(&remedy::shown(remedied).to_text())));
        if let Some(warning) = remedy::warning(remedied) {
            text.push_str(&format!("  {warning}\n"));
        }
    }
    let rest: Vec<&Finding> = record.findings.iter().filter(|one| one.verdict != Verdict::StandsOut).collect();
    if !rest.is_empty() {
        text.push_str(&format!("\nalso judged:\n{}", indented(&table(rest.iter().take(SHOWN).copied()).to_text())));
    }
    if rest.len() > SHOWN {
        text.push_str(&format!("  ... {} more in {}\n", rest.len() - SHOWN, page.display()));
    }
    if let Some(record) = &report.robustness {
        text.push_str(&format!("\n{}", wrapped(&robust::sentence(record))));
    }
    if let Some(record) = &report.training_set {
        text.push_str(&format!("\n{}", wrapped(&training_set::sentence(record))));
    }
    text.push('\n');
    for gate in &report.gates {
        let value = gate.value.map_or_else(|| "undefined".to_owned(), percent);
        let verdict = if gate.crossed { "crossed" } else { "held" };
        text.push_str(&format!("limit {}: {verdict}, {value}\n", gate.gate));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    for row in report.skipped.iter().take(SHOWN) {
        text.push_str(&format!("skipped: {}: {}\n", row.locator, row.reason));
    }
    text.push_str(&format!(
        "page: {}, findings: {}; {} images through the network in {}\n",
        page.display(),
        findings.display(),
        count(report.shown),
        duration(report.seconds)
    ));
    text
}

/// Running text in lines of at most [`WIDTH`] characters, the further ones moved in.
pub fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&format!("{line}\n"));
            line = "  ".to_owned();
        }
        let gap = if line.trim().is_empty() { "" } else { " " };
        line.push_str(&format!("{gap}{word}"));
    }
    format!("{lines}{line}\n")
}

/// Findings as a table.
pub fn table<'a>(findings: impl Iterator<Item = &'a Finding>) -> Table {
    let mut table = Table::new(&[
        ("kind", Align::Left),
        ("what", Align::Left),
        ("figure", Align::Right),
        ("control", Align::Right),
        ("beyond it, in points", Align::Right),
        ("verdict", Align::Left),
    ]);
    for finding in findings {
        let [value, low, high] =
            [finding.effect.value, finding.effect.low, finding.effect.high].map(|share| 100.0 * share);
        table.push([
            words::kind(finding.kind).to_owned(),
            finding.what.clone(),
            percent(finding.figure),
            percent(finding.control),
            format!("{value:.1} ({low:.1} to {high:.1})"),
            words::verdict(finding.verdict).to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_text_keeps_its_words_in_short_lines() {
        let text = vec!["word"; 60].join(" ");
        let found = wrapped(&text);
        assert!(found.lines().count() == 3 && found.lines().all(|line| line.chars().count() <= WIDTH), "{found}");
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), text);
        assert_eq!(wrapped("short"), "short\n");
    }
}
