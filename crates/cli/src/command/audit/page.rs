//! The page of an audit: what was looked for and found in plain words, then every finding with pictures, then controls and limits.

use std::path::Path;

use heirloom_audit::{Finding, FindingKind, PreparedImages, SMALL, Turned, Verdict};
use heirloom_report::{
    Align, Block, Card, Page, Picture, Section, Table, count, counted, duration, heat_map, interval, percent,
};

use super::remedy::Remedied;
use super::{AuditReport, pictures, remedy, robust, scan, text, training_set, words};
use crate::command::write_whole;
use crate::failure::Failure;

/// Findings with a section of their own.
const SHOWN: usize = 8;
/// Lines of the table of screened triggers.
const SCREENED: usize = 15;

/// Lays the report out and writes it.
pub fn write(path: &Path, report: &AuditReport, images: &PreparedImages) -> Result<(), Failure> {
    write_whole(path, page(report, images)?.to_html().as_bytes())
}

fn page(report: &AuditReport, images: &PreparedImages) -> Result<Page, Failure> {
    let lead = format!(
        "{} on {}, shown {} {} of {}, as they are and changed; heirloom {}, {}",
        report.method,
        report.backbone,
        count(report.record.images),
        report.judged,
        report.data.display(),
        report.version,
        duration(report.seconds)
    );
    let name = Path::new(&report.model).file_name().map_or(report.model.clone().into(), |name| name.to_string_lossy());
    let mut page = Page::new(format!("What does {name} depend on?")).lead(lead).with(short(report));
    for (number, finding) in
        report.record.findings.iter().filter(|one| one.verdict == Verdict::StandsOut).take(SHOWN).enumerate()
    {
        page.push(section(number + 1, report, finding, images)?);
    }
    if let Some(remedied) = &report.remedies {
        page.push(remedies(remedied));
    }
    page.push(judged(report));
    page.push(places(report));
    page.push(triggers(report, images)?);
    if let Some(measures) = &report.record.scan {
        page.push(scan::section(report, measures)?);
    }
    if let Some(groups) = groups(report) {
        page.push(groups);
    }
    if let Some(record) = &report.robustness {
        page.push(robust::section(record));
    }
    if let Some(record) = &report.training_set {
        page.push(training_set::section(record));
    }
    Ok(page.with(limits(report)))
}

fn card(label: &str, value: String, detail: impl Into<String>) -> Card {
    Card { label: label.into(), value, detail: detail.into() }
}

fn short(report: &AuditReport) -> Section {
    let record = &report.record;
    let spread = |low: f64, high: f64| format!("{:.1} to {:.1}, 95 % interval", 100.0 * low, 100.0 * high);
    let mut cards = vec![
        card(
            "right on images as they are",
            percent(record.accuracy.value),
            spread(record.accuracy.low, record.accuracy.high),
        ),
        card(
            "things that stand out",
            record.standing_out().count().to_string(),
            format!("of {} judged", record.findings.len()),
        ),
    ];
    if let Some(trigger) = record.triggers.reported.first() {
        let Some(success) = trigger.attack.success else { return Section::new("In short") };
        let beside = success.value - trigger.excess.value;
        cards.push(card("right answers that the strongest patch breaks", percent(success.value), trigger.what.clone()));
        cards.push(card(
            "what other patches there break",
            percent(beside),
            format!("{}, mean", counted(trigger.controls.len(), "control")),
        ));
    }
    let mut section = Section::new("In short")
        .with(Block::Paragraph(
            "Somebody trained this model, or the network it was made from, on images nobody here has seen. It may have learnt habits \
             there that its accuracy does not show: to answer by a mark in the corner (a trigger), by a colour, by where a picture was taken. This page \
             says what was tried to bring such habits to light, and what came of it."
                .into(),
        ))
        .with(Block::Cards(cards))
        .with(Block::Paragraph(words::outcome(report)));
    for (number, finding) in record.standing_out().take(SHOWN).enumerate() {
        section.push(Block::Paragraph(format!("{}. {}", number + 1, words::sentence(report, finding))));
    }
    for gate in report.gates.iter().filter(|gate| gate.crossed) {
        let value = gate.value.map_or_else(String::new, percent);
        section.push(Block::Warning(format!("The limit {} is crossed: {value}.", gate.gate)));
    }
    report.warnings.iter().for_each(|warning| section.push(Block::Warning(warning.clone())));
    let lines: Vec<Block> = words::looked_for(report).into_iter().map(Block::Paragraph).collect();
    section.with(Block::Fold { summary: "What was looked for".into(), blocks: lines }).with(Block::Paragraph(
        "How sure is it? Whatever was chosen because it looked strong was judged on images that it was not chosen by. The interval \
         behind each figure holds for all of its kind together in 95 of 100 audits. An effect stands out when its whole interval is \
         at least 10 points, for a trigger also over the strongest of its controls; a gap between groups, which were named beforehand, \
         when it is at least 10 points and its interval leaves out zero."
            .into(),
    ))
}

