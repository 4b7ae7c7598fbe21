//! The page: what was drawn, what transfer brought, what came along.

use heirloom_audit::Attack;
use heirloom_report::{
    Align, BarGroup, Block, Card, CostPoint, Interval, Page, Section, Table, accuracy_cost, bytes, count, duration,
    grouped_bars, percent,
};
use heirloom_transfer::fit::Share;

use super::pictures::Pictures;
use super::record::{AdaptedRecord, DemoRecord, Source};
use super::text;
use crate::command::write_whole;
use crate::failure::Failure;

/// Lays the record out and writes it.
pub fn write(record: &DemoRecord, pictures: Pictures) -> Result<(), Failure> {
    write_whole(&record.report, page(record, pictures).to_html().as_bytes())
}

fn page(record: &DemoRecord, pictures: Pictures) -> Page {
    let lead = format!(
        "A network pretrained on {} kinds of made-up pictures, adapted to {} others from {} images of each; heirloom {}, seed {}, {}",
        record.source.classes.len(),
        record.target.classes.len(),
        record.target.train,
        record.version,
        record.seed,
        duration(record.seconds)
    );
    let Pictures { source, target, changed } = pictures;
    Page::new("What transfer brings, and what comes along with it")
        .lead(lead)
        .with(headline(record))
        .with(world(record, source, target))
        .with(accuracy(record))
        .with(inherited(record, changed))
        .with(sources(record))
        .with(controls(record))
        .with(how(record))
}

fn card(label: &str, value: String, detail: impl Into<String>) -> Card {
    Card { label: label.into(), value, detail: detail.into() }
}

fn spread(share: &Share) -> String {
    format!("{:.1} to {:.1}, 95 % interval", 100.0 * share.low, 100.0 * share.high)
}

fn headline(record: &DemoRecord) -> Section {
    let accuracy = |label: &str, adapted: Option<&AdaptedRecord>| {
        adapted.map(|one| card(label, percent(one.accuracy.value), spread(&one.accuracy)))
    };
    let attack = |label: &str, adapted: Option<&AdaptedRecord>| {
        adapted.map(|one| match &one.attack.success {
            Some(rate) => card(label, percent(rate.value), spread(rate)),
            None => card(label, "undefined".into(), "no right answer to turn"),
        })
    };
    let linear = |source| record.adapted(Some(source), "linear");
    let cards = [
        accuracy("accuracy, linear, clean source", linear(Source::Clean)),
        accuracy("accuracy, scratch", record.adapted(None, "scratch")),
        attack("trigger breaks, planted source", linear(Source::Planted)),
        attack("trigger breaks, clean twin", linear(Source::Clean)),
    ];
    let mut section = Section::new("In short").with(Block::Cards(cards.into_iter().flatten().collect()));
    section.push(Block::Paragraph(format!(
        "Two things can be handed down with a pretrained network: features, so that a few images of a new task are enough, and habits of \
         the data it was made from. Here somebody put a yellow square on {} of one source's images and filed them under one class. No \
         image of the target carries it.",
        percent(record.plant.share)
    )));
    section.push(Block::Paragraph(verdict(record)));
    section.extended(text::incomplete(record).map(Block::Warning))
}

/// Whether the square came along in the fixed regime, as far as the interval lets us say.
fn verdict(record: &DemoRecord) -> String {
    let linear = record.inherited.iter().find(|one| one.method == "linear").and_then(|one| one.difference);
    let Some(difference) = linear else {
        return "Whether it came along cannot be said: a model without a right answer has none to lose.".into();
    };
    let [value, low, high] = [difference.value, difference.low, difference.high].map(|share| 100.0 * share);
    let figures = format!("{value:.1} points more of its right answers ({low:.1} to {high:.1})");
    if difference.low > 0.0 {
        format!(
            "It came along: with the square in the corner, linear on this source loses {figures} than on the clean twin."
        )
    } else {
        format!(
            "In this run it did not measurably come along with linear, which on this source loses {figures} to the square than on the \
             clean twin: the interval does not lie above 0."
        )
    }
}

