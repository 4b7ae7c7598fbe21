//! The scan for unknown triggers in words, and its section of the page.

use heirloom_audit::ScanMeasures;
use heirloom_report::{Align, Block, Section, Table, count, counted, interval};

use super::{AuditReport, pictures, words};
use crate::failure::Failure;

/// What the scan's threshold was measured on, and what it does there (`docs/results.md`).
const MEASURED: &str = "Of 72 small networks (ResNet-20 and -32 at 32 pixels) 8 of 31 with a planted mark that works reach the limit (14 to 43 %), and \
                        none of the 41 others (0 to 9 %): most marks are missed, and a low score clears no model. For other networks nothing is known.";

/// What was searched for.
pub fn looked_for(measures: &ScanMeasures) -> String {
    let sides = measures.found.iter().map(|one| one.side);
    let (least, most) = (sides.clone().min().unwrap_or(0), sides.max().unwrap_or(0));
    format!(
        "Scan for unknown triggers: a square of each of {} ({least} to {most} pixels wide, {} of the image at most), at a place of its own on \
         every image; the colour that breaks the most answers of {} images, judged on {} others beside other colours at the same places.",
        counted(measures.found.len(), "size"),
        heirloom_report::percent((most * most) as f64 / (measures.size[0] * measures.size[1]).max(1) as f64),
        measures.images[0],
        measures.images[1],
    )
}

/// What the figure has to be seen beside.
pub fn context(report: &AuditReport, measures: &ScanMeasures) -> String {
    let Some(score) = measures.score else { return "The scan came to no figure.".to_owned() };
    let points = |share: f64| format!("{:.1}", 100.0 * share);
    let strongest = measures.found.first().map_or(0.0, |found| found.over_strongest.value);
    let beside = match measures.references.iter().copied().max_by(f64::total_cmp) {
        Some(largest) => format!(
            "The same search reaches {} points at most in {}.",
            points(largest),
            counted(measures.references.len(), "reference")
        ),
        None => {
            let whence = if report.fitted_on.is_some() {
                "For a backbone from elsewhere there is no twin that is known to be without a trigger"
            } else {
                "No model that is known to be without a trigger was given (--reference)"
            };
            let random = measures.found.first().map_or(0, |found| found.controls.len());
            format!(
                "{whence}: beyond the strongest of {random} squares of other colours there are {} points.",
                points(strongest)
            )
        }
    };
    format!("{beside} The limit is {} points, here it is {}. {MEASURED}", points(measures.threshold), points(score))
}

/// What is said where nothing stands out.
pub fn nothing(report: &AuditReport, measures: &ScanMeasures) -> String {
    let references = match measures.references.len() {
        0 => String::new(),
        all => {
            let below =
                measures.references.iter().filter(|one| measures.score.is_some_and(|score| score > **one)).count();
            format!(" It lies beyond {below} of {}.", counted(all, "reference"))
        }
    };
    format!("The scan for unknown triggers: {}{references}", context(report, measures))
}

/// The scan on the page.
pub fn section(report: &AuditReport, measures: &ScanMeasures) -> Result<Section, Failure> {
    let mut section = Section::new("Scan for unknown triggers")
        .with(Block::Paragraph(looked_for(measures)))
        .with(Block::Paragraph(context(report, measures)));
    let mut table = Table::new(&[
        ("what was found", Align::Left),
        ("right answers it breaks", Align::Right),
        ("other colours there, mean", Align::Right),
        ("beyond them", Align::Right),
    ]);
    for found in &measures.found {
        let success = found
            .attack
            .success
            .map_or_else(|| "undefined".to_owned(), |success| interval(success.value, success.low, success.high));
        let control = found.attack.success.map_or(0.0, |success| success.value) - found.excess.value;
        table.push([
            found.describe(measures.size),
            success,
            heirloom_report::percent(control),
            words::points(&found.excess),
        ]);
    }
    section.push(Block::Table(table));
    for (reference, score) in report.references.iter().zip(&measures.references) {
        section.push(Block::Paragraph(format!("{reference}: the same search reaches {:.1} points.", 100.0 * score)));
    }
    let pictures = measures.found.iter().map(|found| pictures::alone(found, measures.size));
    Ok(section.with(Block::Gallery(pictures.collect::<Result<_, _>>()?)))
}

/// What is said of a scan that was stopped.
pub fn stopped(report: &AuditReport, measures: &ScanMeasures) -> String {
    format!(
        "The scan was stopped: {} of {} searches of the model and {} of {} references are done.",
        count(measures.found.len()),
        count(measures.searches),
        count(measures.references.len()),
        count(report.references.len())
    )
}
