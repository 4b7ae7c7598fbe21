//! The targets of a study, as its page shows them.

use heirloom_audit::study::TargetNote;
use heirloom_report::{Align, Table};

/// What is in each target, and how much of it.
pub fn table(notes: &[TargetNote]) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("pictures", Align::Left),
        ("training images", Align::Right),
        ("test images", Align::Right),
        ("classes", Align::Right),
    ]);
    for note in notes {
        let counts = note.counts.map(|count| count.to_string());
        table.push([note.name.clone(), note.about.clone()].into_iter().chain(counts));
    }
    table
}