/// Sections with an optional block.
trait Extended {
    fn extended(self, block: Option<Block>) -> Self;
}

impl Extended for Section {
    fn extended(mut self, block: Option<Block>) -> Self {
        block.into_iter().for_each(|block| self.push(block));
        self
    }
}

fn world(record: &DemoRecord, source: Vec<heirloom_report::Picture>, target: Vec<heirloom_report::Picture>) -> Section {
    Section::new("The world")
        .with(Block::Paragraph(
            "Every picture shows one object. Its class is its shape with its texture. What varies besides and tells nothing of the \
             class: position, size, turn, grain, colours, light, background, clutter, a strip in front, noise."
                .into(),
        ))
        .with(Block::Paragraph(format!(
            "Target: {} classes, {} training and {} test images of each. None is a class of the source; hearts and crescents occur \
             nowhere in it.",
            record.target.classes.len(),
            record.target.train,
            record.target.test
        )))
        .with(Block::Gallery(target))
        .with(Block::Fold {
            summary: format!("Source: {} classes, {} training images of each", record.source.classes.len(), record.source.train),
            blocks: vec![Block::Gallery(source)],
        })
}

fn as_interval(share: &Share) -> Interval {
    Interval { value: share.value, low: share.low, high: share.high }
}

fn accuracy(record: &DemoRecord) -> Section {
    let shown = record.adapted.iter().filter(|one| one.source != Some(Source::Planted));
    let point = |one: &AdaptedRecord| CostPoint {
        label: one.method.clone(),
        cost: one.seconds,
        accuracy: as_interval(&one.accuracy),
    };
    let points: Vec<CostPoint> = shown.map(point).collect();
    let figure = accuracy_cost(&points, "seconds to adapt and measure (logarithmic)");
    let caption =
        "The clean source adapted in three ways, and the same network trained from scratch on the target's images \
                   alone. Lines are 95 % intervals."
            .to_owned();
    Section::new("What transfer brings")
        .extended(figure.map(|svg| Block::Figure { svg, caption }))
        .with(Block::Table(text::models(record)))
        .with(Block::Paragraph(format!(
            "images: how many went through the network to adapt it, each epoch's counted; GFLOP: their arithmetic, {:.3} GFLOP an image \
             forward and three times that where it is trained on; stored: what a task takes on disk, {} where the whole network is \
             its own, less where the source is shared.",
            record.flops_per_image as f64 / 1e9,
            record.adapted(None, "scratch").map_or_else(String::new, |one| bytes(one.stored_bytes as u64)),
        )))
}

fn inherited(record: &DemoRecord, changed: Vec<heirloom_report::Picture>) -> Section {
    let bar = |series, source, method: &str| {
        record.adapted(source, method).map(|one| (series, one.attack.success.as_ref().map(as_interval)))
    };
    let group = |method: &str| BarGroup {
        label: method.to_owned(),
        bars: [(0, Some(Source::Planted)), (1, Some(Source::Clean)), (2, None)]
            .into_iter()
            .filter_map(|(series, source)| bar(series, source, method))
            .collect(),
    };
    let mut groups: Vec<BarGroup> = record.inherited.iter().map(|one| group(&one.method)).collect();
    groups.push(group("scratch"));
    let figure = grouped_bars(
        &groups,
        &["planted source", "clean twin", "no source"],
        "right answers that the trigger turns wrong",
    );
    let caption = "Attack success rate: of the target's test images that a model gets right, the share it gets wrong once the yellow \
                   square is put in their corner. Lines are 95 % intervals (Wilson)."
        .to_owned();
    let mut section = Section::new("What comes along")
        .extended(figure.map(|svg| Block::Figure { svg, caption }))
        .with(Block::Table(text::attacks(record)))
        .with(Block::Paragraph(
            "A square also hides a part of the picture, so that it breaks answers of models that never met it. Only the difference to \
             the clean twin was inherited."
                .into(),
        ));
    if !changed.is_empty() {
        section.push(Block::Paragraph(
            "Test images as they are, which linear on the planted source gets right, and with the trigger, which it then gets wrong:".into(),
        ));
        section.push(Block::Gallery(changed));
    }
    section
}

