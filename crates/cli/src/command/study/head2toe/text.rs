//! What the terminal shows: the table, the claims, what is missing.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_report::{Align, Table};
use heirloom_transfer::study::Check;
use heirloom_transfer::study::head2toe::{Cell, Head2ToeStudy, TargetResult};

use crate::command::study::verdict;
use crate::console::indented;

/// A method and a network.
type Row = (String, String);

/// Everything that is said at the end.
pub fn summary(found: &Head2ToeStudy, check: Option<&Check>, page: Option<&Path>) -> String {
    let mut text = String::new();
    for network in networks(found) {
        text.push_str(&format!("{network}\n{}\n", indented(&accuracies(found, &network).to_text())));
    }
    text.push_str("accuracy in per cent with its 95 % interval\n\nmeans over groups of targets\n");
    text.push_str(&format!("{}\n", indented(&means(found).to_text())));
    for claim in &found.claims {
        text.push_str(&format!("{}: {}\n  {}\n", claim.verdict.words(), claim.claim, claim.found));
    }
    for failed in found.targets.iter().flat_map(|target| target.failed.iter().map(move |one| (target, one))) {
        text.push_str(&format!("{}: {}\n", failed.0.name, failed.1));
    }
    if !found.unfinished.is_empty() {
        text.push_str(&format!("not done: {}\n", found.unfinished.join(", ")));
    }
    if let Some(check) = check {
        text.push_str(&verdict(check));
    }
    if let Some(page) = page {
        text.push_str(&format!("wrote {}\n", page.display()));
    }
    text
}

/// The paper's table: one row for each method on each network, the means of the groups in columns. A mean is there once every target of
/// the group has been judged.
pub fn means(found: &Head2ToeStudy) -> Table {
    let groups = groups(found);
    let names: Vec<String> = groups.iter().map(|(group, members)| format!("{group} ({})", members.len())).collect();
    let mut columns = vec![("method", Align::Left), ("network", Align::Left)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for row in rows(found) {
        let mean = |(_, members): &(String, Vec<&TargetResult>)| {
            let values: Option<Vec<f64>> =
                members.iter().map(|target| Some(of(target, &row)?.accuracy.value)).collect();
            values.map_or(String::new(), |values| {
                format!("{:.1}", 100.0 * values.iter().sum::<f64>() / values.len().max(1) as f64)
            })
        };
        table.push([row.0.clone(), row.1.clone()].into_iter().chain(groups.iter().map(mean)));
    }
    table
}

/// One row for each target, one column for each method on one network.
pub fn accuracies(found: &Head2ToeStudy, network: &str) -> Table {
    let rows: Vec<Row> = rows(found).into_iter().filter(|row| row.1 == network).collect();
    let mut columns = vec![("target", Align::Left), ("group", Align::Left)];
    columns.extend(rows.iter().map(|(method, _)| (method.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for target in &found.targets {
        let cell = |row: &Row| {
            of(target, row).map_or(String::new(), |cell| {
                let share = cell.accuracy;
                format!("{:.1} ({:.1} to {:.1})", 100.0 * share.value, 100.0 * share.low, 100.0 * share.high)
            })
        };
        table.push([target.name.clone(), target.group.clone()].into_iter().chain(rows.iter().map(cell)));
    }
    table
}

/// Networks that any target has a figure of, in the order of the study.
pub fn networks(found: &Head2ToeStudy) -> Vec<String> {
    let mut networks: Vec<String> = Vec::new();
    for (_, network) in rows(found) {
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    networks
}

/// Methods and networks that any target has a figure of, in the order of the study.
fn rows(found: &Head2ToeStudy) -> Vec<Row> {
    let order = ["linear", "all-l1", "all-l2", "all-l21", "head2toe", "full", "scratch"];
    let mut rows: Vec<Row> = Vec::new();
    for cell in found.targets.iter().flat_map(|target| &target.cells) {
        let row = (cell.method.clone(), cell.network.clone());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let place = |row: &Row| order.iter().position(|method| *method == row.0).unwrap_or(order.len());
    rows.sort_by(|a, b| place(a).cmp(&place(b)).then(b.1.cmp(&a.1)));
    rows
}

fn of<'a>(target: &'a TargetResult, (method, network): &Row) -> Option<&'a Cell> {
    target.cells.iter().find(|cell| cell.method == *method && cell.network == *network)
}

/// Targets by group, and all of them.
fn groups(found: &Head2ToeStudy) -> Vec<(String, Vec<&TargetResult>)> {
    let mut groups = BTreeMap::<String, Vec<&TargetResult>>::new();
    for target in &found.targets {
        groups.entry(target.group.clone()).or_default().push(target);
    }
    groups.into_iter().chain([("all".to_owned(), found.targets.iter().collect())]).collect()
}