fn section(
    number: usize,
    report: &AuditReport,
    finding: &Finding,
    images: &PreparedImages,
) -> Result<Section, Failure> {
    let record = &report.record;
    let heading = format!("{number}. {}: {}", words::kind(finding.kind), finding.what);
    let mut section = Section::new(heading)
        .with(Block::Paragraph(words::sentence(report, finding)))
        .with(Block::Paragraph(format!("What it means: {}", words::meaning(finding.kind))));
    match finding.kind {
        FindingKind::Trigger => {
            if let Some(trigger) = record.triggers.reported.get(finding.at) {
                let examples = examples(&trigger.examples, report, images)?;
                push_examples(&mut section, examples);
                section.push(Block::Table(controls(report, finding.at)));
            }
        }
        FindingKind::Scan => {
            if let Some(found) = record.scan.as_ref().and_then(|scan| scan.found.first()) {
                let examples = examples(&found.examples, report, images)?;
                push_examples(&mut section, examples);
                section.push(Block::Gallery(vec![pictures::alone(found, images.preprocess().input_size)?]));
            }
        }
        FindingKind::Donor => {
            if let Some(donor) = record.donors.reported.get(finding.at) {
                let examples = examples(&donor.examples, report, images)?;
                push_examples(&mut section, examples);
            }
        }
        FindingKind::Cluster => {
            if let Some(cluster) = record.clusters.as_ref().and_then(|clusters| clusters.clusters.get(finding.at)) {
                let inside = pictures::sheet(images, &cluster.examples, "look alike to the model")?;
                let outside = pictures::sheet(images, &cluster.others, "others of the class")?;
                section.push(Block::Gallery(vec![inside, outside]));
            }
        }
        FindingKind::Place | FindingKind::GroupGap | FindingKind::RateGap => {}
    }
    Ok(section)
}

fn examples(turned: &[Turned], report: &AuditReport, images: &PreparedImages) -> Result<Vec<Picture>, Failure> {
    let size = images.preprocess().input_size;
    turned.iter().map(|one| pictures::turned(one, size, &report.record.classes)).collect()
}

fn push_examples(section: &mut Section, examples: Vec<Picture>) {
    if !examples.is_empty() {
        section.push(Block::Paragraph(
            "Images as they are, answered right, and changed, answered as written below them:".into(),
        ));
        section.push(Block::Gallery(examples));
    }
}

/// A trigger, its controls and its references.
fn controls(report: &AuditReport, at: usize) -> Table {
    let mut table = Table::new(&[("on the image", Align::Left), ("right answers it breaks", Align::Right)]);
    let Some(trigger) = report.record.triggers.reported.get(at) else { return table };
    let share = |share: &heirloom_transfer::fit::Share| interval(share.value, share.low, share.high);
    let success = trigger.attack.success.as_ref().map_or_else(|| "undefined".to_owned(), share);
    table.push([trigger.what.clone(), success]);
    for control in &trigger.controls {
        table.push([format!("control: {}", control.what), share(&control.success)]);
    }
    for (reference, excess) in report.references.iter().zip(&trigger.references) {
        table.push([format!("beyond the controls, in {reference}"), words::points(excess)]);
    }
    table
}