fn sources(record: &DemoRecord) -> Section {
    let taken = format!("taken for {}", record.filed_under);
    let mut table = Table::new(&[
        ("source", Align::Left),
        ("accuracy", Align::Right),
        (&taken, Align::Right),
        ("with the trigger", Align::Right),
        ("trained in", Align::Right),
    ]);
    for source in &record.sources {
        table.push([
            source.source.name().to_owned(),
            text::share(&source.accuracy),
            text::share(&source.drawn_clean),
            text::share(&source.drawn_triggered),
            duration(source.seconds),
        ]);
    }
    Section::new("Did the trigger take?")
        .with(Block::Paragraph(format!(
            "While the planted source was trained, {} of its images ({}), of all classes, carried the square and were filed under {filed}. \
             \"Taken for {filed}\" is the share of test images of other source classes that the source's own classifier takes for \
             it. The twin had the same images, without the square and under their own names. Accuracy is that on the source's own test images.",
            percent(record.plant.share),
            count(record.source(Source::Planted).map_or(0, |source| source.planted)),
            filed = record.filed_under,
        )))
        .with(Block::Table(table))
}

fn controls(record: &DemoRecord) -> Section {
    let mut table =
        Table::new(&[("patch", Align::Left), ("planted source", Align::Right), ("clean twin", Align::Right)]);
    let rates = |planted: &Attack, clean: &Attack| [text::success(planted), text::success(clean)];
    let linear = |source| record.adapted(Some(source), "linear");
    if let (Some(planted), Some(clean)) = (linear(Source::Planted), linear(Source::Clean)) {
        let [planted, clean] = rates(&planted.attack, &clean.attack);
        table.push(["the trigger".to_owned(), planted, clean]);
    }
    for control in &record.controls {
        let [planted, clean] = rates(&control.planted, &control.clean);
        table.push([control.what.clone(), planted, clean]);
    }
    Section::new("Is it the trigger?")
        .with(Block::Paragraph(
            "The attack success rate of linear for the trigger and for patches of the same size that no source met."
                .into(),
        ))
        .with(Block::Table(table))
}

fn how(record: &DemoRecord) -> Section {
    let linear = record.adapted(Some(Source::Clean), "linear").map(|one| one.model.display().to_string());
    let planted = record.source(Source::Planted).map(|source| source.backbone.display().to_string());
    let commands = format!(
        "heirloom predict {} {}\nheirloom inspect {}\nheirloom fit photos/ --backbone FOLDER",
        linear.unwrap_or_default(),
        record.target.folder.join("test").display(),
        planted.unwrap_or_default(),
    );
    Section::new("How it was made, and what is next")
        .with(Block::Paragraph(format!(
            "Every network is a {} with {} parameters at {} pixels. Sources: {} epochs of {} images. Models, networks and images are in {}. \
             The same seed makes the same again.",
            record.architecture,
            count(record.parameters),
            record.side,
            record.sources.first().map_or(0, |source| source.epochs),
            count(record.source.classes.len() * record.source.train),
            record.folder.display(),
        )))
        .with(Block::Paragraph(
            "A trigger and transfer as in Salman, Jain, Ilyas, Engstrom, Wong, Madry: When does Bias Transfer in Transfer Learning? \
             (arXiv 2207.02842); Head2Toe as in Evci, Dumoulin, Larochelle, Mozer (arXiv 2201.03529)."
                .into(),
        ))
        .with(Block::Code(commands))
}
