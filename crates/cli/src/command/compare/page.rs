//! The HTML page of a comparison: the record laid out for reading.

use heirloom_report::{
    Align, Block, Card, CostPoint, FrontierPoint, Interval, Matrix, Page, Picture, Section, Table, bytes, count,
    counted, duration, frontier, percent,
};
use heirloom_transfer::compare::{Comparison, Cost, Line};
use heirloom_transfer::fit::Evaluated;

use super::text;
use crate::command::fit::mistakes;
use crate::command::{example, layers};

/// Classes up to which a whole confusion matrix is drawn.
const MATRIX_CLASSES: usize = 40;
/// Pictures of mistakes of one method.
const PICTURES: usize = 12;
/// Lines of long lists.
const LINES: usize = 100;

/// The page. `picture` shrinks the image of a judged row, and gives nothing where it cannot be read any more.
pub fn page(comparison: &Comparison, picture: impl Fn(&Evaluated) -> Option<Picture>) -> Page {
    let lead = format!(
        "{}{}; {} {} of {} in {}; heirloom {}",
        counted(methods(comparison), "method"),
        backbones(comparison),
        count(comparison.rows.test),
        text::judged(comparison),
        comparison.data,
        classes_counted(comparison.classes.len()),
        comparison.version
    );
    let mut page = Page::new("Accuracy against cost").lead(lead);
    page.push(headline(comparison));
    page.push(figure(comparison));
    page.push(table(comparison));
    page.push(costs(comparison));
    page.push(confidence(comparison));
    comparison.lines.iter().filter_map(|line| chosen_layers(comparison, line)).for_each(|section| page.push(section));
    for (place, line) in shown(comparison) {
        page.push(detail(comparison, place, line, &picture));
    }
    page.push(others(comparison));
    page.push(data(comparison));
    page.push(run(comparison));
    page
}

fn classes_counted(classes: usize) -> String {
    if classes == 1 { "1 class".into() } else { format!("{} classes", count(classes)) }
}

