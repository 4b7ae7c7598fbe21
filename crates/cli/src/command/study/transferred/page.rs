//! The page: a section for each finding of the paper, with its figure, what was claimed, and what became of it.

mod figures;

use heirloom_audit::study::{Family, Topic, TransferredStudy};
use heirloom_report::{Block, Page, Section, Table};

use super::super::targets;
use super::text;

/// The page of a study.
pub fn page(found: &TransferredStudy, seed: u64) -> Page {
    let lead = format!(
        "Networks that began with a source (P-T) beside networks that began with random weights (RI-T); seed {seed}, heirloom {}",
        found.version
    );
    let mut page = Page::new("What is being transferred?").lead(lead);
    page.push(overview(found));
    for (topic, title, about) in TOPICS {
        page.push(section(found, topic, title, about));
    }
    page
}

/// Sections with what they show.
const TOPICS: [(Topic, &str, &str); 9] = [
    (
        Topic::Accuracy,
        "What the source is worth",
        "Both kinds are trained alike; the learning rate of each is chosen on a fifth of the training images. Thin lines are replicas.",
    ),
    (
        Topic::Blocks,
        "When shapes are gone",
        "Blocks of all images, training and test, are put into one other order: what lies within a block stays, what is larger goes. What is \
         left of the advantage is not a matter of shapes. Speed is the mean training accuracy over the epochs that both kinds have.",
    ),
    (
        Topic::Mistakes,
        "Mistakes in common",
        "Of two networks, a mistake is common where both are wrong and uncommon where one is. Kappa is agreement on right and wrong beyond \
         what the two accuracies make of it.",
    ),
    (
        Topic::Similarity,
        "How alike layers see images",
        "Unbiased centred kernel alignment of the same layer of two networks, on test images; the floor is that of images that do not belong \
         together.",
    ),
    (
        Topic::Distance,
        "How far weights lie apart",
        "Euclidean distance of all parameters, and of each module; the output layer counts where both have one of a shape.",
    ),
    (
        Topic::Line,
        "What lies between two networks",
        "Networks whose every weight lies on the straight line between two others; batch-norm statistics are measured anew on training \
         images at every point. Where accuracy falls most is found on half of the test images, how far on the others.",
    ),
    (
        Topic::Modules,
        "Which modules matter",
        "One module at a time is put back to where training began, all others stay: a large drop is a module that training had to move.",
    ),
    (
        Topic::Criticality,
        "How critical modules are",
        "How far a module has to go from where it began towards where training ended, in units of the noise it then tolerates (least over \
         both, squared). Zero where it may be put back whole.",
    ),
    (
        Topic::Checkpoints,
        "Which checkpoint of the source",
        "Fine-tuned from earlier and earlier checkpoints of the source without normalisation, on the first target. The rule takes the \
         earliest within a standard error of the best on held-out training images; test images judge it.",
    ),
];

fn overview(found: &TransferredStudy) -> Section {
    let mut section = Section::new("What was claimed, and what became of it");
    let count = |wanted: &str| found.claims.iter().filter(|claim| claim.verdict.words() == wanted).count();
    section.push(Block::Paragraph(format!(
        "{} claims, most of them about each of two architectures, were written down before the first run: {} hold, {} do not hold, {} cannot be told here. A \
         claim holds where the whole 95 % interval lies on its side and the estimate reaches the smallest effect that was named; a claim of \
         no effect where the whole interval stays within a margin. Replicas and test images are resampled together.",
        found.claims.len(),
        count("holds"),
        count("does not hold"),
        count("cannot be told here"),
    )));
    section.push(Block::Table(targets::table(&found.targets)));
    if !found.unfinished.is_empty() {
        section.push(Block::Warning(format!("Not done: {}.", found.unfinished.join(", "))));
    }
    section
}

fn section(found: &TransferredStudy, topic: Topic, title: &str, about: &str) -> Section {
    let mut section = Section::new(title);
    section.push(Block::Paragraph(about.to_owned()));
    figures::of(found, topic).into_iter().for_each(|figure| section.push(figure));
    let claims = text::claims(found, topic);
    if claims.is_empty() {
        section.push(Block::Warning("No figures yet.".to_owned()));
    } else {
        section.push(Block::Table(claims));
    }
    tables(found, topic).into_iter().for_each(|block| section.push(block));
    section
}

/// Every figure of a topic, behind a heading.
fn tables(found: &TransferredStudy, topic: Topic) -> Vec<Block> {
    let fold = |summary: String, table: Table| {
        (!table.is_empty()).then(|| Block::Fold { summary, blocks: vec![Block::Table(table)] })
    };
    let every = |table: Table| fold("every figure".to_owned(), table).into_iter().collect::<Vec<Block>>();
    match topic {
        Topic::Accuracy => every(text::starts(&found.starts)),
        Topic::Blocks => every(text::blocks(&found.blocks)),
        Topic::Mistakes | Topic::Distance | Topic::Line => every(text::pairs(&found.pairs)),
        Topic::Similarity => every(text::similarity(&found.pairs)),
        Topic::Modules => {
            let places =
                Family::ALL.into_iter().flat_map(|family| found.targets.iter().map(move |at| (family, &at.name)));
            let one = |(family, target): (Family, &String)| {
                fold(format!("{}, {target}", family.in_words()), text::modules(&found.modules, family, target))
            };
            places.filter_map(one).collect()
        }
        Topic::Criticality => every(text::critical(&found.critical)),
        Topic::Checkpoints => every(text::checkpoints(&found.checkpoints)),
    }
}
