//! What the terminal shows, and the tables of the page.

use std::path::Path;

use heirloom_audit::study::{Predictor, PredictorRecord, RankedSetRecord, RankedStudy, Truth, TruthRecord};
use heirloom_report::{Align, Table, counted, duration};

use crate::command::rank::LeftOut;
use crate::console::indented;

/// Everything that is said at the end.
pub fn summary(found: &RankedStudy, left_out: &[LeftOut], page: Option<&Path>) -> String {
    let mut text = String::new();
    for truth in &found.truths {
        text.push_str(&format!("\n{}\n{}", heading(found, truth), indented(&means(truth).to_text())));
        text.push_str(&format!("\n{}\n{}\n", null(found, truth), indented(&by_set(truth).to_text())));
        text.push_str(&indented(&claims(truth).to_text()));
    }
    text.push_str(&format!("\n{}\n", cost(found)));
    for note in notes(found, left_out) {
        text.push_str(&format!("{note}\n"));
    }
    if let Some(page) = page {
        text.push_str(&format!("page: {}\n", page.display()));
    }
    text
}

/// The truth in words.
pub fn heading(found: &RankedStudy, truth: &TruthRecord) -> String {
    let on = format!("{} on {}", counted(found.networks.len(), "network"), counted(truth.sets.len(), "data set"));
    match truth.truth {
        Truth::Frozen => format!("{on}, the truth being the test accuracy of a frozen linear head"),
        Truth::FineTuned => {
            let [epochs, seeds] = found.fine_tuning;
            let runs = format!("{} and {}", counted(epochs, "epoch"), counted(seeds, "seed"));
            format!("{on}, the truth being the test accuracy after fine-tuning through the whole network, {runs}")
        }
    }
}

/// Every predictor on the mean over sets.
pub fn means(truth: &TruthRecord) -> Table {
    let mut table = Table::new(&[
        ("ordered by", Align::Left),
        ("mean tau (95 %)", Align::Right),
        ("data sets", Align::Right),
        ("networks", Align::Right),
        ("chance reaches", Align::Right),
        ("gives up, points", Align::Right),
        ("best of 1, 2, 3", Align::Right),
    ]);
    for one in &truth.predictors {
        let Some(mean) = &one.mean else { continue };
        let networks = |of: fn(usize, usize) -> usize| one.sets.iter().map(|set| set.networks).reduce(of).unwrap_or(0);
        let (fewest, most) = (networks(usize::min), networks(usize::max));
        table.push([
            one.predictor.name().to_owned(),
            format!("{:+.2} ({:+.2} to {:+.2})", mean.tau.value, mean.tau.low, mean.tau.high),
            one.sets.len().to_string(),
            if fewest == most { most.to_string() } else { format!("{fewest} to {most}") },
            format!("{:.2}", mean.null.threshold),
            format!("{:.1}", 100.0 * mean.regret),
            mean.relative.map(|share| format!("{:.1}", 100.0 * share)).join(", "),
        ]);
    }
    table
}

/// What orders drawn at random give.
pub fn null(found: &RankedStudy, truth: &TruthRecord) -> String {
    let all = |one: &&PredictorRecord| one.predictor == Predictor::Parameters;
    let null = truth.predictors.iter().find(all).and_then(|one| one.mean.as_ref()).map(|mean| mean.null);
    null.map_or_else(String::new, |null| {
        format!(
            "Random orders of {} have a tau of 0 with a standard deviation of {:.2} on one data set, {:.2} on the mean of these with an order of \
             its own for each, {:.2} with one order for all; a single data set below {:.1} is noise. \"Chance reaches\" is the mean that one \
             random order in forty exceeds.",
            counted(found.networks.len(), "network"),
            null.one_set,
            null.own_orders,
            null.one_order,
            1.96 * null.one_set
        )
    })
}

/// Tau and points given up on every set.
pub fn by_set(truth: &TruthRecord) -> Table {
    let mut columns = vec![("ordered by", Align::Left)];
    columns.extend(truth.sets.iter().map(|set| (set.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for one in truth.predictors.iter().filter(|one| !one.sets.is_empty()) {
        let cell = |set: &String| {
            let on = one.sets.iter().find(|on| on.set == *set);
            on.map_or("-".to_owned(), |on| format!("{:+.2}, {:.1}", on.tau, 100.0 * on.regret))
        };
        table.push([one.predictor.name().to_owned()].into_iter().chain(truth.sets.iter().map(cell)));
    }
    table
}

/// Every claim with its verdict.
pub fn claims(truth: &TruthRecord) -> Table {
    let columns =
        [("claim", Align::Left), ("tau (95 %)", Align::Right), ("data sets", Align::Right), ("verdict", Align::Left)];
    let mut table = Table::new(&columns);
    for claim in truth.predictors.iter().flat_map(|one| &one.claims) {
        let estimate = claim.estimate;
        table.push([
            claim.claim.clone(),
            format!("{:+.2} ({:+.2} to {:+.2})", estimate.value, estimate.low, estimate.high),
            claim.sets.to_string(),
            claim.verdict.words().to_owned(),
        ]);
    }
    table
}

/// Test accuracy of every network on a set.
pub fn accuracies(set: &RankedSetRecord) -> Table {
    let columns =
        [("network", Align::Left), ("probe", Align::Right), ("frozen", Align::Right), ("fine-tuned", Align::Right)];
    let mut table = Table::new(&columns);
    for one in &set.networks {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let tuned: Vec<String> = one.fine_tuned.iter().map(|share| percent(*share)).collect();
        let tuned = if tuned.is_empty() { "-".to_owned() } else { tuned.join(", ") };
        table.push([one.network.clone(), percent(one.probe), percent(one.frozen), tuned]);
    }
    table
}

/// Seconds of scoring against seconds of training.
pub fn cost(found: &RankedStudy) -> String {
    let cost = found.cost;
    let frozen = format!(
        "Cost over {} of a network on a data set: features {}, all scores {}, frozen heads {}.",
        counted(cost.cells, "cell"),
        duration(cost.features),
        duration(cost.scores),
        duration(cost.heads)
    );
    if cost.tuned_cells == 0 {
        return frozen;
    }
    let ratio = cost.tuning / cost.scores_of_tuned.max(1e-9);
    format!(
        "{frozen} Of the {} that were fine-tuned: features and all scores {}, fine-tuning once {}, {ratio:.0} times as long.",
        cost.tuned_cells,
        duration(cost.scores_of_tuned),
        duration(cost.tuning)
    )
}

/// What is missing.
pub fn notes(found: &RankedStudy, left_out: &[LeftOut]) -> Vec<String> {
    let mut notes: Vec<String> =
        left_out.iter().map(|left_out| format!("left out: {}: {}", left_out.name, left_out.reason)).collect();
    if found.networks.iter().all(|network| network.source_images.is_none()) {
        notes.push(
            "no description of a network states the size of its source (`source_images`): that baseline is left out"
                .to_owned(),
        );
    }
    if !found.unfinished.is_empty() {
        notes.push(format!("not done within the budget or the shard: {}", found.unfinished.join(", ")));
    }
    notes
}
