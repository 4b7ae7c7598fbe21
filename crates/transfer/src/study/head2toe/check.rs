//! The figures that the recipe holds, and whether they still come out.

use serde::{Deserialize, Serialize};

use super::record::{Check, ExpectedFigure, TargetResult};

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

    /// The figures of the recipe that `results` have, compared; `None` where they share none.
    #[must_use]
    pub fn check(&self, results: &[TargetResult]) -> Option<Check> {
        let found = figures(results);
        let known = |expected: &&ExpectedFigure| results.iter().any(|result| result.name == expected.target);
        let compared: Vec<(&ExpectedFigure, Option<f64>)> = self
            .figures
            .iter()
            .filter(known)
            .filter_map(|expected| {
                let same = |figure: &&ExpectedFigure| {
                    (&figure.target, &figure.network, &figure.method)
                        == (&expected.target, &expected.network, &expected.method)
                };
                found.iter().find(same).map(|figure| (expected, Some(figure.accuracy)))
            })
            .collect();
        let far = |(expected, found): &&(&ExpectedFigure, Option<f64>)| {
            found.is_none_or(|found| (found - expected.accuracy).abs() > self.tolerance)
        };
        let differences = compared.iter().filter(far).map(|(expected, found)| {
            (format!("{}, {} on {}", expected.target, expected.method, expected.network), expected.accuracy, *found)
        });
        let differences = differences.collect();
        (!compared.is_empty()).then_some(Check { figures: compared.len(), tolerance: self.tolerance, differences })
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
        assert_eq!(check.differences, [("usps, linear on net".to_string(), 90.0, Some(88.0))]);
        assert_eq!(expected.check(&[]), None);
    }

    #[test]
    fn the_recipe_can_be_read() {
        assert!(Expected::stored().unwrap().tolerance > 0.0);
    }
}
