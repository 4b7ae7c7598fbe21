//! What a worse training set costs: asked, in words, and on the page.

use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom_audit::training_set::{
    Balancing, Correction, FEWEST, NoiseCurve, TrainingSetInput, TrainingSetRecord, fitted, training_set,
    with_random_weights,
};
use heirloom_audit::{AuditError, AuditWatch, PreparedImages, balanced};
use heirloom_report::{Align, Block, Section, Table, count, curves, interval, percent};
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::{Features, Pooling};
use heirloom_zoo::Backbone;

use super::gathered::Gathered;
use super::words::points;
use crate::arguments::AuditArguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// Training images, at most: heads are fitted some two hundred times.
const TRAIN: usize = 1000;

/// Refuses too few images before any work is done.
pub fn check(arguments: &AuditArguments, gathered: &Gathered) -> Result<(), Failure> {
    if !arguments.training_set {
        return Ok(());
    }
    let ready = &gathered.held.ready;
    let mut sizes = vec![0; ready.model.artifact().classes.len()];
    let known = if gathered.fit.is_empty() { Vec::new() } else { ready.known(&gathered.table, &gathered.fit)?.0 };
    ready.labels(&gathered.table, &known)?.into_iter().for_each(|label| sizes[label] += 1);
    let few = sizes.into_iter().chain([gathered.held.labels.len()]).min().unwrap_or(0);
    if few < FEWEST {
        let error = AuditError::SmallClasses { rows: few, needed: FEWEST };
        let hint = "give data with more training images besides those that are judged, or leave --training-set out";
        return Err(Failure::input(error.to_string()).hint(hint));
    }
    Ok(())
}

/// Fits the heads, where that was asked for.
pub fn asked(
    arguments: &AuditArguments,
    gathered: &Gathered,
    console: Console,
) -> Result<Option<TrainingSetRecord>, Failure> {
    if !arguments.training_set {
        return Ok(None);
    }
    console.say("fitting linear heads on worse training sets");
    let held = &gathered.held;
    let ready = &held.ready;
    let (known, _) = ready.known(&gathered.table, &gathered.fit)?;
    let labels = ready.labels(&gathered.table, &known)?;
    let some: Vec<usize> = balanced(&labels, TRAIN, arguments.seed).into_iter().map(|at| known[at]).collect();
    let (images, _) = ready.prepare(&gathered.table, &some, gathered.extract.memory_limit / 4)?;
    let mut labels = ready.labels(&gathered.table, images.table_rows())?;
    let backbone = ready.model.artifact().backbone()?;
    let random = with_random_weights(&backbone, &images, arguments.seed, gathered.extract.isa)?;
    let both = [&images, &held.images];
    let own = features(&backbone, &both, gathered)?;
    let random = random.map(|random| features(&random, &both, gathered)).transpose()?;
    let train: Vec<usize> = (0..labels.len()).collect();
    labels.extend(&held.labels);
    let test: Vec<usize> = (train.len()..labels.len()).collect();
    let classes = ready.model.artifact().classes.len();
    let input =
        TrainingSetInput { own: &own, random: random.as_ref(), labels: &labels, train: &train, test: &test, classes };
    let (progress, done) = (Progress::new("heads"), AtomicUsize::new(0));
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, fitted());
    let _watching = Watching::begin();
    Ok(Some(training_set(&input, arguments.seed, AuditWatch { shown: Some(&shown), cancel: Some(&STOP) })?))
}

/// The last features of all images, those of one set after those of the other.
fn features(backbone: &Backbone, sets: &[&PreparedImages], gathered: &Gathered) -> Result<Features, Failure> {
    let requests = [(backbone.features.clone(), Pooling::MEAN)];
    let mut all = Features::default();
    for images in sets {
        let rows: Vec<usize> = (0..images.table_rows().len()).collect();
        let mut extraction = Extraction::new(Network::from(backbone), *images, &rows, &requests);
        extraction.options = gathered.extract.clone();
        extraction.cancel = Some(&STOP);
        let _watching = Watching::begin();
        let extracted = extraction.run().map_err(AuditError::from)?;
        if let Some(skipped) = extracted.summary.skipped.first() {
            return Err(Failure::input(format!("{}: {}", skipped.locator, skipped.reason)));
        }
        let blocks = extracted.features.blocks;
        all.rows += rows.len();
        if all.blocks.is_empty() {
            all.blocks = blocks;
        } else {
            all.blocks.iter_mut().zip(blocks).for_each(|(all, more)| all.values.extend(more.values));
        }
    }
    Ok(all)
}

/// Error at each strength, for every correction.
fn noise(record: &TrainingSetRecord) -> Table {
    let at = [0, 2, 4, 6, 8, 10];
    let mut columns = vec![("correction", Align::Left), ("area under the error", Align::Right)];
    columns.push(("beyond none", Align::Right));
    let names: Vec<String> =
        at.iter().filter_map(|at| record.noise.strengths.get(*at)).map(|s| format!("at {}", percent(*s))).collect();
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    columns.push(("doubles at", Align::Right));
    let mut table = Table::new(&columns);
    for curve in &record.noise.curves {
        let mut row = vec![
            curve.correction.name().to_owned(),
            interval(curve.area.value, curve.area.low, curve.area.high),
            curve.beyond_none.as_ref().map_or_else(String::new, points),
        ];
        row.extend(at.iter().filter_map(|at| curve.errors.get(*at)).map(|error| percent(error.value)));
        row.push(curve.doubles_at.map_or_else(|| "never".to_owned(), percent));
        table.push(row);
    }
    table
}