fn methods(comparison: &Comparison) -> usize {
    let mut names: Vec<&str> = comparison.lines.iter().map(|line| line.method.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// ` on NAME, NAME`.
fn backbones(comparison: &Comparison) -> String {
    let names: Vec<&str> = comparison.backbones.iter().map(|backbone| backbone.name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}

/// The line to take and the most accurate one; one line where they are the same.
fn shown(comparison: &Comparison) -> Vec<(usize, &Line)> {
    let taken = comparison.advice.as_ref().map_or(0, |advice| advice.line);
    let mut places = vec![taken, 0];
    places.dedup();
    places.into_iter().filter_map(|place| Some((place, comparison.lines.get(place)?))).collect()
}

fn card(label: impl Into<String>, value: String, detail: impl Into<String>) -> Card {
    Card { label: label.into(), value, detail: detail.into() }
}

fn headline(comparison: &Comparison) -> Section {
    let mut section = Section::new("Which one?");
    let cards = shown(comparison).into_iter().map(|(_, line)| {
        let share = line.accuracy;
        let interval = format!("{:.1} to {:.1}, 95 % interval", 100.0 * share.low, 100.0 * share.high);
        card(format!("accuracy, {}", text::name(comparison, line)), percent(share.value), interval)
    });
    let majority = card("most frequent class", percent(comparison.majority), "what guessing it would reach");
    section.push(Block::Cards(cards.chain([majority]).collect()));
    if let Some(advice) = &comparison.advice {
        section.push(Block::Paragraph(advice.reason.clone()));
        section.push(Block::Paragraph(
            "The same figures made this choice, so the accuracy of what they chose is slightly flattered. Cost is the number of operations \
             to adapt."
                .into(),
        ));
    }
    for failed in &comparison.failed {
        section.push(Block::Warning(format!(
            "{} could not be fitted on draw {} and is left out: {}",
            failed.name(),
            failed.draw,
            failed.reason
        )));
    }
    for warning in &comparison.warnings {
        section.push(Block::Warning(warning.clone()));
    }
    section
}

fn figure(comparison: &Comparison) -> Section {
    // Without a network everything is a thousandth and less.
    let features = text::on_features(comparison);
    let (unit, axis) = match features {
        true => (1e9, "operations to adapt, GFLOP"),
        false => (1e12, "operations to adapt, TFLOP"),
    };
    let point = |line: &Line| FrontierPoint {
        point: CostPoint {
            label: short_name(comparison, line),
            cost: line.cost.operations() / unit,
            accuracy: Interval { value: line.accuracy.value, low: line.accuracy.low, high: line.accuracy.high },
        },
        second: !line.frozen,
        on_frontier: line.on_frontier,
    };
    let points: Vec<FrontierPoint> = comparison.lines.iter().map(point).collect();
    let section = Section::new("Accuracy against cost");
    match frontier(&points, axis) {
        None => section.with(Block::Paragraph("Nothing was measured.".into())),
        Some(svg) => section.with(Block::Figure {
            svg,
            caption: format!(
                "One point for each way to adapt, with the 95 % interval of its accuracy{}. The line joins those that nothing equals at \
                 less cost.{}",
                if features { "" } else { ": blue on frozen features, orange trained through the backbone" },
                letters(comparison)
            ),
        }),
    }
}

/// A line's name in the figure: where there are several backbones, the method and the backbone's letter.
fn short_name(comparison: &Comparison, line: &Line) -> String {
    match comparison.backbones.len() {
        0 | 1 => line.method.clone(),
        _ => format!("{} {}", line.method, letter(line.backbone)),
    }
}

/// A, B, ..., Z, then numbers.
fn letter(place: usize) -> String {
    let letter = u8::try_from(place).ok().filter(|place| *place < 26).map(|place| char::from(b'A' + place));
    letter.map_or_else(|| (place + 1).to_string(), String::from)
}

/// What the letters stand for.
fn letters(comparison: &Comparison) -> String {
    if comparison.backbones.len() < 2 {
        return String::new();
    }
    let named = comparison.backbones.iter().enumerate();
    let named: Vec<String> = named.map(|(place, one)| format!("{}: {}", letter(place), one.name)).collect();
    format!(" {}.", named.join(", "))
}

fn table(comparison: &Comparison) -> Section {
    let (draws, judged) = (counted(comparison.draws.len(), "draw"), text::judged(comparison));
    Section::new("All of them").with(Block::Table(text::lines(comparison))).with(Block::Paragraph(format!(
        "{draws}: {}. Intervals are 95 %, by resampling {judged}{} 2000 times, the same resamples for every line, so that differences are \
         paired; where a difference's interval holds 0 these {judged} cannot tell the two apart. * marks the one to take.",
        comparison.protocol.explanation(),
        if comparison.draws.len() > 1 { " (and draws, where they share test rows)" } else { "" }
    )))
}

fn costs(comparison: &Comparison) -> Section {
    if text::on_features(comparison) {
        return costs_of_heads(comparison);
    }
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("network", Align::Right),
        ("head", Align::Right),
        ("of most", Align::Right),
        ("network", Align::Right),
        ("head", Align::Right),
        ("stored", Align::Right),
        ("of most", Align::Right),
        ("a prediction", Align::Right),
    ]);
    let most = |value: &dyn Fn(&Cost) -> f64| comparison.lines.iter().map(|line| value(&line.cost)).fold(0.0, f64::max);
    let (dearest, largest) = (most(&Cost::operations), most(&|cost| cost.stored_bytes));
    for line in &comparison.lines {
        let cost = &line.cost;
        table.push([
            text::name(comparison, line),
            text::operations(cost.network_operations),
            text::operations(cost.head_operations),
            portion(cost.operations(), dearest),
            duration(cost.network_seconds),
            duration(cost.head_seconds),
            bytes(cost.stored_bytes as u64),
            portion(cost.stored_bytes, largest),
            text::operations(cost.prediction_operations),
        ]);
    }
    Section::new("What each costs").with(Block::Table(table)).with(Block::Paragraph(
        "Operations are computed: passes of the network over the training rows (three for a training step), and the matrix products and \
         decompositions of choosing and fitting the head; a multiplication and an addition are two. Seconds are measured on this \
         machine, for the network on a sample of the images. What is stored is the head and the columns it reads, or all weights where \
         they changed."
            .into(),
    ))
}

/// What heads on a table of features cost: there is no network.
fn costs_of_heads(comparison: &Comparison) -> Section {
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("operations", Align::Right),
        ("seconds", Align::Right),
        ("stored", Align::Right),
        ("a prediction", Align::Right),
    ]);
    for line in &comparison.lines {
        table.push([
            line.method.clone(),
            text::operations(line.cost.head_operations),
            duration(line.cost.head_seconds),
            bytes(line.cost.stored_bytes as u64),
            text::operations(line.cost.prediction_operations),
        ]);
    }
    Section::new("What each costs").with(Block::Table(table)).with(Block::Paragraph(
        "Operations are computed: the matrix products and decompositions of choosing and fitting the head; a multiplication and an addition \
         are two. Seconds are measured on this machine. What is stored is the head and the columns it reads."
            .into(),
    ))
}

