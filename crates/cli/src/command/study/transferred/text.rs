//! What the terminal shows, and the tables of the page.

use std::path::Path;

use heirloom_audit::study::{
    BlockRecord, CheckpointRecord, CriticalRecord, Estimate, Family, ModulesRecord, PairRecord, StartRecord, Topic,
    TransferredClaim, TransferredStudy,
};
use heirloom_report::{Align, Table, percent};

use crate::console::indented;

/// Everything that is said at the end.
pub fn summary(found: &TransferredStudy, page: Option<&Path>) -> String {
    let mut text = String::new();
    let mut section = |heading: &str, table: Table| {
        if !table.is_empty() {
            text.push_str(&format!("{heading}\n{}\n", indented(&table.to_text())));
        }
    };
    section("networks that began with the source (P-T) and with random weights (RI-T)", starts(&found.starts));
    section("blocks of the images in another order", blocks(&found.blocks));
    section("two networks beside each other", pairs(&found.pairs));
    section("checkpoints of the source without normalisation", checkpoints(&found.checkpoints));
    for claim in &found.claims {
        let (verdict, family) = (claim.verdict.words(), claim.family.in_words());
        text.push_str(&format!("{verdict}: {} ({family})\n  {}\n", claim.claim, claim.found));
    }
    if !found.unfinished.is_empty() {
        text.push_str(&format!("not done within the budget or the shard: {}\n", found.unfinished.join(", ")));
    }
    if let Some(page) = page {
        text.push_str(&format!("wrote {}\n", page.display()));
    }
    text
}

/// Claims of a topic, one row each, the architectures beside each other.
pub fn claims(found: &TransferredStudy, topic: Topic) -> Table {
    let mut table = Table::new(&[
        ("claim", Align::Left),
        ("architecture", Align::Left),
        ("verdict", Align::Left),
        ("found (95 %)", Align::Left),
    ]);
    let of_topic = |claim: &&TransferredClaim| claim.topic == topic;
    let mut named: Vec<&str> = Vec::new();
    for claim in found.claims.iter().filter(of_topic) {
        if !named.contains(&claim.claim.as_str()) {
            named.push(&claim.claim);
        }
    }
    for name in named {
        for (at, claim) in found.claims.iter().filter(of_topic).filter(|claim| claim.claim == name).enumerate() {
            let once = if at == 0 { name.to_owned() } else { String::new() };
            let (family, verdict) = (claim.family.in_words().to_owned(), claim.verdict.words().to_owned());
            table.push([once, family, verdict, claim.found.clone()]);
        }
    }
    table
}

/// Both starts on every target.
pub fn starts(records: &[StartRecord]) -> Table {
    let mut table = Table::new(&[
        ("architecture", Align::Left),
        ("target", Align::Left),
        ("networks", Align::Left),
        ("replicas", Align::Right),
        ("rate", Align::Right),
        ("accuracy (95 %)", Align::Right),
        ("area under the curve", Align::Right),
    ]);
    for record in records {
        table.push([
            record.family.in_words().to_owned(),
            record.target.clone(),
            record.start.trained().to_owned(),
            record.replicas.to_string(),
            record.rate.to_string(),
            shares(record.accuracy),
            record.area.map_or_else(String::new, shares),
        ]);
    }
    table
}

/// Images as they are and with their blocks in other orders.
pub fn blocks(records: &[BlockRecord]) -> Table {
    let mut table = Table::new(&[
        ("architecture", Align::Left),
        ("target", Align::Left),
        ("block", Align::Right),
        ("orders", Align::Right),
        ("P-T", Align::Right),
        ("RI-T", Align::Right),
        ("of P-T, % (95 %)", Align::Right),
        ("speed of P-T", Align::Right),
        ("of RI-T", Align::Right),
    ]);
    for record in records {
        table.push([
            record.family.in_words().to_owned(),
            record.target.clone(),
            record.side.map_or_else(|| "none".to_owned(), |side| side.to_string()),
            record.orders.to_string(),
            percent(record.scores[0].value),
            percent(record.scores[1].value),
            record.relative_difference.map_or_else(String::new, |found| plain(found, 1)),
            percent(record.speeds[0].value),
            percent(record.speeds[1].value),
        ]);
    }
    table
}

/// Pairs of every kind.
pub fn pairs(records: &[PairRecord]) -> Table {
    let mut table = Table::new(&[
        ("architecture", Align::Left),
        ("target", Align::Left),
        ("networks", Align::Left),
        ("pairs", Align::Right),
        ("uncommon mistakes", Align::Right),
        ("kappa", Align::Right),
        ("distance", Align::Right),
        ("barrier, points (95 %)", Align::Right),
        ("average, points", Align::Right),
    ]);
    let points = |estimate: Option<Estimate>| {
        estimate.map_or_else(String::new, |Estimate { value, low, high }| {
            plain(Estimate { value: 100.0 * value, low: 100.0 * low, high: 100.0 * high }, 1)
        })
    };
    for record in records {
        table.push([
            record.family.in_words().to_owned(),
            record.target.clone(),
            record.kind.in_words().to_owned(),
            record.pairs.to_string(),
            record.uncommon.map_or_else(String::new, |found| percent(found.value)),
            record.consistency.map_or_else(String::new, |found| format!("{:.2}", found.value)),
            format!("{:.1}", record.distance.value),
            points(record.barrier),
            record.average.map_or_else(String::new, |found| format!("{:+.1}", 100.0 * found.value)),
        ]);
    }
    table
}

