//! Which way to take: the cheapest to adapt among those that the data cannot tell from the most accurate one.

use serde::{Deserialize, Serialize};

use super::Line;

/// The way to take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Which line, by place.
    pub line: usize,
    /// Why, in a sentence or two.
    pub reason: String,
}

/// The advice for `lines`, the most accurate first; `name` says what a line is called, `judged` what the judged rows are. None without
/// lines.
pub(super) fn advice(lines: &[Line], name: impl Fn(&Line) -> String, judged: &str) -> Option<Advice> {
    let best = lines.first()?;
    let tied = |line: &&(usize, &Line)| line.1.against_best.high >= 0.0;
    let cost = |line: &Line| line.cost.operations();
    let all: Vec<(usize, &Line)> = lines.iter().enumerate().collect();
    let taken = all.iter().filter(tied).min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)))?;
    let reason = if taken.0 == 0 { first_reason(lines, &name) } else { tied_reason(best, taken.1, &name, judged) };
    Some(Advice { line: taken.0, reason })
}

fn first_reason(lines: &[Line], name: &impl Fn(&Line) -> String) -> String {
    let best = &lines[0];
    let head = format!("Take {}: {}.", name(best), accuracy(best));
    let cheaper = lines[1..].iter().filter(|line| line.cost.operations() < best.cost.operations());
    match cheaper.max_by(|a, b| a.accuracy.value.total_cmp(&b.accuracy.value)) {
        None => format!("{head} Nothing here is cheaper to adapt, and nothing is more accurate."),
        Some(next) => {
            let [gap, low, high] = next.against_best.points_below();
            let next = name(next);
            format!("{head} The best of what is cheaper to adapt, {next}, is {gap} points below it ({low} to {high}).")
        }
    }
}

fn tied_reason(best: &Line, taken: &Line, name: &impl Fn(&Line) -> String, judged: &str) -> String {
    let [gap, low, high] = taken.against_best.points_below();
    let times = best.cost.operations() / taken.cost.operations().max(1.0);
    let cost = if times >= 1.05 { format!(", at {times:.1} times the operations") } else { String::new() };
    format!(
        "Take {}: {}. The most accurate, {}, is {gap} points above it, which these {judged} cannot tell from none ({low} to {high}){cost}.",
        name(taken),
        accuracy(taken),
        name(best),
    )
}

fn accuracy(line: &Line) -> String {
    let share = line.accuracy;
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * share.value, 100.0 * share.low, 100.0 * share.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Calibration;
    use crate::compare::{Cost, Gap};
    use crate::fit::Share;

    fn line(method: &str, value: f64, gap: [f64; 3], operations: f64) -> Line {
        Line {
            method: method.into(),
            frozen: true,
            backbone: 0,
            accuracy: Share { value, low: value - 0.02, high: value + 0.02, n: 500 },
            by_draw: vec![value],
            spread: 0.0,
            against_best: Gap { value: gap[0], low: gap[1], high: gap[2] },
            balanced_accuracy: value,
            calibration: Calibration::default(),
            before_calibration: Calibration::default(),
            cost: Cost { network_operations: operations, ..Cost::default() },
            on_frontier: true,
            choices: vec![],
            per_class: vec![],
            confusion: vec![],
            mistakes: vec![],
            examples: vec![],
            layers: vec![],
            entry: 0,
            answers: vec![],
        }
    }

    fn say(lines: &[Line]) -> Advice {
        advice(lines, |line| line.method.clone(), "images").unwrap()
    }

    #[test]
    fn the_cheapest_that_cannot_be_told_from_the_best_is_taken() {
        let lines = [
            line("full", 0.93, [0.0, 0.0, 0.0], 300.0),
            line("linear", 0.92, [-0.01, -0.03, 0.01], 10.0),
            line("ncm", 0.80, [-0.13, -0.16, -0.10], 5.0),
        ];
        let advice = say(&lines);
        assert_eq!(advice.line, 1);
        assert!(
            advice.reason.contains("Take linear: 92.0 %") && advice.reason.contains("30.0 times"),
            "{}",
            advice.reason
        );
    }

    #[test]
    fn a_best_that_stands_out_is_taken_and_the_next_cheaper_named() {
        let lines = [line("full", 0.93, [0.0; 3], 300.0), line("ncm", 0.80, [-0.13, -0.16, -0.10], 5.0)];
        let advice = say(&lines);
        assert_eq!(advice.line, 0);
        assert!(advice.reason.contains("ncm, is 13.0 points below it (10.0 to 16.0)"), "{}", advice.reason);
        assert!(say(&lines[..1]).reason.contains("Nothing here is cheaper"));
    }
}
