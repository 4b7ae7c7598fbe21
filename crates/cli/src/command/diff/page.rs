//! The page of a comparison: what the two models have in common in plain words, then each measure with its figure.

use std::path::Path;

use heirloom_audit::diff::{Basin, Judged, PathPoint, PathRecord, Rewind, RewoundModule, Similarity};
use heirloom_report::{
    Align, Block, Card, Interval, MapSide, Page, ScatterPoint, Section, Table, count, duration, labelled_map, percent,
    scatter,
};
use heirloom_transfer::fit::trained::Movement;

use super::sides::Sides;
use super::{DiffReport, sheets, text};
use crate::command::{valley, write_whole};
use crate::failure::Failure;

/// Lays the report out and writes it.
pub fn write(path: &Path, report: &DiffReport, sides: &Sides) -> Result<(), Failure> {
    write_whole(path, page(report, sides)?.to_html().as_bytes())
}

fn page(report: &DiffReport, sides: &Sides) -> Result<Page, Failure> {
    let name = |model: &str| {
        Path::new(model).file_name().map_or_else(|| model.into(), |name| name.to_string_lossy().into_owned())
    };
    let title = format!("What do {} and {} have in common?", name(&report.first.model), name(&report.second.model));
    let lead = format!(
        "A is {}. B is {}. Judged on {} {} of {}; heirloom {}, {}",
        text::model(&report.first),
        text::model(&report.second),
        count(report.mistakes.images),
        report.judged,
        report.data.display(),
        report.version,
        duration(report.seconds)
    );
    let mut page = Page::new(title).lead(lead).with(short(report)).with(mistakes(report, sides)?);
    if let Some(similarity) = &report.similarity {
        page.push(layers(similarity));
    }
    if let Some(distance) = &report.distance {
        page.push(weights(distance));
    }
    if let Some(line) = &report.line {
        page.push(between(line, report.basin.as_ref()));
    }
    if let Some(rewind) = &report.rewind {
        page.push(put_back(rewind));
    }
    Ok(page)
}

fn put_back(rewind: &Rewind) -> Section {
    let mut section = Section::new("Which modules matter")
        .with(Block::Paragraph(text::rewind_sentence(rewind)))
        .with(Block::Table(text::modules(rewind)));
    if rewind.limit.is_some() {
        section.push(Block::Paragraph(
            "Criticality is the squared distance a module has to go from A towards B over the variance of the noise that it bears there: 0 where \
             it may be put back whole, +inf where no point keeps the error down. At is the share of the way."
                .into(),
        ));
    }
    let valley = |module: &RewoundModule| {
        let caption =
            format!("Accuracy on training images with {} on its way from A to B, and noise on it.", module.module);
        let figure = valley::figure(&module.valley, caption)?;
        Some(Block::Fold { summary: format!("the valley of {}", module.module), blocks: vec![figure] })
    };
    rewind.modules.iter().filter_map(valley).for_each(|block| section.push(block));
    section
}

fn card(label: &str, value: String, detail: impl Into<String>) -> Card {
    Card { label: label.into(), value, detail: detail.into() }
}

fn short(report: &DiffReport) -> Section {
    let mistakes = &report.mistakes;
    let mut cards = vec![
        card("right: A", percent(mistakes.first.value), text::model(&report.first)),
        card("right: B", percent(mistakes.second.value), text::model(&report.second)),
        card(
            "wrong with one of the two only",
            percent(mistakes.uncommon.value),
            format!("{} if their mistakes had nothing to do with each other", percent(mistakes.uncommon_expected)),
        ),
    ];
    let last = report
        .similarity
        .as_ref()
        .and_then(|similarity| text::counterpart(similarity, similarity.first.len().checked_sub(1)?));
    if let Some((value, pair)) = last.and_then(|pair| Some((pair.unbiased?, pair))) {
        cards.push(card(
            "likeness of the last layer",
            format!("{value:.2}"),
            format!("{} and {}", pair.first, pair.second),
        ));
    }
    let mut section = Section::new("In short")
        .with(Block::Paragraph(
            "Two models that were adapted from the same pretrained network tend to make the same mistakes, to see images alike in every \
             layer, and to lie in one valley of the loss; two that were trained from random weights do not. What these two have in common \
             says how much of them was handed down."
                .into(),
        ))
        .with(Block::Cards(cards))
        .with(Block::Paragraph(text::mistakes_sentence(report)));
    for absent in &report.absent {
        section.push(Block::Paragraph(format!("No {}: {}.", absent.part, absent.why)));
    }
    report.warnings.iter().for_each(|warning| section.push(Block::Warning(warning.clone())));
    section
}

