//! The page.

use heirloom_audit::study::RankedStudy;
use heirloom_report::{Block, Page, Section, counted};

use super::text;
use crate::command::rank::LeftOut;

/// Everything on one page.
pub fn page(found: &RankedStudy, left_out: &[LeftOut], seed: u64) -> Page {
    let lead = format!(
        "{} on {}; scores see training rows alone; seed {seed}, heirloom {}",
        counted(found.networks.len(), "network"),
        counted(found.sets.len(), "data set"),
        found.version
    );
    let mut page = Page::new("Which score orders networks as their test accuracy does?").lead(lead);
    for truth in &found.truths {
        page = page.with(
            Section::new(text::heading(found, truth))
                .with(Block::Table(text::means(truth)))
                .with(Block::Paragraph(text::null(found, truth)))
                .with(Block::Paragraph("Tau, and points given up, on every data set:".to_owned()))
                .with(Block::Table(text::by_set(truth)))
                .with(Block::Table(text::claims(truth))),
        );
    }
    let notes = text::notes(found, left_out).join(". ");
    page = page.with(Section::new("Cost").with(Block::Paragraph(text::cost(found))).with(Block::Paragraph(notes)));
    for set in &found.sets {
        let [train, test] = set.rows;
        let about = format!("{} classes, {train} training rows, {test} test rows. Accuracy in per cent.", set.classes);
        let table = Block::Table(text::accuracies(set));
        page = page.with(Section::new(&set.name).with(Block::Paragraph(about)).with(table));
    }
    page
}