/// What helps, and what it costs.
fn remedies(remedied: &Remedied) -> Section {
    let mut section = Section::new("What helps, and what it costs")
        .with(Block::Paragraph(format!("{}.", capital(&remedy::about(remedied)))))
        .with(Block::Table(remedy::shown(remedied)));
    if let Some(warning) = remedy::warning(remedied) {
        section.push(Block::Warning(format!("{}.", capital(&warning))));
    }
    section
        .with(Block::Table(remedy::meaning(remedied)))
        .with(Block::Paragraph(
            "Accuracy and what is left of the finding on the same images, with 95 % intervals; each remedy begins with the model as it is. A \
             remedy helps where the figure beyond the controls falls and accuracy does not. Nothing was written: `heirloom fit --method \
             full`, or `heirloom data poison` and `heirloom fit` on its table, make such models."
                .into(),
        ))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn judged(report: &AuditReport) -> Section {
    Section::new("Everything that was judged")
        .with(Block::Paragraph(
            "Figure: what was measured. Control: the same for what it has to be compared with. The last figure is the difference on the \
             same images, with its interval."
                .into(),
        ))
        .with(Block::Table(text::table(report.record.findings.iter())))
}

fn places(report: &AuditReport) -> Section {
    let places = &report.record.places;
    let shares: Vec<f64> = places.success.iter().map(|share| share.value).collect();
    let mut section = Section::new("Where hiding a part of the image matters").with(Block::Paragraph(
        "A square of a quarter of the side, filled with the image's own pixels in disorder, was put at every place of a grid. Where \
         objects stand in the middle, the middle should matter most."
            .into(),
    ));
    if let Some(svg) = heat_map(places.grid, &shares, "right answers that break when this place is hidden") {
        let caption =
            format!("The image, place by place. Each figure is from {} images or fewer.", report.record.screening);
        section.push(Block::Figure { svg, caption });
    }
    section
}

fn triggers(report: &AuditReport, images: &PreparedImages) -> Result<Section, Failure> {
    let record = &report.record;
    let row = |table: &mut Table, screened: &heirloom_audit::Screened| {
        table.push([screened.what.clone(), percent(screened.success), format!("{:.1}", 100.0 * screened.excess)]);
    };
    let columns = [
        ("trigger", Align::Left),
        ("breaks", Align::Right),
        ("beyond other fills of its shape, in points", Align::Right),
    ];
    let (mut first, mut rest) = (Table::new(&columns), Table::new(&columns));
    for (at, screened) in record.triggers.screened.iter().enumerate() {
        row(if at < SCREENED { &mut first } else { &mut rest }, screened);
    }
    let mut section = Section::new("Known triggers, as they were tried").with(Block::Paragraph(format!(
        "Every trigger on {} images, to choose which are judged on others. These figures are not corrected for their number: the \
         largest of many is large by chance, too.",
        record.screening
    )));
    section.push(Block::Table(first));
    section.push(Block::Fold {
        summary: format!("{} more", record.triggers.screened.len().saturating_sub(SCREENED)),
        blocks: vec![Block::Table(rest)],
    });
    for (at, trigger) in record.triggers.reported.iter().enumerate() {
        let mut blocks = vec![Block::Table(controls(report, at))];
        let examples = examples(&trigger.examples, report, images)?;
        if !examples.is_empty() {
            blocks.push(Block::Gallery(examples));
        }
        section.push(Block::Fold { summary: format!("judged beside its controls: {}", trigger.what), blocks });
    }
    Ok(section)
}

fn groups(report: &AuditReport) -> Option<Section> {
    let groups = report.record.groups.as_ref()?;
    let value = |at: usize| groups.values.get(at).map_or("?", String::as_str).to_owned();
    let mut table = Table::new(&[
        ("class", Align::Left),
        (groups.column.as_str(), Align::Left),
        ("images", Align::Right),
        ("right", Align::Right),
    ]);
    for cell in &groups.measures.cells {
        let class = report.record.classes.get(cell.class).cloned().unwrap_or_default();
        let right = if cell.right.n == 0 {
            "no image".to_owned()
        } else {
            interval(cell.right.value, cell.right.low, cell.right.high)
        };
        table.push([class, value(cell.group), count(cell.right.n), right]);
    }
    let mut section = Section::new(format!("Groups of '{}'", groups.column));
    if groups.measures.association > 0.0 {
        section.push(Block::Paragraph(format!(
            "Classes are not spread alike over the groups (Cramér's V {:.2}); groups are therefore compared with their classes weighted as \
             in all images.",
            groups.measures.association
        )));
    }
    let small = groups.measures.small().count();
    if small > 0 {
        section.push(Block::Paragraph(format!(
            "{} of class and group hold fewer than {SMALL} images, some perhaps none: too few to be called the worst.",
            counted(small, "cell")
        )));
    }
    if let Some(worst) = groups.measures.worst {
        let class = report.record.classes.get(worst.class).cloned().unwrap_or_default();
        let right = interval(worst.right.value, worst.right.low, worst.right.high);
        section.push(Block::Paragraph(format!(
            "Lowest: {class} where {} = {}, {right} right.",
            groups.column,
            value(worst.group)
        )));
    }
    Some(section.with(Block::Table(table)))
}

fn limits(report: &AuditReport) -> Section {
    let references = match report.references.len() {
        0 => "No model known to be without such habits was given for comparison (--reference): where the controls of a trigger are \
              themselves special to the model, only a reference shows it."
            .to_owned(),
        number => format!("Compared with {}.", counted(number, "reference")),
    };
    let skipped = match report.skipped.len() {
        0 => String::new(),
        number => format!(" {} could not be read and took no part.", counted(number, "image")),
    };
    Section::new("Controls and limits")
        .with(Block::Paragraph(
            "A patch hides a part of the image, and a loud colour disturbs any model. A trigger is therefore judged beside patches of the \
             very same place and size: the image's own pixels in disorder, the image's mean colour, and twice another of the loud \
             colours (of a chequered one: checks in disorder), drawn for every image; beside a watermark, the \
             same one slanting the other way. Only what it breaks beyond their mean is its own; and it stands out only if it does at \
             least 10 points more than the strongest of them, too."
                .into(),
        ))
        .with(Block::Paragraph(format!("{references}{skipped}")))
        .with(Block::Paragraph(
            "What this cannot show: triggers of another shape than those tried, ones that need a special scene, and habits that these \
             images never touch. Figures are for images like these."
                .into(),
        ))
        .with(Block::Paragraph(
            "Attack success rate and controls as in Salman, Jain, Ilyas, Engstrom, Wong, Madry: When does Bias Transfer in Transfer \
             Learning? (arXiv 2207.02842); chequered patches as in Gu, Dolan-Gavitt, Garg: BadNets (arXiv 1708.06733)."
                .into(),
        ))
        .with(Block::Code(format!("heirloom {}", report.typed.join(" "))))
}
