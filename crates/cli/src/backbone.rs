//! Which backbone: opens what was named, and lists what there is when none was, or none of that name.

use heirloom_report::{Align, Table};
use heirloom_zoo::{Backbone, ZooError, known, local};

use crate::failure::Failure;

/// Opens the backbone that was typed.
pub fn open(typed: Option<&str>) -> Result<Backbone, Failure> {
    let Some(name) = typed else {
        return Err(Failure::input(format!("no backbone was named\n{}", list())).hint("name one with --backbone"));
    };
    heirloom_zoo::open(name).map_err(|error| match error {
        ZooError::UnknownName { .. } => Failure::input(format!("{error}\n{}", list()))
            .hint("--backbone takes a path, or one of the names above once it is there"),
        other => other.into(),
    })
}

/// Backbones at hand and public ones, with what each costs and how to get it.
pub fn list() -> String {
    let mut text = String::new();
    let local = local();
    if !local.is_empty() {
        text.push_str(&format!("here already: {}\n", local.join(", ")));
    }
    let mut table = Table::new(&[
        ("public", Align::Left),
        ("parameters", Align::Right),
        ("licence", Align::Left),
        ("fetch with", Align::Left),
    ]);
    for backbone in known() {
        table.push([
            backbone.name.to_string(),
            format!("{:.1} M", backbone.millions),
            backbone.licence.to_string(),
            backbone.command(),
        ]);
    }
    text.push_str(&table.to_text());
    text.push_str("what is fetched is a folder; give its path: --backbone FOLDER");
    text
}
