//! What the terminal shows: the order, the pick set, the scores and how they agree.

use heirloom_report::{Align, Table, count, duration, interval, percent};
use heirloom_transfer::ranking::Scored;

use super::Ranking;
use crate::console::indented;

/// Everything that is said at the end.
pub fn summary(ranking: &Ranking) -> String {
    let mut text = format!("\n{}\n{}\n", indented(&order(ranking).to_text()), advice(ranking));
    if ranking.candidates.iter().any(|one| !one.candidate.scores.is_empty()) {
        text.push_str(&format!("\nscores, each the larger the better\n{}", indented(&scores(ranking).to_text())));
        text.push_str(&format!("\nhow the scores agree with the probe\n{}", indented(&agreement(ranking).to_text())));
        text.push_str(&disagreement(ranking));
        text.push_str(&nothing(ranking));
    }
    for left_out in &ranking.left_out {
        text.push_str(&format!("left out: {}: {}\n", left_out.name, left_out.reason));
    }
    for row in &ranking.skipped {
        text.push_str(&format!("skipped: {}: {}\n", row.locator, row.reason));
    }
    for warning in &ranking.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str(&format!(
        "{} in {}\n",
        heirloom_report::counted(ranking.candidates.len(), "candidate"),
        duration(ranking.seconds)
    ));
    text
}

fn order(ranking: &Ranking) -> Table {
    let mut table = Table::new(&[
        ("rank", Align::Right),
        ("backbone", Align::Left),
        ("probe accuracy", Align::Right),
        ("log loss", Align::Right),
        ("rank (95 %)", Align::Right),
        ("best in", Align::Right),
        ("gives up", Align::Right),
        ("parameters", Align::Right),
        ("GFLOP", Align::Right),
        ("pixels", Align::Right),
        ("took", Align::Right),
    ]);
    for one in &ranking.candidates {
        let (picked, candidate) = (&one.picked, &one.candidate);
        let accuracy = picked.accuracy;
        table.push([
            picked.rank.to_string(),
            format!("{}{}", candidate.name, if picked.in_set { " *" } else { "" }),
            interval(accuracy.value, accuracy.low, accuracy.high),
            format!("{:.3}", candidate.log_loss),
            format!("{} to {}", picked.ranks[0], picked.ranks[1]),
            percent(picked.first),
            format!("{:.1}", 100.0 * picked.regret),
            format!("{:.1} M", candidate.parameters as f64 / 1e6),
            format!("{:.2}", candidate.flops as f64 / 1e9),
            candidate.input_size[0].to_string(),
            duration(
                candidate.seconds.iter().sum::<f64>() + candidate.scores.iter().map(|one| one.seconds).sum::<f64>(),
            ),
        ]);
    }
    table
}

/// What to do with it, in a sentence.
fn advice(ranking: &Ranking) -> String {
    let set: Vec<&str> =
        ranking.candidates.iter().filter(|one| one.picked.in_set).map(|one| one.candidate.name.as_str()).collect();
    let images = count(ranking.images);
    match set.as_slice() {
        [only] => format!("take {only}: on {images} images no other candidate comes near it (*)"),
        several => format!(
            "take one of {} (*): {images} images cannot tell them apart; fine-tune these before you decide",
            several.join(", ")
        ),
    }
}

fn scores(ranking: &Ranking) -> Table {
    let first = ranking.candidates.first().map(|one| one.candidate.scores.as_slice()).unwrap_or_default();
    let names: Vec<&str> = first.iter().map(|one| one.score.name()).collect();
    let mut columns = vec![("backbone", Align::Left)];
    columns.extend(names.iter().map(|name| (*name, Align::Right)));
    let mut table = Table::new(&columns);
    for one in &ranking.candidates {
        let value = |scored: &Scored| scored.value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        table.push([one.candidate.name.clone()].into_iter().chain(one.candidate.scores.iter().map(value)));
    }
    table
}

fn agreement(ranking: &Ranking) -> Table {
    let mut table = Table::new(&[
        ("score", Align::Left),
        ("weighted tau", Align::Right),
        ("candidates", Align::Right),
        ("puts first", Align::Left),
        ("gives up, points", Align::Right),
    ]);
    for one in &ranking.agreement {
        table.push([
            one.score.map_or("number of parameters", heirloom_transfer::ranking::Score::name).to_owned(),
            one.tau.map_or("-".to_owned(), |tau| format!("{tau:+.2}")),
            one.candidates.to_string(),
            one.first.clone(),
            format!("{:.1}", 100.0 * one.regret),
        ]);
    }
    table
}

/// Whether the scores would take another candidate than the probe.
fn disagreement(ranking: &Ranking) -> String {
    let of_set = |name: &str| ranking.candidates.iter().any(|one| one.picked.in_set && one.candidate.name == name);
    let scores = || ranking.agreement.iter().filter_map(|one| Some((one.score?, one.first.as_str())));
    let (all, outside): (usize, Vec<String>) = (
        scores().count(),
        scores()
            .filter(|(_, first)| !of_set(first))
            .map(|(score, first)| format!("{} ({first})", score.name()))
            .collect(),
    );
    if outside.is_empty() {
        return format!("the scores agree: each of the {all} puts a candidate of the pick set first\n");
    }
    format!(
        "the scores disagree: {} of {all} put a candidate first that is not in the pick set: {}\n",
        outside.len(),
        outside.join(", ")
    )
}

/// Scores that say nothing of some candidate, with the reason.
fn nothing(ranking: &Ranking) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in &ranking.candidates {
        for scored in &one.candidate.scores {
            if let Some(reason) = &scored.reason {
                lines.push(format!("{} says nothing of {}: {reason}\n", scored.score.name(), one.candidate.name));
            }
        }
    }
    lines.concat()
}