fn mistakes(report: &DiffReport, sides: &Sides) -> Result<Section, Failure> {
    let mut section = Section::new("Mistakes")
        .with(Block::Table(text::mistakes(report)))
        .with(Block::Paragraph(
            "By chance is what two models of these accuracies share if their mistakes have nothing to do with each other. Consistency is 1 where \
             they have the same images wrong and 0 where they agree as chance would."
                .into(),
        ));
    if let Some(clarity) = &report.clarity {
        section.push(Block::Paragraph(text::clarity_sentence(clarity)));
    }
    for (side, name) in ["A", "B"].into_iter().enumerate() {
        let pictures = sheets::alone(report, sides, side)?;
        if !pictures.is_empty() {
            let found = heirloom_report::counted(report.alone[side].len(), "image");
            section.push(Block::Paragraph(format!(
                "{found} that {name} alone has wrong, some of them with their class and its answer:"
            )));
            section.push(Block::Gallery(pictures));
        }
    }
    Ok(section.with(Block::Fold { summary: "By class".into(), blocks: vec![Block::Table(classes(report))] }))
}

fn classes(report: &DiffReport) -> Table {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("images", Align::Right),
        ("both wrong", Align::Right),
        ("A alone", Align::Right),
        ("B alone", Align::Right),
    ]);
    for class in &report.mistakes.classes {
        let name = report.classes.get(class.class).cloned().unwrap_or_default();
        let numbers = [class.images, class.both, class.first_alone, class.second_alone].map(count);
        table.push(std::iter::once(name).chain(numbers));
    }
    table
}

fn layers(similarity: &Similarity) -> Section {
    let mut section =
        Section::new("How alike their layers see images").with(Block::Paragraph(text::similarity_sentence(similarity)));
    let side = |title: &str, names: &[String]| MapSide { title: title.into(), names: names.to_vec() };
    let values: Vec<Option<f64>> = similarity.pairs.iter().map(|pair| pair.unbiased).collect();
    let (rows, columns) = (side("layers of A", &similarity.first), side("layers of B", &similarity.second));
    if let Some(svg) = labelled_map(&rows, &columns, &values) {
        section.push(Block::Figure {
            svg,
            caption: "Every layer of A with every layer of B; the darker, the more alike.".into(),
        });
    }
    let floor = similarity.pairs.iter().filter_map(|pair| pair.floor).fold(f64::NEG_INFINITY, f64::max);
    let biased = similarity.pairs.iter().filter_map(|pair| pair.biased_floor).fold(f64::NEG_INFINITY, f64::max);
    section.push(Block::Paragraph(format!(
        "Floor: with the images of B in another order, no pair of layers is above {floor:.3}. The plain (biased) form, which others report, has a \
         floor of up to {biased:.3} in batches of {}.",
        similarity.batch
    )));
    section.with(Block::Table(text::layers(similarity)))
}

fn weights(distance: &Movement) -> Section {
    let mut table = Table::new(&[
        ("module", Align::Left),
        ("parameters", Align::Right),
        ("distance", Align::Right),
        ("share of A's norm", Align::Right),
    ]);
    for module in distance.modules.iter().chain([&distance.all]) {
        let relative = module.relative.map_or_else(|| "undefined".to_owned(), percent);
        table.push([module.module.clone(), count(module.parameters), format!("{:.3}", module.change), relative]);
    }
    Section::new("How far their weights lie apart")
        .with(Block::Paragraph(text::distance_sentence(distance)))
        .with(Block::Table(table))
}

fn between(line: &PathRecord, basin: Option<&Basin>) -> Section {
    let mut section = Section::new("What lies between them").with(Block::Paragraph(text::line_sentence(line)));
    let curve = |of: fn(&PathPoint) -> Option<Judged>, second: bool| {
        line.points.iter().filter_map(move |point| {
            let judged = of(point)?;
            let share = judged.accuracy;
            let exact = Interval { value: point.share, low: point.share, high: point.share };
            let y = Interval { value: 100.0 * share.value, low: 100.0 * share.low, high: 100.0 * share.high };
            Some(ScatterPoint { label: String::new(), x: exact, y, second })
        })
    };
    let points: Vec<ScatterPoint> = curve(|point| point.anew.or(point.as_is), false)
        .chain(curve(|point| point.anew.and(point.as_is), true))
        .collect();
    if let Some(svg) = scatter(&points, "share of the way from A (0) to B (1)", "accuracy, %", true) {
        let statistics = line.statistics_images.map_or_else(String::new, |images| {
            format!(" Blue: batch-norm statistics measured anew at each point on {} training images; orange: as they lie between.", count(images))
        });
        let caption =
            format!("Models whose weights lie on the straight line through both, with 95 % intervals.{statistics}");
        section.push(Block::Figure { svg, caption });
    }
    if let Some(basin) = basin {
        section.push(Block::Paragraph(text::basin_sentence(basin)));
    }
    section.with(Block::Table(text::points(line))).with(Block::Paragraph(
        "A barrier is a fall of accuracy below the straight line between the ends by more than one point. Where it falls most was chosen on one half \
         of the images and measured on the other."
            .into(),
    ))
}
