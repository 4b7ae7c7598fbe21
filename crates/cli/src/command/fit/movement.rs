//! How far training moved the weights: the section of the report and the line of the terminal.

use heirloom_report::{Align, Block, Section, Table, count, percent};
use heirloom_transfer::fit::trained::{ModuleMovement, Movement};

/// A share in percent with two digits that say something, however small it is.
fn small_percent(share: f64) -> String {
    let shown = 100.0 * share;
    if shown >= 1.0 || shown <= 0.0 {
        return percent(share);
    }
    let decimals = (-shown.log10()).ceil() as usize + 1;
    format!("{shown:.decimals$} %")
}

/// The line of the terminal.
pub fn line(movement: &Movement) -> String {
    let share = |module: &ModuleMovement| module.relative.map_or_else(|| "from zero".to_owned(), small_percent);
    let relative = |module: &&ModuleMovement| module.relative.is_some();
    let by_share = |a: &&ModuleMovement, b: &&ModuleMovement| {
        a.relative.unwrap_or_default().total_cmp(&b.relative.unwrap_or_default())
    };
    let moved = || movement.modules.iter().filter(relative);
    let ends = match (moved().max_by(by_share), moved().min_by(by_share)) {
        (Some(most), Some(least)) if most.module != least.module => {
            format!("; most {} ({}), least {} ({})", most.module, share(most), least.module, share(least))
        }
        _ => String::new(),
    };
    format!("the weights by {} of their norm{ends}", share(&movement.all))
}

/// The section of the report.
pub fn section(movement: &Movement) -> Section {
    Section::new("How far did the weights move?")
        .with(Block::Paragraph(
            "Euclidean norms over the trained parameters of each module, from the input to the output. Where the change is small in every \
             module but the last, training was mostly a new readout of features that were there; where early modules moved, the features \
             themselves are new."
                .into(),
        ))
        .with(Block::Table(table(movement)))
}

fn table(movement: &Movement) -> Table {
    let mut table = Table::new(&[
        ("module", Align::Left),
        ("trained parameters", Align::Right),
        ("norm before", Align::Right),
        ("norm of the change", Align::Right),
        ("change / norm", Align::Right),
        ("of the squared change", Align::Right),
    ]);
    let whole = movement.all.change.powi(2);
    for module in movement.modules.iter().chain([&movement.all]) {
        table.push([
            module.module.clone(),
            count(module.parameters),
            format!("{:.3}", module.norm),
            format!("{:.4}", module.change),
            module.relative.map_or_else(|| "began at zero".to_owned(), small_percent),
            percent(if whole > 0.0 { module.change.powi(2) / whole } else { 0.0 }),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, norm: f64, change: f64) -> ModuleMovement {
        let relative = (norm > 0.0).then(|| change / norm);
        ModuleMovement { module: name.into(), parameters: 1000, norm, change, relative }
    }

    #[test]
    fn the_table_and_the_line_say_where_the_weights_moved() {
        let modules = vec![module("conv1", 2.0, 0.01), module("layer1.0", 4.0, 0.2), module("fc", 0.0, 0.5)];
        let movement = Movement { all: module("all", 20.0_f64.sqrt(), 0.29_f64.sqrt()), modules };
        assert_eq!(line(&movement), "the weights by 12.0 % of their norm; most layer1.0 (5.0 %), least conv1 (0.50 %)");
        assert_eq!(
            [0.0, 1.0, 0.012, 0.0012, 0.000_034].map(small_percent),
            ["0.0 %", "100.0 %", "1.2 %", "0.12 %", "0.0034 %"]
        );
        let table = table(&movement);
        assert_eq!(table.rows()[1], ["layer1.0", &count(1000), "4.000", "0.2000", "5.0 %", "13.8 %"]);
        assert_eq!(table.rows()[2][4], "began at zero");
        assert_eq!(table.rows()[3][0], "all");
    }
}
