//! What a comparison says in the terminal, and sentences that the page shares with it.

use std::path::Path;

use heirloom_audit::Difference;
use heirloom_audit::diff::{Barrier, BarrierVerdict, Basin, Clarity, PathRecord, Rewind, Similarity, TapPair};
use heirloom_report::{Align, Table, count, duration, interval, percent};
use heirloom_transfer::fit::trained::Movement;

use super::{Compared, DiffReport};
use crate::command::audit::text::wrapped;
use crate::console::indented;

/// Lines of tables of layers and modules.
const SHOWN: usize = 14;

/// Everything at the end.
pub fn summary(report: &DiffReport, page: &Path) -> String {
    let mut text = format!("A  {}\nB  {}\n\n", model(&report.first), model(&report.second));
    text.push_str(&format!("{}{}", wrapped(&mistakes_sentence(report)), indented(&mistakes(report).to_text())));
    if let Some(clarity) = &report.clarity {
        text.push_str(&format!("\n{}", wrapped(&clarity_sentence(clarity))));
    }
    if let Some(similarity) = &report.similarity {
        text.push_str(&format!(
            "\n{}{}",
            wrapped(&similarity_sentence(similarity)),
            indented(&layers(similarity).to_text())
        ));
    }
    if let Some(distance) = &report.distance {
        text.push_str(&format!("\n{}", wrapped(&distance_sentence(distance))));
    }
    if let Some(line) = &report.line {
        text.push_str(&format!("\n{}{}", wrapped(&line_sentence(line)), indented(&points(line).to_text())));
        text.push_str(&report.basin.as_ref().map_or_else(String::new, |basin| wrapped(&basin_sentence(basin))));
    }
    if let Some(rewind) = &report.rewind {
        text.push_str(&format!("\n{}{}", wrapped(&rewind_sentence(rewind)), indented(&modules(rewind).to_text())));
    }
    text.push('\n');
    for absent in &report.absent {
        text.push_str(&format!("no {}: {}\n", absent.part, absent.why));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    for row in report.skipped.iter().take(SHOWN) {
        text.push_str(&format!("skipped: {}: {}\n", row.locator, row.reason));
    }
    text.push_str(&format!("page: {}; {}\n", page.display(), duration(report.seconds)));
    text
}

/// `full.heirloom (full on cifar10_resnet20)`.
pub fn model(model: &Compared) -> String {
    let head = model.fitted_on.map_or_else(String::new, |rows| format!(", head fitted on {} images", count(rows)));
    format!("{} ({} on {}{head})", model.model, model.method, model.backbone)
}

/// A difference of shares in points.
pub fn points_of(difference: &Difference) -> String {
    let [value, low, high] = [difference.value, difference.low, difference.high].map(|share| 100.0 * share);
    format!("{value:+.1} points ({low:+.1} to {high:+.1})")
}

/// The mistakes in a sentence.
pub fn mistakes_sentence(report: &DiffReport) -> String {
    let mistakes = &report.mistakes;
    let uncommon = &mistakes.uncommon;
    let expected = mistakes.uncommon_expected;
    let verdict = if uncommon.high < expected {
        "fewer than two models of these accuracies whose mistakes have nothing to do with each other"
    } else if uncommon.low > expected {
        "more than two models of these accuracies whose mistakes have nothing to do with each other"
    } else {
        "about as many as two models of these accuracies whose mistakes have nothing to do with each other"
    };
    format!(
        "Of {} {}, {} are wrong with one of the two only: {verdict} ({}).",
        count(mistakes.images),
        report.judged,
        interval(uncommon.value, uncommon.low, uncommon.high),
        percent(expected),
    )
}

/// The mistakes as a table.
pub fn mistakes(report: &DiffReport) -> Table {
    let mistakes = &report.mistakes;
    let share = |share: &heirloom_transfer::fit::Share| interval(share.value, share.low, share.high);
    let mut table = Table::new(&[("of the images", Align::Left), ("share", Align::Right), ("by chance", Align::Right)]);
    table.push(["A is right".to_owned(), share(&mistakes.first), String::new()]);
    table.push(["B is right".to_owned(), share(&mistakes.second), String::new()]);
    if let Some(change) = &mistakes.change {
        table.push(["B less A".to_owned(), points_of(change), format!("p = {:.2}", mistakes.change_by_chance)]);
    }
    table.push(["both are wrong".to_owned(), share(&mistakes.common), percent(mistakes.common_expected)]);
    if let Some(same) = &mistakes.same_answer {
        table.push(["... with the same answer".to_owned(), format!("{} of these", percent(same.value)), String::new()]);
    }
    table.push(["one of the two is wrong".to_owned(), share(&mistakes.uncommon), percent(mistakes.uncommon_expected)]);
    table.push(["... A alone".to_owned(), share(&mistakes.first_alone), String::new()]);
    table.push(["... B alone".to_owned(), share(&mistakes.second_alone), String::new()]);
    table.push(["they answer differently".to_owned(), share(&mistakes.disagreement), String::new()]);
    let number = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"));
    table.push(["consistency of their mistakes (kappa)".to_owned(), number(mistakes.consistency), "0".to_owned()]);
    table
}

/// What the referee says.
pub fn clarity_sentence(clarity: &Clarity) -> String {
    let mean = |mean: Option<f64>| mean.map_or_else(|| "undefined".to_owned(), |mean| format!("{mean:.3}"));
    let [first, second] = [clarity.first_alone, clarity.second_alone];
    let compared = clarity.difference.map_or_else(
        || "too few to compare".to_owned(),
        |difference| format!("difference {:+.3} ({:+.3} to {:+.3})", difference.value, difference.low, difference.high),
    );
    format!(
        "The referee's uncertainty (0 sure, 1 knows nothing) is {} on the {} images that A alone has wrong and {} on the {} that B alone has \
         wrong: {compared}; {} where both are wrong, {} where both are right.",
        mean(first.mean),
        count(first.images),
        mean(second.mean),
        count(second.images),
        mean(clarity.both.mean),
        mean(clarity.neither.mean)
    )
}

/// Similarity in a sentence.
pub fn similarity_sentence(similarity: &Similarity) -> String {
    format!(
        "How alike layers see the same {} images (centred kernel alignment, unbiased, {}; 1 alike, the floor is that of images which do not \
         belong together):",
        count(similarity.images),
        if similarity.batches == 1 { "one batch".to_owned() } else { format!("{} batches", count(similarity.batches)) },
    )
}

/// Every layer of the first with its namesake in the second, or with the one that is most alike.
pub fn layers(similarity: &Similarity) -> Table {
    let mut table = Table::new(&[
        ("layer of A", Align::Left),
        ("layer of B", Align::Left),
        ("alike", Align::Right),
        ("floor", Align::Right),
    ]);
    let step = similarity.first.len().div_ceil(SHOWN).max(1);
    for row in (0..similarity.first.len()).step_by(step) {
        if let Some(pair) = counterpart(similarity, row) {
            table.push([pair.first.clone(), pair.second.clone(), alike(pair), number(pair.floor)]);
        }
    }
    table
}

/// The pair of a layer of the first.
pub fn counterpart(similarity: &Similarity, row: usize) -> Option<&TapPair> {
    let width = similarity.second.len();
    let pairs = similarity.pairs.get(row * width..(row + 1) * width)?;
    let same = pairs.iter().find(|pair| pair.first == pair.second);
    let value = |pair: &TapPair| pair.unbiased.unwrap_or(f64::NEG_INFINITY);
    same.or_else(|| pairs.iter().max_by(|left, right| value(left).total_cmp(&value(right))))
}

fn alike(pair: &TapPair) -> String {
    let error = pair.standard_error.map_or_else(String::new, |error| format!(" +-{:.3}", 2.0 * error));
    format!("{}{error}", number(pair.unbiased))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"))
}

/// Distance in a sentence.
pub fn distance_sentence(distance: &Movement) -> String {
    let relative = |module: &heirloom_transfer::fit::trained::ModuleMovement| {
        module.relative.map_or_else(String::new, |share| format!(", {} of A's norm", percent(share)))
    };
    let most = distance.modules.iter().max_by(|left, right| {
        let share = |module: &&heirloom_transfer::fit::trained::ModuleMovement| module.relative.unwrap_or(0.0);
        share(left).total_cmp(&share(right))
    });
    let most = most.map_or_else(String::new, |module| {
        format!("; farthest apart is {}: {:.3}{}", module.module, module.change, relative(module))
    });
    format!("Their weights lie {:.3} apart{}{most}.", distance.all.change, relative(&distance.all))
}

/// The line in a sentence.
pub fn line_sentence(line: &PathRecord) -> String {
    let told =
        |what: &str, barrier: &Option<Barrier>| barrier.as_ref().map(|barrier| format!("{what}{}", told(barrier)));
    let anew = told("with batch-norm statistics measured anew ", &line.anew);
    let as_is = told(if anew.is_some() { "with statistics as they lie between " } else { "" }, &line.as_is);
    let barriers: Vec<String> = anew.into_iter().chain(as_is).collect();
    let average = line.average.as_ref().map_or_else(String::new, |average| {
        let over =
            [average.over_first, average.over_second].map(|over| over.as_ref().map_or_else(String::new, points_of));
        format!(
            " The mean of both models' weights answers {} right: {} against A, {} against B.",
            percent(average.accuracy.value),
            over[0],
            over[1]
        )
    });
    format!("On the straight line from A to B, on {} images, {}.{average}", count(line.images), barriers.join(", and "))
}

/// The basin in a sentence.
pub fn basin_sentence(basin: &Basin) -> String {
    let Basin { loss, epsilon, distance, draws, .. } = basin;
    let edge = match (basin.delta, basin.edges.last()) {
        (Some(delta), _) => format!("it rises by twice that {delta:.2} away"),
        (None, Some(last)) => format!("it does not rise by twice that up to {:.2} away", last.delta),
        (None, None) => "how far it reaches is unknown".to_owned(),
    };
    format!(
        "Basin: between the two the loss is {loss:.4} and varies by {epsilon:.4} (epsilon); {edge} (delta), both with noise on all weights and \
         beyond the ends. The two lie {distance:.2} apart; {draws} draws behind every figure, delta in steps of two."
    )
}

fn told(barrier: &Barrier) -> String {
    let Some(fall) = &barrier.fall else { return "there is a point where the network computes no numbers".to_owned() };
    let where_ = format!("accuracy falls {} below the ends at {:.2}", points_of(fall).replace('+', ""), barrier.at);
    match barrier.verdict {
        BarrierVerdict::Barrier => format!("there is a barrier: {where_}"),
        BarrierVerdict::None => format!("there is no barrier ({where_})"),
        BarrierVerdict::Unclear => format!("a barrier cannot be told from none ({where_})"),
    }
}

/// Modules put back in a sentence.
pub fn rewind_sentence(rewind: &Rewind) -> String {
    let share = |share: &Option<heirloom_transfer::fit::Share>| {
        share.as_ref().map_or_else(|| "no numbers".to_owned(), |share| percent(share.value))
    };
    let anew = rewind.statistics_images.map_or("", |_| ", batch-norm statistics measured anew after every change");
    let sum = match (rewind.limit, rewind.criticality) {
        (Some(limit), Some(sum)) => format!(
            " Criticality of the network, for an error of at most {} on training images: {} ({} nats of complexity).",
            percent(limit),
            short(sum),
            short(rewind.complexity())
        ),
        (Some(limit), None) => format!(
            " For one module there is no point where the error on training images stays within {}.",
            percent(limit)
        ),
        (None, _) => String::new(),
    };
    let head = if rewind.modules.iter().any(|module| module.module == "head") {
        ""
    } else {
        " (the head stays: that of A reads or scales other columns)"
    };
    format!(
        "Modules of B put back to where A has them, one at a time, on {} images{anew}{head}: {} with none put back, {} with all of them.{sum}",
        count(rewind.images),
        share(&rewind.trained),
        share(&rewind.start)
    )
}

/// Modules put back as a table.
pub fn modules(rewind: &Rewind) -> Table {
    let mut columns = vec![
        ("module", Align::Left),
        ("distance", Align::Right),
        ("costs, put back", Align::Right),
        ("costs, drawn anew", Align::Right),
    ];
    if rewind.limit.is_some() {
        columns.extend([("criticality", Align::Right), ("at", Align::Right)]);
    }
    let mut table = Table::new(&columns);
    let cost = |drop: &Option<Difference>| drop.as_ref().map_or_else(|| "-".to_owned(), points_of);
    for module in &rewind.modules {
        let mut row = vec![
            module.module.clone(),
            format!("{:.3}", module.distance),
            cost(&module.drop),
            cost(&module.random_drop),
        ];
        if let Some(criticality) = &module.criticality {
            row.push(criticality.value.map_or_else(|| "+inf".to_owned(), short));
            row.push(criticality.share.map_or_else(String::new, |share| format!("{share:.1}")));
        }
        table.push(row);
    }
    table
}

/// Three digits of a number of any size.
fn short(value: f64) -> String {
    if value == 0.0 || (0.01..1e4).contains(&value) { format!("{value:.2}") } else { format!("{value:.2e}") }
}

/// Points of the line.
pub fn points(line: &PathRecord) -> Table {
    let anew = line.statistics_images.is_some();
    let mut columns = vec![("at", Align::Right), ("accuracy", Align::Right), ("loss", Align::Right)];
    if anew {
        columns.extend([("accuracy, anew", Align::Right), ("loss, anew", Align::Right)]);
    }
    let mut table = Table::new(&columns);
    let cells = |judged: &Option<heirloom_audit::diff::Judged>| match judged {
        Some(judged) => [percent(judged.accuracy.value), format!("{:.3}", judged.loss)],
        None => ["no numbers".to_owned(), String::new()],
    };
    for point in &line.points {
        let mut row = vec![format!("{:.2}", point.share)];
        row.extend(cells(&point.as_is));
        if anew {
            row.extend(cells(&point.anew));
        }
        table.push(row);
    }
    table
}
