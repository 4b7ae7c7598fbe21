//! The figures of the page.

use heirloom_audit::study::{
    BlockRecord, CriticalRecord, Estimate, Family, Kind, ModulesRecord, PairRecord, Start, StartRecord, Topic,
    TransferredStudy,
};
use heirloom_report::{
    BarGroup, Block, Curve, Interval, MapSide, Side, curves, grouped_bars, labelled_map, training_curves,
};

use crate::command::valley;

/// Targets in the legend of one figure.
const LEGEND: usize = 3;
/// Kinds of pairs on a line.
const LINES: [Kind; 4] = [Kind::SourceSource, Kind::SourceRandom, Kind::RandomRandom, Kind::SameRandom];
/// Kinds of pairs whose modules are compared.
const DISTANCES: [Kind; 4] = [Kind::SourceSource, Kind::RandomRandom, Kind::SourceOrigin, Kind::RandomOrigin];

/// The figures of a topic: those of the first target in the open, the others behind a heading.
pub fn of(found: &TransferredStudy, topic: Topic) -> Vec<Block> {
    let place = |family: Family, target: &str| match topic {
        Topic::Accuracy => learning(found, family, target),
        Topic::Blocks => blocks(found, family, target),
        Topic::Similarity => similarity(found, family, target),
        Topic::Distance => distance(found, family, target),
        Topic::Line => line(found, family, target),
        Topic::Modules => modules(found, family, target),
        Topic::Mistakes | Topic::Criticality | Topic::Checkpoints => None,
    };
    let mut blocks: Vec<Block> = Vec::new();
    for (at, target) in found.targets.iter().enumerate() {
        let figures: Vec<Block> = Family::ALL.into_iter().filter_map(|family| place(family, &target.name)).collect();
        match at {
            0 => blocks.extend(figures),
            _ if figures.is_empty() => {}
            _ => blocks.push(Block::Fold { summary: target.name.clone(), blocks: figures }),
        }
    }
    match topic {
        Topic::Mistakes => blocks.extend(Family::ALL.into_iter().filter_map(|family| mistakes(found, family))),
        Topic::Criticality => {
            blocks.extend(Family::ALL.into_iter().filter_map(|family| critical(found, family)));
            blocks.extend(found.critical.iter().filter_map(valleys));
        }
        Topic::Checkpoints => blocks.extend(checkpoints(found)),
        _ => {}
    }
    blocks
}

fn figure(svg: Option<String>, caption: String) -> Option<Block> {
    svg.map(|svg| Block::Figure { svg, caption })
}

fn interval(Estimate { value, low, high }: Estimate) -> Interval {
    Interval { value, low, high }
}

fn learning(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let of = |start: Start| {
        let wanted = |one: &&StartRecord| one.family == family && one.target == target && one.start == start;
        let record = found.starts.iter().find(wanted)?;
        Some(Side { name: start.trained().to_owned(), runs: record.judged.clone() })
    };
    let sides: Vec<Side> = [Start::SOURCE, Start::RANDOM].into_iter().filter_map(of).collect();
    let caption =
        format!("Test accuracy after every epoch on {target}, {}; no epoch is chosen by it.", family.in_words());
    figure(training_curves(&sides, "test accuracy"), caption)
}

fn blocks(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let group = |record: &BlockRecord| BarGroup {
        label: record.side.map_or_else(|| "as they are".to_owned(), |side| format!("blocks of {side}")),
        // P-T has the colour that it has in the curves.
        bars: record.scores.iter().zip([1, 0]).map(|(score, at)| (at, Some(interval(*score)))).collect(),
    };
    let of = |one: &&BlockRecord| one.family == family && one.target == target;
    let groups: Vec<BarGroup> = found.blocks.iter().filter(of).map(group).collect();
    let caption = format!("{target}, {}, with 95 % intervals from orders and test images.", family.in_words());
    figure(grouped_bars(&groups, &["RI-T", "P-T"], "test accuracy"), caption)
}

fn mistakes(found: &TransferredStudy, family: Family) -> Option<Block> {
    let targets: Vec<&str> = found.targets.iter().take(LEGEND).map(|target| target.name.as_str()).collect();
    let group = |kind: Kind| {
        let of = |(at, target): (usize, &&str)| {
            let wanted = |one: &&PairRecord| one.family == family && one.kind == kind && one.target == **target;
            Some((at, Some(interval(found.pairs.iter().find(wanted)?.uncommon?))))
        };
        let bars: Vec<(usize, Option<Interval>)> = targets.iter().enumerate().filter_map(of).collect();
        (!bars.is_empty()).then(|| BarGroup { label: short(kind).to_owned(), bars })
    };
    let groups: Vec<BarGroup> = LINES.into_iter().filter_map(group).collect();
    let caption =
        format!("Test images that one of two networks has wrong, {}, with 95 % intervals.", family.in_words());
    figure(grouped_bars(&groups, &targets, "uncommon mistakes"), caption)
}

/// A kind in the room beside bars.
const fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::SameRandom => "same start",
        other => other.in_words(),
    }
}

fn of_kind<'a>(found: &'a TransferredStudy, family: Family, target: &str, kind: Kind) -> Option<&'a PairRecord> {
    found.pairs.iter().find(|one| one.family == family && one.kind == kind && one.target == target)
}

