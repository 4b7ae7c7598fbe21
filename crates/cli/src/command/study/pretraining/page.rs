//! The page: a section for each topic, with its figures, what was claimed, and what became of it.

use heirloom_audit::study::pretraining::{Part, PretrainingStudy, RunRecord, Task, Topic};
use heirloom_report::{Block, Page, Section, Table};

use super::super::targets;
use super::{figures, text};

/// The page of a study.
pub fn page(found: &PretrainingStudy, seed: u64) -> Page {
    let title = match found.part {
        Part::Value => "What is pretraining worth?",
        Part::Robustness => "Does pretraining make a network robust?",
    };
    let lead = format!(
        "Networks that begin with a source beside networks that begin with random weights; seed {seed}, heirloom {}",
        found.version
    );
    let mut page = Page::new(title).lead(lead);
    page.push(overview(found));
    for (topic, title, about) in topics(found.part) {
        page.push(section(found, *topic, title, about));
    }
    page
}

type About = (Topic, &'static str, &'static str);

/// Sections with what they show.
const fn topics(part: Part) -> &'static [About] {
    const VALUE: &[About] = &[
        (
            Topic::Convergence,
            "How fast, and how far",
            "Both sides are trained alike on all images of the main target; the rate of each is chosen on a fifth of its training images. Each length \
             has a schedule of its own that ends at 0, so that a short run is not a long one broken off.",
        ),
        (
            Topic::Size,
            "How much data",
            "So many images of each class, drawn anew for every seed. The fewer images, the more epochs: by the root of how many times fewer.",
        ),
        (
            Topic::Fine,
            "Fine classes and coarse ones",
            "Ten related classes (dogs and cats, insects, vehicles) beside ten unrelated ones of the same data set, as many images of each.",
        ),
        (
            Topic::Sources,
            "Better and worse sources",
            "The same architecture, trained here on parts of the source's images for different times. What a source is worth is the mean over \
             targets of the log odds of a right answer, less the mean of all sources there.",
        ),
    ];
    const ROBUSTNESS: &[About] = &[
        (
            Topic::Noise,
            "Wrong labels",
            "Labels of training images are drawn anew from all classes, the right one included, or flipped to one other class; test labels stay as they \
             are. The gold loss correction knows a tenth of the labels to be right.",
        ),
        (
            Topic::Imbalance,
            "Classes of different size",
            "The largest class has twenty times as many training images as the smallest; a smaller exponent leaves fewer images in all. Small classes \
             are those below the mean.",
        ),
        (
            Topic::Adversarial,
            "Images changed against the network",
            "Every value of a test image is changed by at most 8 of 255 grey levels, in twenty steps that raise the loss. Training against it changes \
             training images in one step from a random start. Stronger attacks may find more.",
        ),
        (
            Topic::Strange,
            "Images of no class",
            "Drawn noise, and images of other data sets, one for five test images. Area: how often such an image looks less certain than a test image.",
        ),
        (
            Topic::Calibration,
            "Whether certainty can be trusted",
            "Root mean square deviation of certainty from accuracy over bins of equal size. The temperature is fitted on the held-out training images of \
             the run that tried the rate.",
        ),
    ];
    match part {
        Part::Value => VALUE,
        Part::Robustness => ROBUSTNESS,
    }
}

fn overview(found: &PretrainingStudy) -> Section {
    let mut section = Section::new("What was claimed, and what became of it");
    let count = |wanted: &str| found.claims.iter().filter(|claim| claim.verdict.words() == wanted).count();
    section.push(Block::Paragraph(format!(
        "{} claims were written down before the first run: {} hold, {} do not hold, {} cannot be told here. A claim holds where the whole 95 % \
         interval lies on its side and the estimate reaches the smallest effect that was named; a claim of no effect where the whole interval stays \
         within a margin. Seeds and test images are resampled together; one seed alone settles nothing.",
        found.claims.len(),
        count("holds"),
        count("does not hold"),
        count("cannot be told here"),
    )));
    section.push(Block::Table(targets::table(&found.targets)));
    if !found.unfinished.is_empty() {
        section.push(Block::Warning(format!("Not done: {}.", found.unfinished.join("; "))));
    }
    section
}

fn section(found: &PretrainingStudy, topic: Topic, title: &str, about: &str) -> Section {
    let mut section = Section::new(title);
    section.push(Block::Paragraph(about.to_owned()));
    figures::of(found, topic).into_iter().for_each(|figure| section.push(figure));
    let claims = text::claims(found, topic);
    if claims.is_empty() {
        section.push(Block::Warning("No figures yet.".to_owned()));
    } else {
        section.push(Block::Table(claims));
    }
    let tables = tables(found, topic).into_iter().filter(|table| !table.is_empty());
    let blocks: Vec<Block> = tables.map(Block::Table).collect();
    if !blocks.is_empty() {
        section.push(Block::Fold { summary: "every figure".to_owned(), blocks });
    }
    section
}

fn tables(found: &PretrainingStudy, topic: Topic) -> Vec<Table> {
    let paired = |record: &RunRecord| ["fine ", "coarse "].iter().any(|kind| record.target.starts_with(kind));
    let runs = |wanted: &dyn Fn(&RunRecord) -> bool| text::runs(&found.runs, wanted);
    match topic {
        Topic::Convergence => {
            let main = found.targets.first().map_or("", |target| target.name.as_str());
            vec![runs(&|record| record.target == main && matches!(record.task, Task::Rows { each: None, .. }))]
        }
        Topic::Size => vec![runs(&|record| !paired(record) && matches!(record.task, Task::Rows { epochs: None, .. }))],
        Topic::Fine => vec![runs(&paired)],
        Topic::Sources => vec![text::sources(found)],
        Topic::Noise => {
            vec![runs(&|record| record.task == Task::ALL || matches!(record.task, Task::Noise { .. }))]
        }
        Topic::Imbalance => {
            vec![runs(&|record| matches!(record.task, Task::Uneven { .. })), text::small_classes(found)]
        }
        Topic::Adversarial => vec![text::attacked(found)],
        Topic::Strange => vec![text::strange(found)],
        Topic::Calibration => vec![text::certainty(found)],
    }
}
