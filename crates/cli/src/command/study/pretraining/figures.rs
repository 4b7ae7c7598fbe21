//! The figures of the page.

use heirloom_audit::study::pretraining::{Correction, Noise, PretrainingStudy, RunRecord, Start, Task, Topic};
use heirloom_report::{Block, Curve, Interval, ScatterPoint, curves, scatter};

/// Each start has the same colour in every figure.
const ALL: [Start; 3] = [Start::TUNED, Start::Scratch, Start::FROZEN];

/// The figures of a topic.
pub fn of(found: &PretrainingStudy, topic: Topic) -> Vec<Block> {
    match topic {
        Topic::Convergence => [learning(found), lengths(found)].into_iter().flatten().collect(),
        Topic::Size => found.targets.iter().filter_map(|target| sizes(found, &target.name)).collect(),
        Topic::Sources => sources(found).into_iter().collect(),
        Topic::Noise => noise(found).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn figure(svg: Option<String>, caption: impl Into<String>) -> Option<Block> {
    svg.map(|svg| Block::Figure { svg, caption: caption.into() })
}

fn curve(name: impl Into<String>, mut points: Vec<(f64, f64)>) -> Option<Curve> {
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    (points.len() > 1).then(|| Curve { name: name.into(), points })
}

fn main_target(found: &PretrainingStudy) -> &str {
    found.targets.first().map_or("", |target| target.name.as_str())
}

/// Accuracy after every epoch of the usual length, over images seen.
fn learning(found: &PretrainingStudy) -> Option<Block> {
    let of = |start: Start| {
        let is_it = |one: &&RunRecord| one.target == main_target(found) && one.start == start && one.task == Task::ALL;
        let record = found.runs.iter().find(is_it)?;
        let seen = |epoch: usize| (epoch + 1) as f64 * record.rows as f64 / 1000.0;
        let points = record.curve.iter().enumerate().map(|(epoch, accuracy)| (seen(epoch), *accuracy)).collect();
        curve(start.in_words(), points)
    };
    let all: Vec<Curve> = ALL.into_iter().filter_map(of).collect();
    let caption = "Test accuracy after every epoch of the usual length, mean over seeds; no epoch is chosen by it.";
    figure(curves(&all, "images seen, thousands", "test accuracy", true), caption)
}

/// Where runs of different lengths end.
fn lengths(found: &PretrainingStudy) -> Option<Block> {
    let of = |start: Start| {
        let is_it = |one: &&RunRecord| {
            let whole = matches!(one.task, Task::Rows { each: None, .. });
            one.target == main_target(found) && one.start == start && whole && one.epochs > 0
        };
        let place = |record: &RunRecord| (record.epochs as f64 * record.rows as f64 / 1000.0, record.accuracy.value);
        curve(start.in_words(), found.runs.iter().filter(is_it).map(place).collect())
    };
    let all: Vec<Curve> = ALL.into_iter().filter_map(of).collect();
    let caption = "Test accuracy at the end of runs of different lengths, each with a schedule of its own.";
    figure(curves(&all, "images seen, thousands", "test accuracy", true), caption)
}

/// Accuracy over images of each class.
fn sizes(found: &PretrainingStudy, target: &str) -> Option<Block> {
    let classes = found.targets.iter().find(|one| one.name == target)?.counts[2].max(1) as f64;
    let of = |start: Start| {
        let is_it = |one: &&RunRecord| {
            one.target == target && one.start == start && matches!(one.task, Task::Rows { epochs: None, .. })
        };
        let place = |record: &RunRecord| ((record.rows as f64 / classes).log10(), record.accuracy.value);
        curve(start.in_words(), found.runs.iter().filter(is_it).map(place).collect())
    };
    let all: Vec<Curve> = ALL.into_iter().filter_map(of).collect();
    let caption = format!("Test accuracy on {target}; 1 is 10 images of each class, 2 is 100.");
    figure(curves(&all, "images of each class, powers of ten", "test accuracy", true), caption)
}

fn sources(found: &PretrainingStudy) -> Option<Block> {
    let exact = |value: f64| Interval { value, low: value, high: value };
    let point = |source: &heirloom_audit::study::pretraining::OwnSourceRecord| {
        let mean = source.frozen.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / source.frozen.len().max(1) as f64;
        ScatterPoint { label: String::new(), x: exact(100.0 * source.accuracy), y: exact(100.0 * mean), second: false }
    };
    let points: Vec<ScatterPoint> =
        found.sources.iter().filter(|source| !source.frozen.is_empty()).map(point).collect();
    let caption =
        "Each point is a source: its own test accuracy, and that of heads on its frozen features, mean over targets.";
    figure(scatter(&points, "accuracy of the source, %", "accuracy on targets, %", false), caption)
}

/// Error over the strength of drawn labels.
fn noise(found: &PretrainingStudy) -> Option<Block> {
    let of = |start: Start, wanted: Correction| {
        let place = |record: &RunRecord| {
            let tenths = match record.task {
                Task::Rows { each: None, epochs: None } if wanted == Correction::None => 0,
                Task::Noise { noise: Noise::Uniform, tenths, correction } if correction == wanted => tenths,
                _ => return None,
            };
            let own = record.target == main_target(found) && record.start == start;
            own.then(|| (f64::from(tenths) / 10.0, 1.0 - record.accuracy.value))
        };
        let name = if wanted == Correction::Gold { "fine-tuned, corrected" } else { start.in_words() };
        curve(name, found.runs.iter().filter_map(place).collect())
    };
    let plain = ALL.into_iter().filter_map(|start| of(start, Correction::None));
    let all: Vec<Curve> = plain.chain(of(Start::TUNED, Correction::Gold)).collect();
    let caption = "Error on test images whose labels are right, over the share of training labels drawn anew.";
    figure(curves(&all, "strength of the noise", "test error", true), caption)
}
