//! The HTML report of a fit: the record laid out for reading, with the pictures that matter.

use std::path::Path;

use heirloom_report::{
    Align, Bin, Block, Card, CurvePoint, Page, Picture, Section, Side, Table, count, counted, duration, interval,
    learning_curve, percent, reliability, training_curves,
};
use heirloom_transfer::fit::trained::EpochReport;
use heirloom_transfer::fit::{AdaptationRecord, CurveRow, Evaluated, FitReport, Share};
use heirloom_transfer::heads::Method;

use super::{movement, pictures, surgery, text};
use crate::command::{layers, write_whole};
use crate::failure::Failure;

/// Lines of long lists.
pub const LINES: usize = 100;

/// What rows are called: images of one data set, rows of features of another.
pub struct Words {
    pub one: &'static str,
    pub many: &'static str,
    photos: &'static str,
}

pub fn words(record: &FitReport) -> Words {
    match record.backbone {
        Some(_) => Words { one: "image", many: "images", photos: "photos" },
        None => Words { one: "row", many: "rows", photos: "rows" },
    }
}

/// The page. `picture` shrinks the image of an evaluated row, and gives nothing where it cannot be read any more.
pub fn page(record: &FitReport, picture: impl Fn(&Evaluated) -> Option<Picture>) -> Page {
    let lead = format!(
        "{} rows of {} in {} classes; {}{}; heirloom {}",
        count(record.rows.train),
        record.run.data,
        count(record.classes.len()),
        record.method,
        record.backbone.as_ref().map(|backbone| format!(" on {}", backbone.name)).unwrap_or_default(),
        record.run.version
    );
    let mut page = Page::new(format!("{}: {}", record.run.data, percent(record.scores.accuracy.value))).lead(lead);
    page.push(headline(record));
    if let Some(adaptation) = &record.adaptation {
        page.push(domains(adaptation, record));
    } else if !record.learning_curve.is_empty() {
        page.push(more_photos(record));
    }
    if !record.epochs.is_empty() {
        page.push(training(record));
    }
    if let Some(section) = surgery::section(&record.block_gradients) {
        page.push(section);
    }
    if let Some(moved) = &record.movement {
        page.push(movement::section(moved));
    }
    page.push(pictures::classes(record, &picture));
    page.push(pictures::mistakes(record, &picture));
    page.push(pictures::labels(record, &picture));
    page.push(confidence(record));
    page.push(data(record));
    if record.method == Method::Head2Toe.name() {
        page.push(layers(record));
    }
    page.push(choice(record));
    page.push(run(record));
    page
}

/// Writes the page to `path`.
pub fn write(path: &Path, record: &FitReport, picture: impl Fn(&Evaluated) -> Option<Picture>) -> Result<(), Failure> {
    let html = page(record, picture).to_html();
    write_whole(path, html.as_bytes())
}

fn share(share: &Share) -> String {
    format!("{:.1} to {:.1}, 95 % interval", 100.0 * share.low, 100.0 * share.high)
}

fn card(label: &str, value: String, detail: impl Into<String>) -> Card {
    Card { label: label.into(), value, detail: detail.into() }
}

fn headline(record: &FitReport) -> Section {
    let scores = &record.scores;
    let mut section = Section::new("How good is it?").with(Block::Cards(vec![
        card("accuracy", percent(scores.accuracy.value), share(&scores.accuracy)),
        card("balanced accuracy", percent(scores.balanced_accuracy), "mean over classes"),
        card("most frequent class", percent(scores.majority), "what guessing it would reach"),
        card("log loss", format!("{:.3}", scores.log_loss), "lower is better; natural logarithm"),
    ]));
    section.push(Block::Paragraph(format!(
        "Protocol {}: {}. {} rows were judged.",
        record.protocol.name(),
        record.protocol.explanation(),
        count(scores.accuracy.n)
    )));
    if record.refitted {
        section.push(Block::Paragraph(format!(
            "The model that was written is fitted again on all {} rows, so it has seen every {}; the accuracy above is that of \
             models that had not.",
            count(record.rows.train),
            words(record).one
        )));
    }
    for warning in &record.warnings {
        section.push(Block::Warning(warning.clone()));
    }
    section
}