/// Errors with uneven classes; `None` where classes could not be thinned out.
fn imbalance(record: &TrainingSetRecord) -> Option<Table> {
    let imbalance = record.imbalance.as_ref()?;
    let first = imbalance.points.first()?;
    let mut columns = vec![("exponent", Align::Right), ("images", Align::Right), ("largest, smallest", Align::Right)];
    columns.extend(first.errors.iter().map(|(balancing, ..)| (balancing.name(), Align::Right)));
    columns.push(("unevenness alone", Align::Right));
    let mut table = Table::new(&columns);
    for point in &imbalance.points {
        let ends = [point.sizes.first(), point.sizes.last()].map(|size| size.copied().unwrap_or(0));
        let mut row = vec![
            format!("{:.1}", point.gamma),
            count(point.sizes.iter().sum()),
            format!("{}, {}", count(ends[0]), count(ends[1])),
        ];
        let both = |(_, error, small): &(Balancing, heirloom_transfer::fit::Share, f64)| {
            format!("{} ({})", percent(error.value), percent(*small))
        };
        row.extend(point.errors.iter().map(both));
        row.push(point.beyond_even.as_ref().map_or_else(String::new, points));
        table.push(row);
    }
    Some(table)
}

/// Errors with fewer images.
fn size(record: &TrainingSetRecord) -> Table {
    let mut table = Table::new(&[
        ("of each class", Align::Right),
        ("images", Align::Right),
        ("error", Align::Right),
        ("random weights", Align::Right),
        ("what the weights are worth", Align::Right),
    ]);
    for point in &record.size.points {
        table.push([
            point.each.map_or_else(|| "all".to_owned(), count),
            count(point.rows),
            interval(point.own.value, point.own.low, point.own.high),
            point.random.map_or_else(|| "-".to_owned(), |error| percent(error.value)),
            point.worth.as_ref().map_or_else(|| "-".to_owned(), points),
        ]);
    }
    table
}

fn curve(record: &TrainingSetRecord, wanted: Correction) -> Option<&NoiseCurve> {
    record.noise.curves.iter().find(|curve| curve.correction == wanted)
}

/// In a sentence or two.
pub fn sentence(record: &TrainingSetRecord) -> String {
    let area = |wanted| curve(record, wanted).map(|curve| curve.area.value);
    let doubles = curve(record, Correction::None).and_then(|curve| curve.doubles_at);
    let doubles = doubles.map_or_else(
        || "no share of wrong labels doubles it".to_owned(),
        |at| format!("it doubles where {} of labels are drawn anew", percent(at)),
    );
    let random = area(Correction::RandomWeights)
        .map_or_else(String::new, |area| format!(" ({} on random weights)", percent(area)));
    let noise = area(Correction::None).map_or_else(String::new, percent);
    let gold = area(Correction::GoldTenth).map_or_else(String::new, percent);
    let small = record.size.points.iter().find(|point| point.each == Some(5)).map_or_else(String::new, |point| {
        let random =
            point.random.map_or_else(String::new, |error| format!(", {} on random weights", percent(error.value)));
        format!(" Five images of each class leave {}{random}.", percent(point.own.value))
    });
    let uneven =
        record.imbalance.as_ref().and_then(|imbalance| imbalance.points.first()).map_or_else(String::new, |point| {
            let alone = point.beyond_even.as_ref().map_or_else(String::new, points);
            format!(
                " Classes from {} down to {} images cost {alone} beside as many images of even classes.",
                point.sizes.first().copied().unwrap_or(0),
                point.sizes.last().copied().unwrap_or(0)
            )
        });
    format!(
        "A linear head on the features of {} training images has {} wrong of {} judged; {doubles}. Area under the error as labels get wrong: \
         {noise}{random}, {gold} with a tenth of the labels trusted.{small}{uneven}",
        count(record.train),
        percent(record.error.value),
        count(record.test)
    )
}

/// On the page.
pub fn section(record: &TrainingSetRecord) -> Section {
    let mut section = Section::new("What a worse training set costs")
        .with(Block::Paragraph(sentence(record)))
        .with(Block::Table(noise(record)));
    let shown = [Correction::None, Correction::Forward, Correction::GoldTenth, Correction::RandomWeights];
    let all: Vec<heirloom_report::Curve> = shown
        .into_iter()
        .filter_map(|wanted| {
            let curve = curve(record, wanted)?;
            let errors = curve.errors.iter().map(|error| error.value);
            let over = record.noise.strengths.iter().copied().zip(errors).collect();
            Some(heirloom_report::Curve { name: wanted.name().to_owned(), points: over })
        })
        .collect();
    if let Some(svg) = curves(&all, "share of labels drawn anew", "error", true) {
        section
            .push(Block::Figure { svg, caption: "Error on the judged images, whose labels are as they are.".into() });
    }
    section.push(Block::Paragraph(
        "Labels are drawn anew evenly from all classes, the right one included. Forward correction guesses from the labels alone how they are \
         wrong, gold loss correction learns it from the trusted ones. Lower is better; the interval is over judged images, one draw of labels for \
         each point."
            .into(),
    ));
    if let Some(table) = imbalance(record) {
        section.push(Block::Table(table));
        section.push(Block::Paragraph(
            "Errors in all, and in brackets the mean over classes smaller than the mean, with sizes of classes by a power law: the smaller its \
             exponent, the fewer images there are in all, so that the last columns compare with as many images of even classes. SMOTE makes new \
             images between two of a class, in the space of the features."
                .into(),
        ));
    }
    section.with(Block::Table(size(record))).with(Block::Paragraph(
        "Fewer images of each class, mean of three draws. Random weights: the same network before any training, its batch-norm statistics \
         measured on the training images."
            .into(),
    ))
}
