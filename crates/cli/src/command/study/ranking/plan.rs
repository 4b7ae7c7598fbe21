//! What the study would compute, and about how long that takes at the speed of this machine.

use heirloom_audit::study::{RankedOptions, ranked_plan};
use heirloom_report::{Align, Table, count, duration};
use serde_json::json;

use super::super::speed::{SLOWER, images_a_second};
use super::Input;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Prints the plan.
pub fn run(input: &Input, options: &RankedOptions, console: Console) -> Result<Outcome, Failure> {
    let mut shown = Table::new(&[
        ("network", Align::Left),
        ("data sets", Align::Right),
        ("fine-tuned", Align::Right),
        ("passes of images", Align::Right),
        ("about", Align::Right),
    ]);
    let (mut lines, mut total) = (Vec::new(), 0.0);
    for (plan, network) in ranked_plan(&input.networks, &input.sets, options).into_iter().zip(&input.networks) {
        let rate = match input.sets.first() {
            Some(set) => images_a_second(&network.backbone, &set.table)?,
            None => 1.0,
        };
        let [frozen, tuned] = plan.images;
        let seconds = (frozen as f64 + SLOWER * tuned as f64) / rate;
        total += seconds;
        let [sets, runs] = plan.cells;
        shown.push([plan.network.clone(), count(sets), count(runs), count(frozen + tuned), duration(seconds)]);
        lines.push(json!({"network": plan.network, "sets": sets, "fine_tuned": runs, "images": plan.images, "seconds": seconds}));
    }
    console.say(format!(
        "{}\nabout {} of passes through networks at this machine's speed; scores and heads come on top. What is in the cache already is not \
         computed again.",
        shown.to_text(),
        duration(total)
    ));
    let sets: Vec<&str> = input.sets.iter().map(|set| set.name.as_str()).collect();
    Ok(Outcome::done(json!({"command": "study", "study": "ranking", "plan": lines, "sets": sets, "seconds": total})))
}
