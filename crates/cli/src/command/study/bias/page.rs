//! The page: the claims, what the triggers and objects look like, a figure for each part, every figure.

use heirloom_audit::study::{Arm, ArmRecord, BiasData, BiasStudy, Cue, Estimate, Origin, Part, Regime, TargetRecord};
use heirloom_report::{Align, BarGroup, Block, Interval, Page, Section, Table, grouped_bars};

use super::text;

/// The page of a study.
pub fn page(found: &BiasStudy, data: &BiasData, seed: u64) -> Page {
    let lead =
        format!("What a model takes over from the network it was made from; seed {seed}, heirloom {}", found.version);
    let mut page = Page::new("Does bias come along?").lead(lead);
    page.push(claims(found));
    for part in Part::ALL {
        if found.arms.iter().any(|arm| arm.part == part) {
            page.push(part_section(found, data, part));
        }
    }
    page.push(sources(found));
    page
}

fn claims(found: &BiasStudy) -> Section {
    let mut table = Table::new(&[("claim", Align::Left), ("verdict", Align::Left), ("found", Align::Left)]);
    for claim in &found.claims {
        table.push([claim.claim.clone(), claim.verdict.words().to_owned(), claim.found.clone()]);
    }
    let mut section = Section::new("What was claimed, and what became of it");
    section.push(Block::Table(table));
    section.push(Block::Paragraph(
        "A claim holds where the whole 95 % interval lies on its side and the estimate reaches the smallest effect that was named before \
         the run; a claim of no effect where the whole interval lies within that effect of zero. It does not hold where the whole interval \
         lies beyond; otherwise it cannot be told. Seeds of sources and test images are resampled together."
            .into(),
    ));
    if !found.unfinished.is_empty() {
        section.push(Block::Warning(format!("Not done within the budget: {}.", found.unfinished.join(", "))));
    }
    section
}

fn part_section(found: &BiasStudy, data: &BiasData, part: Part) -> Section {
    let (title, about) = match part {
        Part::Planted => (
            "A planted trigger",
            format!(
                "A yellow square in the upper left corner was put on images of '{}' before the source was trained; labels stayed. The \
                 source was then adapted to data that know neither the square nor the class. Of the answers that are right on test images \
                 as they are, the figure is the share that turn wrong with the square on them. A square hides a part of the image, so the \
                 same is shown for a twin: the same source, trained alike, that never met the square.",
                data.class
            ),
        ),
        Part::Chosen => (
            "A lopsided sample",
            format!(
                "In the source every image of '{}' shows a small picture of a person somewhere, and a tenth of the others do. The target \
                 is '{}' or '{}' without people; each test image is judged with and without a person.{}",
                data.class,
                data.against,
                data.class,
                data.cue.as_ref().map_or_else(String::new, about_cue)
            ),
        ),
        Part::Natural => (
            "Objects that the source knows",
            "A drawn object that the stock network has a class for was laid over all test images of a target that has no such class. The \
             figure is what that adds to the share of one class of answers, chosen on half of the images and taken on the others. Controls \
             hide as much: the texture in disorder (a fence is its outline, which stays), and tiles in disorder."
                .to_owned(),
        ),
    };
    let mut section = Section::new(title);
    section.push(Block::Paragraph(about));
    if let Some(figure) = figure(found).filter(|_| part == Part::Planted) {
        section.push(figure);
    }
    section.push(Block::Table(text::arms(found, part)));
    let of_part = || found.arms.iter().filter(|arm| arm.part == part && !text::is_twin(arm));
    let incomplete: Vec<&str> =
        of_part().filter(|arm| !arm.incomplete.is_empty()).map(|arm| arm.words.as_str()).collect();
    if !incomplete.is_empty() {
        let what = format!("No model from scratch stands beside every target of: {}.", incomplete.join(" | "));
        section.push(Block::Warning(what));
    }
    for arm in of_part().filter(|arm| arm.targets.len() > 1) {
        section.push(Block::Fold { summary: arm.words.clone(), blocks: vec![Block::Table(text::targets(arm))] });
    }
    if part == Part::Natural {
        section.push(Block::Table(known(found)));
    }
    section
}

fn about_cue(cue: &Cue) -> String {
    let ([kind, other], [name, others]) = (&cue.kinds, &cue.names);
    format!(
        " In another source, made from the stock network and pictures as they are, '{name}' ({}) is always a {kind} and '{others}' a {other}; \
         its twin has as many pictures of every class, half of either kind. The target asks for '{name}' or '{others}' in pictures of further \
         kinds; the figure is how much more often '{name}' is answered on test pictures that are a {kind} than on those that are a {other}, \
         both true classes counting alike.",
        cue.classes.join(", ")
    )
}

/// What the trigger does on every target: to the clean twin on frozen features, and to the planted source in both ways to adapt.
fn figure(found: &BiasStudy) -> Option<Block> {
    let arm = |share: f64, regime: Regime| {
        let wanted = Arm::new(Origin::planted(share), regime);
        found.arms.iter().find(|record| record.arm == wanted)
    };
    let fixed = arm(1.0, Regime::FIXED)?;
    let series = [arm(0.0, Regime::FIXED), Some(fixed), arm(1.0, Regime::FULL)];
    let bar = |record: Option<&ArmRecord>, target: &str| {
        let target = record?.targets.iter().find(|one| one.target == target)?;
        target.probes.first().map(|probe| interval(probe.value))
    };
    let group = |target: &TargetRecord| BarGroup {
        label: target.target.clone(),
        bars: series
            .iter()
            .enumerate()
            .filter_map(|(at, record)| Some((at, Some(bar(*record, &target.target)?))))
            .collect(),
    };
    let groups: Vec<BarGroup> = fixed.targets.iter().map(group).collect();
    let caption = "Right answers that turn wrong with the trigger on the image, with 95 % intervals from seeds and test images. The twin never \
                   met it: what it loses is what hiding a part of the image does."
        .to_owned();
    let svg = grouped_bars(&groups, &["clean twin", "frozen features", "whole network"], "right answers broken")?;
    Some(Block::Figure { svg, caption })
}

fn interval(estimate: Estimate) -> Interval {
    Interval { value: estimate.value, low: estimate.low, high: estimate.high }
}

fn known(found: &BiasStudy) -> Table {
    let mut table = Table::new(&[
        ("object", Align::Left),
        ("network", Align::Left),
        ("among its first five answers", Align::Right),
        ("without the object", Align::Right),
    ]);
    for known in &found.known {
        let share = |share: heirloom_transfer::fit::Share| format!("{:.0} %", 100.0 * share.value);
        table.push([known.object.clone(), known.network.clone(), share(known.with), share(known.without)]);
    }
    table
}

fn sources(found: &BiasStudy) -> Section {
    let section = Section::new("The sources");
    if found.sources.is_empty() {
        return section.with(Block::Paragraph("No source was made for these parts.".into()));
    }
    section.with(Block::Table(text::sources(found))).with(Block::Paragraph(
        "On test images of the source's own data: accuracy, points below the twin, and of the images of other classes the share answered \
         with the class of the bias, as they are and with the bias put on."
            .into(),
    ))
}
