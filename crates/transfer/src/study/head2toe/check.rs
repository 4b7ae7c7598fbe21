//! The figures that the recipe holds, and whether they still come out.

use serde::{Deserialize, Serialize};

use super::record::{ExpectedFigure, TargetResult};
use crate::study::{Check, Difference};

/// Figures of an earlier run (`recipes/head2toe/expected.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Rows a target, draws, epochs: the run that the figures are of.
    pub run: String,
    /// Largest difference allowed, in points. A seed fixes every figure, but other kernels round otherwise.
    pub tolerance: f64,
    /// The figures.
    pub figures: Vec<ExpectedFigure>,
}

impl Expected {
    /// The figures that are part of the program.
    ///
    /// # Errors
    /// A recipe that cannot be read.
    pub fn stored() -> Result<Self, String> {
        let text = include_str!("../../../../../recipes/head2toe/expected.json");
        serde_json::from_str(text).map_err(|error| format!("recipes/head2toe/expected.json: {error}"))
    }

    /// The figures of the recipe that `results` have, compared: a part that was not run is no difference. `None` where they share none.
    #[must_use]
    pub fn check(&self, results: &[TargetResult]) -> Option<Check> {
        let found = figures(results);
        let place = |figure: &ExpectedFigure| (figure.target.clone(), figure.network.clone(), figure.method.clone());
        let pair = |expected| Some((expected, found.iter().find(|figure| place(figure) == place(expected))?));
        let pairs: Vec<(&ExpectedFigure, &ExpectedFigure)> = self.figures.iter().filter_map(pair).collect();
        let far = pairs.iter().filter(|(expected, found)| (found.accuracy - expected.accuracy).abs() > self.tolerance);
        let difference = |(expected, found): &(&ExpectedFigure, &ExpectedFigure)| Difference {
            what: format!("{}, {} on {}", expected.target, expected.method, expected.network),
            expected: expected.accuracy,
            found: Some(found.accuracy),
        };
        let differences = far.map(difference).collect();
        (!pairs.is_empty()).then_some(Check { figures: pairs.len(), tolerance: self.tolerance, differences })
    }
}

/// The figures of a run, as the recipe holds them: accuracy in per cent, two decimals.
#[must_use]
pub fn figures(results: &[TargetResult]) -> Vec<ExpectedFigure> {
    let of_target = |result: &TargetResult| {
        let figure = |cell: &super::Cell| ExpectedFigure {
            target: result.name.clone(),
            network: cell.network.clone(),
            method: cell.method.clone(),
            accuracy: (10_000.0 * cell.accuracy.value).round() / 100.0,
        };
        result.cells.iter().map(figure).collect::<Vec<_>>()
    };
    results.iter().flat_map(of_target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Share;

    fn result(accuracy: usize) -> TargetResult {
        let cell = super::super::Cell {
            network: "net".into(),
            method: "linear".into(),
            accuracy: Share::of(accuracy, 1000),
            by_draw: vec![],
            choices: vec![],
            operations: 1.0,
            stored_bytes: 1.0,
        };
        TargetResult {
            name: "usps".into(),
            group: "far".into(),
            about: "digits".into(),
            classes: 10,
            train: 640,
            test: 1000,
            majority: 0.1,
            cells: vec![cell],
            relations: vec![],
            windows: vec![],
            oracle: None,
            cost: vec![],
            failed: vec![],
        }
    }

    #[test]
    fn what_came_out_differently_is_named() {
        let expected = Expected { run: "r".into(), tolerance: 1.0, figures: figures(&[result(900)]) };
        assert_eq!(expected.check(&[result(905)]).unwrap().differences, []);
        let check = expected.check(&[result(880)]).unwrap();
        let difference = Difference { what: "usps, linear on net".into(), expected: 90.0, found: Some(88.0) };
        assert_eq!(check.differences, [difference]);
        assert_eq!(expected.check(&[]), None);
    }

    #[test]
    fn the_recipe_can_be_read() {
        assert!(Expected::stored().unwrap().tolerance > 0.0);
    }
}