fn portion(value: f64, whole: f64) -> String {
    let share = 100.0 * value / whole.max(f64::MIN_POSITIVE);
    if share >= 9.95 { format!("{share:.0} %") } else { format!("{share:.2} %") }
}

fn confidence(comparison: &Comparison) -> Section {
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("expected error", Align::Right),
        ("after", Align::Right),
        ("adaptive error", Align::Right),
        ("after", Align::Right),
        ("Brier score", Align::Right),
        ("after", Align::Right),
        ("log loss", Align::Right),
        ("after", Align::Right),
    ]);
    for line in &comparison.lines {
        let (before, after) = (&line.before_calibration, &line.calibration);
        table.push([
            text::name(comparison, line),
            percent(before.expected_error),
            percent(after.expected_error),
            percent(before.adaptive_error),
            percent(after.adaptive_error),
            format!("{:.3}", before.brier),
            format!("{:.3}", after.brier),
            format!("{:.3}", before.log_loss),
            format!("{:.3}", after.log_loss),
        ]);
    }
    Section::new("Can their confidence be trusted?").with(Block::Table(table)).with(Block::Paragraph(format!(
        "Each before and after division of the logits by one temperature, which is fitted on training rows that the head had not seen. The \
         expected error is the mean distance between stated confidence and share that is right in fifteen ranges of confidence, the \
         adaptive one its root mean square in groups of equally many {}.",
        text::judged(comparison)
    )))
}

/// Which layers head2toe took its columns from.
fn chosen_layers(comparison: &Comparison, line: &Line) -> Option<Section> {
    let blocks = layers::blocks(&line.layers, comparison.draws.len());
    if blocks.is_empty() {
        return None;
    }
    let mut section = Section::new(format!("{}: which layers were chosen?", text::name(comparison, line)));
    blocks.into_iter().for_each(|block| section.push(block));
    Some(section)
}

fn detail(
    comparison: &Comparison,
    place: usize,
    line: &Line,
    picture: &impl Fn(&Evaluated) -> Option<Picture>,
) -> Section {
    let what = if place == 0 { "the most accurate" } else { "the one to take" };
    let mut section = Section::new(format!("{}: {what}", text::name(comparison, line)));
    section.push(Block::Table(classes(line)));
    if comparison.classes.len() <= MATRIX_CLASSES {
        let (classes, counts) = (comparison.classes.clone(), line.confusion.clone());
        let examples = line.examples.iter().filter_map(|row| example(row, captioned(comparison, row, picture)?));
        section.push(Block::Matrix(Matrix { classes, counts, examples: examples.collect() }));
    }
    let wrong: Vec<Picture> =
        line.mistakes.iter().take(PICTURES).filter_map(|row| captioned(comparison, row, picture)).collect();
    if text::on_features(comparison) && !line.mistakes.is_empty() {
        section.push(Block::Paragraph("The most confident mistakes:".into()));
        section.push(Block::Table(mistakes(&comparison.classes, line.mistakes.iter().take(PICTURES))));
    }
    if wrong.is_empty() {
        return section;
    }
    section.push(Block::Paragraph("The most confident mistakes: what it said, and the label.".into()));
    section.with(Block::Gallery(wrong))
}

fn captioned(
    comparison: &Comparison,
    row: &Evaluated,
    picture: &impl Fn(&Evaluated) -> Option<Picture>,
) -> Option<Picture> {
    let name = |class: usize| comparison.classes.get(class).map_or("?", String::as_str);
    let said = format!("{}, not {} ({})", name(row.predicted), name(row.label), percent(row.confidence));
    Some(picture(row)?.captioned(said, row.locator.as_str()))
}

fn classes(line: &Line) -> Table {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("judged", Align::Right),
        ("recognised", Align::Right),
        ("right when said", Align::Right),
    ]);
    for class in line.per_class.iter().take(LINES) {
        let recall = class.recall;
        table.push([
            class.class.clone(),
            count(class.rows),
            heirloom_report::interval(recall.value, recall.low, recall.high),
            class.precision.map_or_else(|| "never said".to_string(), percent),
        ]);
    }
    table
}

