//! The page: the paper's figures on the targets at hand, each with a sentence of what is seen.

use heirloom_report::{
    Align, BarGroup, Block, Interval, Page, ScatterPoint, Section, Table, counted, grouped_bars, scatter,
};
use heirloom_transfer::compare::Gap;
use heirloom_transfer::study::Check;
use heirloom_transfer::study::head2toe::{Beside, Head2ToeStudy, Oracle, Relation, TargetResult};

use super::text;
use crate::command::study::verdict;

/// The page of a study.
pub fn page(found: &Head2ToeStudy, check: Option<&Check>) -> Page {
    let lead = format!(
        "Head2Toe on {}, ordered by how well features of the source suit them; heirloom {}",
        counted(found.targets.len(), "target"),
        found.version
    );
    let mut page = Page::new("Features from every layer").lead(lead);
    page.push(claims(found, check));
    page.push(first_figure(found));
    page.push(affinity(found));
    page.push(ranks(found));
    page.push(oracle(found));
    page.push(cost(found));
    page.push(accuracies(found));
    page.push(about(found));
    page
}

fn claims(found: &Head2ToeStudy, check: Option<&Check>) -> Section {
    let mut section = Section::new("What was claimed, and what became of it");
    let mut table = Table::new(&[("claim", Align::Left), ("verdict", Align::Left), ("found", Align::Left)]);
    for claim in &found.claims {
        table.push([claim.claim.clone(), claim.verdict.words().to_owned(), claim.found.clone()]);
    }
    section.push(Block::Table(table));
    section.push(Block::Paragraph(
        "A claim holds where the whole 95 % interval lies on its side and the estimate reaches the smallest effect that was named before \
         the run; it does not hold where the whole interval lies short of that effect; otherwise it cannot be told."
            .into(),
    ));
    if !found.unfinished.is_empty() {
        section.push(Block::Warning(format!("Not done: {}.", found.unfinished.join(", "))));
    }
    for failed in found.targets.iter().flat_map(|target| &target.failed) {
        section.push(Block::Warning(failed.clone()));
    }
    if let Some(check) = check {
        section.push(Block::Paragraph(verdict(check)));
    }
    section
}

fn interval(share: heirloom_transfer::fit::Share) -> Interval {
    Interval { value: share.value, low: share.low, high: share.high }
}

/// Scratch, linear and fine-tuning on every target.
fn first_figure(found: &Head2ToeStudy) -> Section {
    let of = |target: &TargetResult, method: &str| {
        target.cells.iter().find(|cell| cell.method == method).map(|cell| interval(cell.accuracy))
    };
    let first = found.targets.iter().flat_map(|target| &target.relations).next();
    let head2toe = |target: &TargetResult, method: &str| {
        let cell = target
            .cells
            .iter()
            .find(|cell| cell.method == method && first.is_some_and(|relation| relation.network == cell.network));
        cell.map(|cell| interval(cell.accuracy))
    };
    let group = |target: &TargetResult| BarGroup {
        label: target.name.clone(),
        bars: vec![(0, of(target, "scratch")), (1, head2toe(target, "linear")), (2, of(target, "full"))],
    };
    let groups: Vec<BarGroup> = found.targets.iter().map(group).collect();
    let section = Section::new("From scratch, on frozen features, fine-tuned");
    figure(
        section,
        grouped_bars(&groups, &["from scratch", "linear", "fine-tuned"], "accuracy"),
        "Targets by falling affinity: the accuracy of a linear head on frozen features less that of training from scratch. The network from \
         scratch and the fine-tuned one see smaller images than the frozen ones; see below.",
    )
}

fn figure(section: Section, svg: Option<String>, caption: &str) -> Section {
    match svg {
        Some(svg) => section.with(Block::Figure { svg, caption: caption.to_owned() }),
        None => section.with(Block::Paragraph("Nothing was measured.".into())),
    }
}

fn points(gap: Gap) -> Interval {
    Interval { value: 100.0 * gap.value, low: 100.0 * gap.low, high: 100.0 * gap.high }
}

/// Gain against affinity, a figure for each network.
fn affinity(found: &Head2ToeStudy) -> Section {
    let mut section = Section::new("Gain against affinity");
    for trend in &found.trends {
        let of = |target: &TargetResult| {
            let relation: &Relation = target.relations.iter().find(|relation| relation.network == trend.network)?;
            Some(ScatterPoint {
                label: target.name.clone(),
                x: points(relation.affinity?),
                y: points(relation.gain),
                second: target.group == "near",
            })
        };
        let dots: Vec<ScatterPoint> = found.targets.iter().filter_map(of).collect();
        let svg = scatter(&dots, "affinity, points", "head2toe less linear, points", false);
        let words = trend.halves.map_or_else(String::new, |halves| {
            format!(
                " Rank correlation on halves of the test images that do not meet: {:+.2} ({:+.2} to {:+.2}).",
                halves.value, halves.low, halves.high
            )
        });
        section =
            figure(section, svg, &format!("{}. Near targets in orange, with 95 % intervals.{words}", trend.network));
    }
    section
}