fn similarity(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let kinds: Vec<&PairRecord> =
        Kind::ALL.into_iter().filter_map(|kind| of_kind(found, family, target, kind)).collect();
    let layers: Vec<String> = kinds.first()?.similarity.iter().map(|(layer, _)| layer.clone()).collect();
    let cell = |record: &PairRecord, layer: &String| {
        record.similarity.iter().find(|(name, _)| name == layer).map(|(_, found)| found.value)
    };
    let values: Vec<Option<f64>> =
        kinds.iter().flat_map(|record| layers.iter().map(|layer| cell(record, layer))).collect();
    let rows = kinds.iter().map(|record| short(record.kind).to_owned()).collect();
    let sides = [("two networks", rows), ("layer of both", layers)];
    let [rows, columns] = sides.map(|(title, names)| MapSide { title: title.to_owned(), names });
    let caption =
        format!("Alignment of the same layer of two networks on {target}, {}, mean over pairs.", family.in_words());
    figure(labelled_map(&rows, &columns, &values), caption)
}

fn distance(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let of = |kind: Kind| {
        let record = of_kind(found, family, target, kind)?;
        let points =
            record.modules.iter().enumerate().map(|(at, (_, distance))| (at as f64 + 1.0, *distance)).collect();
        Some(Curve { name: kind.in_words().to_owned(), points })
    };
    let all: Vec<Curve> = DISTANCES.into_iter().filter_map(of).collect();
    let names: Vec<&str> =
        of_kind(found, family, target, Kind::SourceSource)?.modules.iter().map(|(module, _)| module.as_str()).collect();
    let caption = format!("Distance by module on {target}, {}. Modules: {}.", family.in_words(), names.join(", "));
    figure(curves(&all, "module, from the input to the output", "distance", false), caption)
}

fn line(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let of = |kind: Kind| {
        let record = of_kind(found, family, target, kind)?;
        Some(Curve { name: kind.in_words().to_owned(), points: record.line.clone() })
    };
    let all: Vec<Curve> = LINES.into_iter().filter_map(of).collect();
    let caption = format!(
        "Test accuracy from beyond the first network (0) to beyond the second (1) on {target}, {}, mean over pairs.",
        family.in_words()
    );
    figure(curves(&all, "share of the way", "test accuracy", true), caption)
}

fn modules(found: &TransferredStudy, family: Family, target: &str) -> Option<Block> {
    let records: Vec<&ModulesRecord> =
        found.modules.iter().filter(|one| one.family == family && one.target == target).collect();
    let names: Vec<String> = records.first()?.modules.iter().map(|module| module.module.clone()).collect();
    let cell = |record: &ModulesRecord, name: &String| {
        record.modules.iter().find(|module| module.module == *name).map(|module| module.drop.value)
    };
    let values: Vec<Option<f64>> =
        records.iter().flat_map(|record| names.iter().map(|name| cell(record, name))).collect();
    let starts = records.iter().map(|record| record.start.trained().to_owned()).collect();
    let sides = [("networks", starts), ("module put back", names)];
    let [rows, columns] = sides.map(|(title, names)| MapSide { title: title.to_owned(), names });
    let caption =
        format!("Drop of test accuracy with one module back where training began, {target}, {}.", family.in_words());
    figure(labelled_map(&rows, &columns, &values), caption)
}

fn critical(found: &TransferredStudy, family: Family) -> Option<Block> {
    let of = |record: &CriticalRecord| {
        let point = |(at, (_, found)): (usize, &(String, heirloom_audit::diff::Criticality))| {
            Some((at as f64 + 1.0, (1.0 + found.value?).log10()))
        };
        let points = record.modules.iter().enumerate().filter_map(point).collect();
        Curve { name: record.start.trained().to_owned(), points }
    };
    let records: Vec<&CriticalRecord> = found.critical.iter().filter(|one| one.family == family).collect();
    let names: Vec<&str> = records.first()?.modules.iter().map(|(module, _)| module.as_str()).collect();
    let all: Vec<Curve> = records.iter().map(|record| of(record)).collect();
    let caption = format!(
        "One network of each kind on {}, {}; modules without a measure are left out. Modules: {}.",
        records.first()?.target,
        family.in_words(),
        names.join(", ")
    );
    figure(curves(&all, "module, from the input to the output", "log10 (1 + criticality)", false), caption)
}

/// The valleys of one network's modules.
fn valleys(record: &CriticalRecord) -> Option<Block> {
    let of = |(module, points): &(String, Vec<heirloom_audit::diff::ValleyPoint>)| {
        let network = format!("{}, {}", record.start.trained(), record.family.in_words());
        valley::figure(points, format!("Accuracy on training images of {}: {module} of {network}.", record.target))
    };
    let blocks: Vec<Block> = record.valleys.iter().filter_map(of).collect();
    let summary = format!("the valleys of {}, {}", record.start.trained(), record.family.in_words());
    (!blocks.is_empty()).then_some(Block::Fold { summary, blocks })
}

fn checkpoints(found: &TransferredStudy) -> Option<Block> {
    let of = |name: &str, value: &dyn Fn(&heirloom_audit::study::CheckpointRecord) -> Option<f64>| {
        let points = found.checkpoints.iter().filter_map(|one| Some((one.epochs as f64, value(one)?))).collect();
        Curve { name: name.to_owned(), points }
    };
    let all = [
        of("fine-tuned, test", &|one| Some(one.test.value)),
        of("fine-tuned, held out", &|one| Some(one.held_out)),
        of("frozen features, held out", &|one| one.frozen),
        of("the source on its own images", &|one| one.source),
    ];
    let chosen = found.checkpoints.iter().find(|one| one.chosen).map(|one| one.epochs);
    let caption = match chosen {
        Some(epochs) => format!("The rule takes epoch {epochs}."),
        None => String::new(),
    };
    figure(curves(&all, "epochs of the source", "accuracy", true), caption)
}
