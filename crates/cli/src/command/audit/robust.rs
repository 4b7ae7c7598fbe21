//! How far answers and certainty can be trusted: asked, in words, and on the page.

use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom_audit::robustness::{
    Detected, RobustnessInput, RobustnessOptions, RobustnessRecord, robustness, shown as most_shown,
};
use heirloom_audit::{AuditWatch, PreparedImages, balanced};
use heirloom_report::{Align, Block, Section, Table, count, interval, percent};
use heirloom_transfer::fit::Share;

use super::gathered::{Gathered, open};
use super::words::points;
use crate::arguments::AuditArguments;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// Training images that distances are measured from, and images of each further set, at most.
const TRAIN: usize = 1000;
const OTHERS: usize = 1000;

/// Asks the model, where that was asked for.
pub fn asked(
    arguments: &AuditArguments,
    gathered: &Gathered,
    console: Console,
) -> Result<Option<RobustnessRecord>, Failure> {
    if !arguments.robustness {
        return Ok(None);
    }
    console.say("measuring how far answers and certainty can be trusted");
    let (train, others) = (train(arguments, gathered)?, others(arguments, gathered)?);
    let held = &gathered.held;
    let input = RobustnessInput {
        model: &held.ready.model,
        judged: (&held.images, &held.labels),
        train: train.as_ref().map(|(images, labels)| (images, labels.as_slice())),
        others: &others,
    };
    let options = RobustnessOptions {
        attacked: arguments.attacked as usize,
        corrupted: arguments.corrupted as usize,
        seed: arguments.seed,
        isa: gathered.extract.isa,
    };
    let (progress, done, total) = (Progress::new("images"), AtomicUsize::new(0), most_shown(&input, &options));
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, total);
    let _watching = Watching::begin();
    Ok(Some(robustness(&input, &options, AuditWatch { shown: Some(&shown), cancel: Some(&STOP) })?))
}

/// Training images with the class of each; none where there are none besides the judged ones.
fn train(arguments: &AuditArguments, gathered: &Gathered) -> Result<Option<(PreparedImages, Vec<usize>)>, Failure> {
    if gathered.fit.is_empty() {
        return Ok(None);
    }
    let ready = &gathered.held.ready;
    let (known, _) = ready.known(&gathered.table, &gathered.fit)?;
    let labels = ready.labels(&gathered.table, &known)?;
    let some = balanced(&labels, TRAIN, arguments.seed).into_iter().map(|at| known[at]).collect::<Vec<usize>>();
    let (images, _) = ready.prepare(&gathered.table, &some, gathered.extract.memory_limit / 4)?;
    let labels = ready.labels(&gathered.table, images.table_rows())?;
    Ok(Some((images, labels)))
}

/// Images that belong to no class.
fn others(arguments: &AuditArguments, gathered: &Gathered) -> Result<Vec<(String, PreparedImages)>, Failure> {
    let one = |path: &std::path::PathBuf| -> Result<(String, PreparedImages), Failure> {
        let table = open(path, None, &[])?;
        let step = table.rows.len().div_ceil(OTHERS).max(1);
        let rows: Vec<usize> = (0..table.rows.len()).step_by(step).collect();
        let (images, _) = gathered.held.ready.prepare(&table, &rows, gathered.extract.memory_limit / 4)?;
        if images.table_rows().is_empty() {
            return Err(Failure::input(format!("{}: none of its images can be used", path.display())));
        }
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok((name, images))
    };
    arguments.outliers.iter().map(one).collect()
}

fn shares(share: Share) -> String {
    interval(share.value, share.low, share.high)
}

/// Calibration as a table.
fn calibration(record: &RobustnessRecord) -> Table {
    let mut table = Table::new(&[
        ("what it says", Align::Left),
        ("expected error", Align::Right),
        ("adaptive error", Align::Right),
        ("adaptive deviation", Align::Right),
        ("soft F1 of doubt", Align::Right),
        ("log loss", Align::Right),
        ("Brier score", Align::Right),
    ]);
    for (name, one) in [("as it is", record.calibration), ("without its temperature", record.without_temperature)] {
        let [expected, adaptive] = [one.expected_error, one.adaptive_error].map(percent);
        let [deviation, doubt] = [one.adaptive_deviation, one.soft_f1].map(percent);
        table.push([
            name.to_owned(),
            expected,
            adaptive,
            deviation,
            doubt,
            format!("{:.3}", one.log_loss),
            format!("{:.3}", one.brier),
        ]);
    }
    table
}

/// What scores tell apart, as a table.
fn detected(record: &RobustnessRecord) -> Table {
    let mut table = Table::new(&[
        ("told from judged images", Align::Left),
        ("by", Align::Left),
        ("area", Align::Right),
        ("precision (chance)", Align::Right),
        ("false alarms", Align::Right),
    ]);
    let mut push = |set: String, score: &str, found: &Detected| {
        let precision = format!("{} ({})", percent(found.precision), percent(found.base_rate));
        table.push([set, score.to_owned(), percent(found.area), precision, percent(found.false_alarms)]);
    };
    for (at, (score, found)) in record.mistakes.iter().enumerate() {
        let set = if at == 0 { "its own mistakes" } else { "" };
        push(set.to_owned(), score.name(), found);
    }
    for outliers in &record.outliers {
        for (at, (score, found)) in outliers.scores.iter().enumerate() {
            let set = if at == 0 { format!("{} ({})", outliers.set, count(outliers.images[0])) } else { String::new() };
            push(set, score.name(), found);
        }
    }
    table
}