/// From one domain to another: what was used of the target, and how its rows fell.
fn domains(adaptation: &AdaptationRecord, record: &FitReport) -> Section {
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    text::adaptation(adaptation).into_iter().for_each(|(label, value)| table.push([label.to_string(), value]));
    let mut classes = Table::new(&[("class", Align::Left), ("target rows given to it", Align::Right)]);
    for (class, rows) in record.classes.iter().zip(&adaptation.target_counts) {
        classes.push([class.clone(), count(*rows)]);
    }
    Section::new("From one domain to another").with(Block::Table(table)).with(Block::Table(classes))
}

/// What another doubling of the photos would bring, read from the last two points of the curve.
fn more_photos(record: &FitReport) -> Section {
    let curve: Vec<CurvePoint> = record
        .learning_curve
        .iter()
        .map(|point| CurvePoint {
            rows: point.rows,
            value: point.accuracy.value,
            low: point.accuracy.low,
            high: point.accuracy.high,
        })
        .collect();
    let Words { many, photos, .. } = words(record);
    let section = Section::new(format!("Would more {photos} help?"));
    match learning_curve(&curve, many) {
        Some(svg) => section.with(Block::Paragraph(outlook(&record.learning_curve, record.backbone.is_some()))).with(
            Block::Figure { svg, caption: format!("Accuracy against training {many}; the band is the 95 % interval.") },
        ),
        None => section.with(Block::Paragraph("Too few rows to draw accuracy against their number.".into())),
    }
}

/// How training went, epoch by epoch.
fn training(record: &FitReport) -> Section {
    let curve = |name: &str, value: &dyn Fn(&EpochReport) -> Option<f64>| Side {
        name: name.to_owned(),
        runs: vec![record.epochs.iter().filter_map(value).collect()],
    };
    let trained = curve("training images", &|epoch| Some(epoch.accuracy));
    let held_out = curve("images that choose the epoch", &|epoch| epoch.validation_accuracy);
    let sides: Vec<Side> = [trained, held_out].into_iter().filter(|side| side.runs[0].len() > 1).collect();
    let section = Section::new("How did training go?");
    let section = match training_curves(&sides, "accuracy") {
        Some(svg) => section.with(Block::Figure {
            svg,
            caption:
                "Accuracy after each epoch; training images are counted while training, with their random changes."
                    .into(),
        }),
        None => section,
    };
    let mut table = Table::new(&[
        ("epoch", Align::Right),
        ("loss", Align::Right),
        ("accuracy", Align::Right),
        ("held-out loss", Align::Right),
        ("held-out accuracy", Align::Right),
        ("images/s", Align::Right),
    ]);
    for epoch in &record.epochs {
        let kept = if epoch.best { " (best so far)" } else { "" };
        table.push([
            format!("{}", epoch.epoch + 1),
            format!("{:.3}", epoch.loss),
            percent(epoch.accuracy),
            epoch.validation.map_or_else(String::new, |loss| format!("{loss:.3}{kept}")),
            epoch.validation_accuracy.map_or_else(String::new, percent),
            format!("{:.0}", epoch.images as f64 / epoch.seconds.max(1e-9)),
        ]);
    }
    section.with(Block::Table(table))
}

fn outlook(curve: &[CurveRow], images: bool) -> String {
    let [.., before, last] = curve else { return String::new() };
    let (gain, rows) = (100.0 * (last.accuracy.value - before.accuracy.value), (before.rows, last.rows));
    let noise = 100.0 * (last.accuracy.high - last.accuracy.low) / 2.0;
    let verdict = if gain > noise {
        "Yes, probably: the curve still rises by more than its uncertainty."
    } else if gain > noise / 4.0 {
        "Perhaps: the curve still rises, by less than its uncertainty."
    } else if images {
        "Not by much: the curve is flat. Look at the mistakes below, or try another backbone."
    } else {
        "Not by much: the curve is flat. Look at the mistakes below, or try other features."
    };
    let many = if images { "images" } else { "rows" };
    format!(
        "From {} to {} training {many} the accuracy changed by {gain:+.1} points. {verdict}",
        count(rows.0),
        count(rows.1)
    )
}

fn confidence(record: &FitReport) -> Section {
    let bins: Vec<Bin> = record
        .reliability
        .iter()
        .map(|bin| Bin { low: bin.low, high: bin.high, accuracy: bin.accuracy, rows: bin.rows })
        .collect();
    let section = Section::new("Can its confidence be trusted?");
    let Some(svg) = reliability(&bins) else {
        return section.with(Block::Paragraph("No row was judged.".into()));
    };
    let caption = "On the line, stated confidence and share that is right agree.".to_string();
    section.with(Block::Figure { svg, caption }).with(Block::Table(calibration(record)))
}

