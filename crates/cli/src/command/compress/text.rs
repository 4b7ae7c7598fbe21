//! What `compress` says in the terminal.

use heirloom_report::{Align, Table, bytes, count, duration, interval, percent};

use super::Compressed;
use crate::command::diff::points_of;
use crate::console::indented;

/// Everything at the end.
pub fn summary(made: &Compressed) -> String {
    let [before, after] = made.bytes;
    let share = percent(after as f64 / before.max(1) as f64);
    let (model, output) = (made.model.display(), made.output.display());
    let mut text = format!(
        "{output}: {} in place of {} ({share} of {model}), numbers {}\n",
        bytes(after),
        bytes(before),
        made.numbers
    );
    if !made.layers.is_empty() {
        text.push_str(&format!("\n{}", indented(&layers(made).to_text())));
    }
    match &made.mistakes {
        Some(_) => text.push_str(&format!("\n{}", indented(&cost(made).to_text()))),
        None => text.push_str("its accuracy is unknown now: --data measures it on test images\n"),
    }
    for warning in &made.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    for row in &made.skipped {
        text.push_str(&format!("skipped: {}: {}\n", row.locator, row.reason));
    }
    text.push_str(&format!("{}\n", duration(made.seconds)));
    text
}

fn layers(made: &Compressed) -> Table {
    let heading =
        [("layer", Align::Left), ("columns", Align::Right), ("moves logits by", Align::Right), ("", Align::Left)];
    let mut table = Table::new(&heading);
    for layer in &made.layers {
        let kept = if layer.kept { "kept" } else { "left out" };
        table.push([layer.layer.clone(), count(layer.columns), format!("{:.3}", layer.moves), kept.to_owned()]);
    }
    table
}

fn cost(made: &Compressed) -> Table {
    let what = made.judged.unwrap_or("images");
    let images = made.mistakes.as_ref().map_or(0, |mistakes| mistakes.images);
    let heading = format!("of {} {what}", count(images));
    let mut table = Table::new(&[(heading.as_str(), Align::Left), ("share", Align::Right)]);
    let Some(mistakes) = &made.mistakes else { return table };
    let share = |share: &heirloom_transfer::fit::Share| interval(share.value, share.low, share.high);
    table.push(["right before".to_owned(), share(&mistakes.first)]);
    table.push(["right after".to_owned(), share(&mistakes.second)]);
    if let Some(change) = &mistakes.change {
        table.push(["difference".to_owned(), format!("{}, p = {:.2}", points_of(change), mistakes.change_by_chance)]);
    }
    table.push(["answers that changed".to_owned(), share(&mistakes.disagreement)]);
    table
}