/// Accuracy under attack as a table.
fn adversarial(record: &RobustnessRecord) -> Table {
    let mut table = Table::new(&[
        ("largest change, of 255", Align::Right),
        ("accuracy, searched for", Align::Right),
        ("accuracy, by chance", Align::Right),
    ]);
    for one in &record.adversarial {
        table.push([format!("{:.0}", 255.0 * one.epsilon), shares(one.accuracy), shares(one.by_chance)]);
    }
    table
}

/// Accuracy under common corruptions as a table.
fn corrupted(record: &RobustnessRecord) -> Table {
    let mut table = Table::new(&[
        ("corruption", Align::Left),
        ("mildest", Align::Right),
        ("2", Align::Right),
        ("3", Align::Right),
        ("4", Align::Right),
        ("worst", Align::Right),
        ("cost, mean over severities", Align::Right),
    ]);
    for one in &record.corruptions.kinds {
        let accuracies = one.accuracies.iter().map(|accuracy| percent(accuracy.value));
        let row = std::iter::once(one.kind.name().to_owned()).chain(accuracies).chain([points(&one.drop)]);
        table.push(row.collect::<Vec<String>>());
    }
    table
}

/// What corruptions cost, in a sentence.
fn corruption_sentence(record: &RobustnessRecord) -> String {
    let Some(drop) = &record.corruptions.drop else { return String::new() };
    let worst = record.corruptions.kinds.iter().max_by(|left, right| left.drop.value.total_cmp(&right.drop.value));
    let worst = worst.map_or_else(String::new, |one| format!(", {} most", one.kind.name()));
    let own = percent(record.corruptions.accuracy.value);
    format!(" Common corruptions cost {} of {own} on the mean{worst}.", points(drop))
}

/// Accuracy over coverage as a table.
fn coverage(record: &RobustnessRecord) -> Table {
    let mut table = Table::new(&[("surest share of images", Align::Right), ("accuracy (95 %)", Align::Right)]);
    for one in &record.coverage {
        table.push([format!("{:.0} %", 100.0 * one.share), shares(one.accuracy)]);
    }
    table
}

/// In a sentence or two.
pub fn sentence(record: &RobustnessRecord) -> String {
    let expected = percent(record.calibration.expected_error);
    let best = |scores: &[(heirloom_audit::robustness::Score, Detected)]| {
        let best = scores.iter().max_by(|left, right| left.1.area.total_cmp(&right.1.area));
        best.map_or_else(String::new, |(score, found)| format!("{} ({})", percent(found.area), score.name()))
    };
    let outliers: Vec<String> =
        record.outliers.iter().map(|one| format!("{} {}", one.set, best(&one.scores))).collect();
    let attack = match (record.adversarial.first(), record.adversarial.last(), &record.not_attacked) {
        (Some(first), Some(last), _) => format!(
            "Changes of {:.0} and of {:.0} of 255 grey levels leave {} and {} right; changes by chance {} and {}.",
            255.0 * first.epsilon,
            255.0 * last.epsilon,
            percent(first.accuracy.value),
            percent(last.accuracy.value),
            percent(first.by_chance.value),
            percent(last.by_chance.value)
        ),
        (_, _, Some(why)) => format!("It was not attacked: {why}."),
        _ => String::new(),
    };
    let mistakes = if record.mistakes.is_empty() {
        String::new()
    } else {
        format!("its own mistakes {}, ", best(&record.mistakes))
    };
    format!(
        "What it says of its certainty is off by {expected}. Told from judged images, as area under the curve by the best of four scores \
         (50 % is chance): {mistakes}{}.{} {attack}",
        outliers.join(", "),
        corruption_sentence(record)
    )
}

/// On the page.
pub fn section(record: &RobustnessRecord) -> Section {
    let mut section = Section::new("How far answers and certainty can be trusted")
        .with(Block::Paragraph(sentence(record)))
        .with(Block::Table(calibration(record)))
        .with(Block::Paragraph(
            "Errors of calibration are mean differences of stated certainty and share of right answers, in 15 ranges of equal width and in groups of \
             equally many images; they are never quite zero on few images. The soft F1 says how well doubt finds mistakes, 100 % at best."
                .into(),
        ))
        .with(Block::Table(detected(record)))
        .with(Block::Paragraph(
            "Area under the receiver operating characteristic, 50 % by chance; average precision, and what chance gives; judged images that are \
             false alarms where 95 % of the others are found. One such image for five judged ones, mean of five draws. A single best score is the best of several: which one serves was not known \
             beforehand."
                .into(),
        ));
    if !record.corruptions.kinds.is_empty() {
        section.push(Block::Table(corrupted(record)));
        section.push(Block::Paragraph(format!(
            "Accuracy on {} images, {} as they are, corrupted at five severities by formulas of the usual benchmark of corruptions; the cost is over \
             the same images. Lengths of blurs shrink with the input size.",
            count(record.corruptions.accuracy.n),
            percent(record.corruptions.accuracy.value)
        )));
    }
    if !record.adversarial.is_empty() {
        let images = record.adversarial.first().map_or(0, |one| one.accuracy.n);
        section.push(Block::Table(adversarial(record)));
        section.push(Block::Paragraph(format!(
            "On {} images: twenty steps along the gradient, from a start by chance, the change of the largest loss kept; by chance every value is changed \
             as much, up or down. A stronger search would break more.",
            count(images)
        )));
    }
    section.with(Block::Fold {
        summary: "accuracy on the images it is surest of".to_owned(),
        blocks: vec![Block::Table(coverage(record))],
    })
}