/// Accuracy by run of ranks.
fn ranks(found: &Head2ToeStudy) -> Section {
    let with: Vec<&TargetResult> = found.targets.iter().filter(|target| target.windows.len() > 1).collect();
    let count = with.iter().map(|target| target.windows.len()).min().unwrap_or(0);
    let dot = |window: usize| {
        let values: Vec<f64> = with.iter().map(|target| 100.0 * target.windows[window].accuracy).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let exact = |value: f64| Interval { value, low: value, high: value };
        let offset = with.first().map_or(0, |target| target.windows[window].offset);
        ScatterPoint { label: format!("{mean:.1}"), x: exact(offset as f64), y: exact(mean), second: false }
    };
    let dots: Vec<ScatterPoint> = (0..count).map(dot).collect();
    let caption = format!(
        "Mean accuracy over {} with 2048 columns of consecutive ranks, by the ranks left out above them. A ranking that means something \
         falls.",
        counted(with.len(), "target")
    );
    figure(
        Section::new("Does the ranking mean something?"),
        scatter(&dots, "ranks left out at the top", "accuracy, %", true),
        &caption,
    )
}

/// One layer beside the last.
fn oracle(found: &Head2ToeStudy) -> Section {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("linear", Align::Right),
        ("best layer", Align::Left),
        ("gain", Align::Right),
        ("chosen by validation", Align::Right),
        ("other network's layers", Align::Right),
        ("its last", Align::Right),
        ("random features", Align::Right),
    ]);
    for target in &found.targets {
        let Some(oracle) = &target.oracle else { continue };
        let best = oracle.taps.iter().max_by(|a, b| a.gain.total_cmp(&b.gain));
        let number = |value: f64| if value.is_finite() { format!("{value:+.1}") } else { String::new() };
        table.push([
            target.name.clone(),
            format!("{:.1}", oracle.linear),
            best.map_or_else(String::new, |best| best.block.clone()),
            number(Oracle::best(&oracle.taps)),
            Oracle::chosen(&oracle.taps).map_or_else(String::new, |chosen| number(chosen.gain)),
            number(Oracle::best(&oracle.other)),
            oracle.other_last.as_ref().map_or_else(String::new, |last: &Beside| number(last.gain)),
            number(Oracle::best(&oracle.random)),
        ]);
    }
    let section = Section::new("One layer beside the last");
    if table.is_empty() {
        return section.with(Block::Paragraph("Nothing was measured.".into()));
    }
    section.with(Block::Table(table)).with(Block::Paragraph(
        "Points over a linear head on the last layer alone. The best layer is taken by test accuracy and so is each control except the other \
         network's last layer: upper bounds, which no method can know. What cross-validation on the training images takes stands beside."
            .into(),
    ))
}

/// What adapting cost.
fn cost(found: &Head2ToeStudy) -> Section {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("network", Align::Left),
        ("operations", Align::Right),
        ("stored", Align::Right),
    ]);
    for target in &found.targets {
        for cost in &target.cost {
            table.push([
                target.name.clone(),
                cost.network.clone(),
                format!("{:.1} %", 100.0 * cost.operations),
                format!("{:.1} %", 100.0 * cost.stored),
            ]);
        }
    }
    let section = Section::new("Cost of head2toe as a share of that of fine-tuning");
    if table.is_empty() {
        return section.with(Block::Paragraph("Nothing was fine-tuned.".into()));
    }
    section.with(Block::Table(table)).with(Block::Paragraph(
        "Operations to adapt, search included, and bytes to keep for the task. Frozen features are of larger images than those that are \
         fine-tuned on here, and fine-tuning is short; the paper's shares (0.6 % and 1 %) are of images of one size and 500 to 5000 steps."
            .into(),
    ))
}

/// Means of the groups in the shape of the paper's table, then every accuracy.
fn accuracies(found: &Head2ToeStudy) -> Section {
    let mut section = Section::new("Every accuracy");
    section.push(Block::Table(text::means(found)));
    section.push(Block::Paragraph(
        "Means over groups of targets, in per cent; every target with its 95 % interval below.".into(),
    ));
    for network in text::networks(found) {
        let table = text::accuracies(found, &network);
        section.push(Block::Fold { summary: network, blocks: vec![Block::Table(table)] });
    }
    section
}

/// The targets.
fn about(found: &Head2ToeStudy) -> Section {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("what", Align::Left),
        ("group", Align::Left),
        ("classes", Align::Right),
        ("trained on", Align::Right),
        ("judged", Align::Right),
        ("most frequent class", Align::Right),
    ]);
    for target in &found.targets {
        table.push([
            target.name.clone(),
            target.about.clone(),
            target.group.clone(),
            target.classes.to_string(),
            target.train.to_string(),
            target.test.to_string(),
            format!("{:.1} %", 100.0 * target.majority),
        ]);
    }
    Section::new("Targets").with(Block::Table(table))
}