/// Alignment of every layer.
pub fn similarity(records: &[PairRecord]) -> Table {
    let layers: Vec<String> = records
        .first()
        .map(|record| record.similarity.iter().map(|(layer, _)| layer.clone()).collect())
        .unwrap_or_default();
    let mut columns = vec![("architecture", Align::Left), ("target", Align::Left), ("networks", Align::Left)];
    columns.extend(layers.iter().map(|layer| (layer.as_str(), Align::Right)));
    columns.push(("floor", Align::Right));
    let mut table = Table::new(&columns);
    for record in records {
        let of = |layer: &String| {
            let found = record.similarity.iter().find(|(name, _)| name == layer);
            found.map_or_else(String::new, |(_, found)| plain(*found, 2))
        };
        let names = [record.family.in_words(), &record.target, record.kind.in_words()].map(str::to_owned);
        let floor = record.floor.map_or_else(String::new, |floor| format!("{floor:.2}"));
        table.push(names.into_iter().chain(layers.iter().map(of)).chain([floor]));
    }
    table
}

/// Modules of one architecture on one target, P-T beside RI-T.
pub fn modules(records: &[ModulesRecord], family: Family, target: &str) -> Table {
    let mut table = Table::new(&[
        ("module", Align::Left),
        ("P-T: drop, points (95 %)", Align::Right),
        ("moved", Align::Right),
        ("drawn anew", Align::Right),
        ("RI-T: drop, points (95 %)", Align::Right),
        ("moved", Align::Right),
        ("drawn anew", Align::Right),
    ]);
    let of = |source: bool| {
        let wanted =
            |one: &&ModulesRecord| one.family == family && one.target == target && one.start.is_source() == source;
        records.iter().find(wanted)
    };
    let (Some(source), Some(random)) = (of(true), of(false)) else { return table };
    for one in &source.modules {
        let other = random.modules.iter().find(|other| other.module == one.module);
        let cells = |module: Option<&heirloom_audit::study::ModuleRecord>| match module {
            Some(module) => {
                let Estimate { value, low, high } = module.drop;
                let drop = Estimate { value: 100.0 * value, low: 100.0 * low, high: 100.0 * high };
                let random = module.random_drop.map_or_else(String::new, |drop| format!("{:+.1}", 100.0 * drop));
                [plain(drop, 1), format!("{:.2}", module.distance), random]
            }
            None => [String::new(), String::new(), String::new()],
        };
        table.push([one.module.clone()].into_iter().chain(cells(Some(one))).chain(cells(other)));
    }
    table
}

/// Criticality of every network that was measured.
pub fn critical(records: &[CriticalRecord]) -> Table {
    let mut table = Table::new(&[
        ("architecture", Align::Left),
        ("network", Align::Left),
        ("module", Align::Left),
        ("criticality", Align::Right),
        ("share of the way", Align::Right),
        ("noise", Align::Right),
        ("error there", Align::Right),
    ]);
    for record in records {
        for (at, (module, found)) in record.modules.iter().enumerate() {
            let once = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
            let of = |value: Option<f64>, digits: usize| {
                value.map_or("+inf".to_owned(), |value| format!("{value:.digits$}"))
            };
            let error = found.error.map_or_else(String::new, |error| {
                let spread =
                    found.standard_error.map_or_else(String::new, |spread| format!(" ± {:.1}", 100.0 * spread));
                format!("{:.1} %{spread}", 100.0 * error)
            });
            table.push([
                once(record.family.in_words()),
                once(record.start.trained()),
                module.clone(),
                of(found.value, 3),
                found.share.map_or_else(String::new, |share| format!("{share:.1}")),
                found.sigma.map_or_else(String::new, |sigma| format!("{sigma:.2e}")),
                error,
            ]);
        }
        let network = record.network.map_or("+inf".to_owned(), |network| format!("{network:.1}"));
        let limit = record.limit.map_or_else(String::new, |limit| format!("at most {}", percent(limit)));
        table.push([String::new(), String::new(), "all".to_owned(), network, String::new(), String::new(), limit]);
    }
    table
}

/// Checkpoints of the source.
pub fn checkpoints(records: &[CheckpointRecord]) -> Table {
    let mut table = Table::new(&[
        ("epochs", Align::Right),
        ("source", Align::Right),
        ("held out", Align::Right),
        ("frozen, held out", Align::Right),
        ("test (95 %)", Align::Right),
        ("speed", Align::Right),
        ("replicas", Align::Right),
        ("", Align::Left),
    ]);
    for record in records {
        table.push([
            record.epochs.to_string(),
            record.source.map_or_else(String::new, percent),
            percent(record.held_out),
            record.frozen.map_or_else(String::new, percent),
            shares(record.test),
            percent(record.speed),
            record.replicas.to_string(),
            if record.chosen { "the rule's choice".to_owned() } else { String::new() },
        ]);
    }
    table
}

fn shares(Estimate { value, low, high }: Estimate) -> String {
    heirloom_report::interval(value, low, high)
}

fn plain(Estimate { value, low, high }: Estimate, digits: usize) -> String {
    format!("{value:.digits$} ({low:.digits$} to {high:.digits$})")
}