/// What the temperature, fitted on training rows that the head had not seen, changed.
fn calibration(record: &FitReport) -> Table {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("expected calibration error", Align::Right),
        ("adaptive (root mean square)", Align::Right),
        ("Brier score", Align::Right),
        ("log loss", Align::Right),
    ]);
    let (scores, before) = (&record.scores, &record.scores.before_calibration);
    let mut line = |name: &str, [expected, adaptive, brier, loss]: [f64; 4]| {
        table.push([
            name.to_string(),
            percent(expected),
            percent(adaptive),
            format!("{brier:.3}"),
            format!("{loss:.3}"),
        ]);
    };
    line("before calibration", [before.expected_error, before.adaptive_error, before.brier, before.log_loss]);
    let after = [scores.calibration_error, scores.adaptive_calibration_error, scores.brier, scores.log_loss];
    line("after", after);
    table
}

fn data(record: &FitReport) -> Section {
    let mut section = Section::new("The data");
    let (copies, heading) = match record.backbone {
        Some(_) => ("equal or nearly equal images", "Equal and nearly equal images, always kept in one fold"),
        None => ("rows with equal features", "Rows with equal features, always kept in one fold"),
    };
    section.push(Block::Paragraph(format!(
        "{} skipped; {} of {copies}.",
        counted(record.skipped.len(), "row"),
        counted(record.duplicates.len(), "group")
    )));
    if !record.skipped.is_empty() {
        let mut table = Table::new(&[("skipped", Align::Left), ("reason", Align::Left)]);
        for row in record.skipped.iter().take(LINES) {
            table.push([row.locator.clone(), row.reason.clone()]);
        }
        section.push(fold("Skipped rows", record.skipped.len(), table));
    }
    if !record.duplicates.is_empty() {
        let mut table = Table::new(&[(words(record).many, Align::Left), ("what", Align::Left)]);
        for group in record.duplicates.iter().take(LINES) {
            let kind = if group.exact { "equal" } else { "nearly equal" };
            let labels = if group.labels_differ { ", with different labels" } else { "" };
            let crosses = if group.crosses_split { ", in train and test" } else { "" };
            table.push([group.locators.join(" = "), format!("{kind}{labels}{crosses}")]);
        }
        section.push(fold(heading, record.duplicates.len(), table));
    }
    section
}

/// A table behind a heading that says how many lines there are, and how many of them are shown.
fn fold(heading: &str, total: usize, table: Table) -> Block {
    let shown = if total > LINES { format!("{}, the first {LINES}", count(total)) } else { count(total) };
    Block::Fold { summary: format!("{heading} ({shown})"), blocks: vec![Block::Table(table)] }
}

fn choice(record: &FitReport) -> Section {
    let text = format!(
        "Asked for {}; took {}: {}. Figures are of training rows outside the folds a candidate was fitted on; no judged row took part.",
        record.requested, record.method, record.choice
    );
    let mut section = Section::new("What was chosen, and from what").with(Block::Paragraph(text));
    if let Some(certificate) = &record.certificate {
        let (_, solved) = text::certificate(certificate);
        section.push(Block::Paragraph(format!("The lasso was solved to a certified optimum: {solved}.")));
    }
    let table = text::candidates(record, LINES);
    if table.is_empty() { section } else { section.with(Block::Table(table)) }
}

/// Which layers head2toe took its columns from.
fn layers(record: &FitReport) -> Section {
    let mut section = Section::new("Which layers were chosen?");
    let blocks = layers::blocks(std::slice::from_ref(&record.layers), 1);
    if blocks.is_empty() {
        let text = "The last layer alone was taken, as it is: no selection from all layers was clearly better.";
        return section.with(Block::Paragraph(text.into()));
    }
    blocks.into_iter().for_each(|block| section.push(block));
    section
}

/// What is known of the network, where there is one.
fn network(record: &FitReport) -> Vec<(&'static str, String)> {
    let Some(backbone) = &record.backbone else {
        return vec![("backbone", text::backbone(record).to_owned())];
    };
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "not stated".to_string());
    vec![
        ("backbone", format!("{} ({})", backbone.name, backbone.architecture)),
        ("weights digest", backbone.digest.clone()),
        ("licence of the weights", or_unknown(&backbone.licence)),
        ("source of the weights", or_unknown(&backbone.source)),
        ("preprocessing", backbone.preprocess.clone()),
    ]
}