/// Classes and settings of the lines that have no section of their own, behind headings.
fn others(comparison: &Comparison) -> Section {
    let mut section = Section::new("Every method: classes, and what was chosen in each draw");
    for line in &comparison.lines {
        let mut choices = Table::new(&[("draw", Align::Right), ("accuracy", Align::Right), ("chosen", Align::Left)]);
        for (draw, (accuracy, choice)) in line.by_draw.iter().zip(&line.choices).enumerate() {
            choices.push([(draw + 1).to_string(), percent(*accuracy), choice.clone()]);
        }
        section.push(Block::Fold {
            summary: format!(
                "{}: {}, draws differ by {:.1} points (standard deviation)",
                text::name(comparison, line),
                percent(line.accuracy.value),
                100.0 * line.spread
            ),
            blocks: vec![Block::Table(choices), Block::Table(classes(line))],
        });
    }
    section
}

fn data(comparison: &Comparison) -> Section {
    let mut section = Section::new("The data").with(Block::Paragraph(format!(
        "{} fitted on in a draw, {} judged, {} skipped; {} of {}, which no draw tears apart.",
        counted(comparison.rows.train, "row"),
        count(comparison.rows.test),
        count(comparison.rows.skipped),
        counted(comparison.duplicates.len(), "group"),
        text::copies(comparison)
    )));
    if !comparison.skipped.is_empty() {
        let mut table = Table::new(&[("skipped", Align::Left), ("reason", Align::Left)]);
        for row in comparison.skipped.iter().take(LINES) {
            table.push([row.locator.clone(), row.reason.clone()]);
        }
        section.push(Block::Table(table));
    }
    section
}

fn run(comparison: &Comparison) -> Section {
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    table.push(["data".to_string(), comparison.data.clone()]);
    for backbone in &comparison.backbones {
        table.push(["backbone".to_string(), format!("{} ({})", backbone.name, backbone.architecture)]);
        table.push(["weights digest".to_string(), backbone.digest.clone()]);
        table.push(["preprocessing".to_string(), backbone.preprocess.clone()]);
    }
    table.push(["seed".to_string(), comparison.seed.to_string()]);
    table.push(["time of this run".to_string(), duration(comparison.seconds)]);
    Section::new("Run record").with(Block::Table(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::compare::sample;

    #[test]
    fn the_page_shows_every_part_and_escapes_names() {
        let picture = |_: &Evaluated| Picture::thumbnail([200, 120, 40].repeat(64), 8, 8, 8).ok();
        let html = page(&sample::comparison(), picture).to_html();
        for part in [
            "Take linear",
            "linear: the one to take",
            "head2toe: the most accurate",
            "knn on tiny could not be fitted on draw 2",
            "beech, not &lt;oak&gt; (97.0 %)",
            "truncated JPEG image",
            "draws differ by 1.4 points",
            "data:image/png;base64,",
            "20</td>",
            "0123abcd",
        ] {
            assert!(html.contains(part), "{part:?} is missing");
        }
        assert!(!html.contains("<oak>"));
        // In the section of each of two methods, one picture in the matrix and one among the mistakes.
        assert_eq!(html.matches("<img").count(), 4);
        assert_eq!(html.matches("<svg").count(), 1);
        assert!(!html.contains("A: tiny"), "one backbone needs no letter");
    }

    #[test]
    fn a_table_of_features_has_rows_and_no_network() {
        let mut comparison = sample::comparison();
        comparison.backbones.clear();
        comparison.failed.clear();
        comparison.advice = None;
        let html = page(&comparison, |_| None).to_html();
        for part in ["3 methods; 500 rows of photos", "resampling rows", "photos/&lt;oak&gt;/3.jpg", "GFLOP"] {
            assert!(html.contains(part), "{part:?} is missing");
        }
        for part in ["images", "network", "backbone", "A:"] {
            assert!(!html.contains(part), "{part:?} is there");
        }
    }

    #[test]
    fn several_backbones_have_letters_in_the_figure() {
        let mut comparison = sample::comparison();
        let other = heirloom_transfer::fit::BackboneRecord { name: "other".into(), ..comparison.backbones[0].clone() };
        comparison.backbones.push(other);
        comparison.lines[2].backbone = 1;
        let html = page(&comparison, |_| None).to_html();
        for part in ["A: tiny, B: other", "head2toe A", "full B"] {
            assert!(html.contains(part), "{part:?} is missing");
        }
    }
}