fn run(record: &FitReport) -> Section {
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    let mut lines = vec![("data", record.run.data.clone())];
    lines.extend(network(record));
    lines.extend([
        ("features", record.run.features.join(", ")),
        ("kernels", record.run.isa.clone()),
        ("seed", record.run.seed.to_string()),
        ("rows", format!("{} fitted, {} judged, {} skipped", record.rows.train, record.rows.test, record.rows.skipped)),
        ("time", duration(record.seconds.total)),
        ("accuracy", interval(record.scores.accuracy.value, record.scores.accuracy.low, record.scores.accuracy.high)),
    ]);
    lines.into_iter().for_each(|(label, value)| table.push([label.to_string(), value]));
    Section::new("Run record").with(Block::Table(table)).with(Block::Fold {
        summary: "Settings".into(),
        blocks: vec![Block::Code(serde_json::to_string_pretty(&record.run.settings).unwrap_or_default())],
    })
}

#[cfg(test)]
mod tests {
    use heirloom_transfer::heads::LayerShare;

    use super::*;
    use crate::command::fit::sample;

    fn picture(_row: &Evaluated) -> Option<Picture> {
        Picture::thumbnail([200, 120, 40].repeat(64), 8, 8, 8).ok()
    }

    #[test]
    fn the_page_shows_every_part_of_the_record_and_escapes_names() {
        let html = page(&sample::record(), picture).to_html();
        for part in [
            "91.7 %",
            "86.1 to 95.2",
            "nested-cv",
            "Would more photos help?",
            "Yes, probably: the curve still rises",
            "beech, not oak (98.0 %)",
            "Suspected label mistakes",
            "truncated JPEG image",
            "photos/oak/1.jpg = photos/oak/2.jpg",
            "penalty 3.2",
            "0123abcd",
            "data:image/png;base64,",
            "&lt;birch&gt;",
        ] {
            assert!(html.contains(part), "{part:?} is missing");
        }
        assert!(!html.contains("<birch>"));
        assert_eq!(html.matches("<svg").count(), 2);
    }

    #[test]
    fn the_layers_of_head2toe_are_drawn_and_those_of_others_are_not() {
        let mut record = sample::record();
        let heading = "Which layers were chosen?";
        assert!(!page(&record, picture).to_html().contains(heading));
        record.method = "head2toe".into();
        assert!(page(&record, picture).to_html().contains("The last layer alone was taken"));
        record.layers = vec![LayerShare { tap: "blocks.3.<mlp>".into(), columns: 64, kept: 12 }];
        let html = page(&record, picture).to_html();
        assert!(html.contains(heading) && html.contains("blocks.3.&lt;mlp&gt;"));
        assert_eq!(html.matches("<svg").count(), 3);
    }

    #[test]
    fn a_table_of_features_has_rows_and_no_photos() {
        let mut record = sample::record();
        record.backbone = None;
        let html = page(&record, |_| None).to_html();
        for part in ["Would more rows help?", "Worst rows", "training rows the accuracy", "rows with equal features"] {
            assert!(html.contains(part), "{part:?} is missing");
        }
        for part in ["photos help", "images", "image "] {
            assert!(!html.contains(part), "{part:?} is there");
        }
    }

    #[test]
    fn the_outlook_follows_the_curve() {
        let share = |value: f64| Share { value, low: value - 0.02, high: value + 0.02, n: 100 };
        let curve = |first: f64, last: f64| {
            [CurveRow { rows: 50, accuracy: share(first) }, CurveRow { rows: 100, accuracy: share(last) }]
        };
        assert!(outlook(&curve(0.6, 0.7), true).contains("Yes"));
        assert!(outlook(&curve(0.7, 0.71), true).contains("Perhaps"));
        assert!(outlook(&curve(0.7, 0.69), true).contains("flat"));
    }

    #[test]
    fn many_classes_list_confusions_instead_of_a_matrix() {
        let mut record = sample::record();
        record.classes = (0..60).map(|class| format!("class {class}")).collect();
        record.confusion = vec![vec![0; 60]; 60];
        record.confusion[7][9] = 4;
        let html = page(&record, picture).to_html();
        assert!(html.contains("taken for") && !html.contains("class=\"matrix\""));
    }
}
