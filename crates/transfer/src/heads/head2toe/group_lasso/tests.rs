//! The solver beside an independent one: `tests/reference/row_lasso.py`, all columns at once in double precision to a gap of 1e-10.

use heirloom_engine::Shape;
use serde::Deserialize;

use super::super::super::normalization::Normalization;
use super::*;
use crate::{Block, ClassTokenMode, Features, Pooling};

/// Relative gap asked for.
const GAP: f64 = 1e-6;
/// What rounding the scaled columns to single precision may change of an objective, as a share of the loss without weights.
const COLUMN_ROUNDING: f64 = 1e-7;

#[derive(Deserialize)]
struct Problem {
    rows: usize,
    classes: usize,
    widths: Vec<usize>,
    scaled: bool,
    /// Penalty at which all weights are zero.
    largest: f64,
    /// Loss without weights.
    null: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    share: f64,
    objective: f64,
    nonzero: Vec<usize>,
    norms: Vec<f64>,
}

fn problems() -> Vec<Problem> {
    serde_json::from_str(include_str!("../../../../tests/data/group_lasso_reference.json")).unwrap()
}

/// A number in [0, 1) with 24 bits, as the script has it.
fn uniform(tap: u64, row: usize, column: usize) -> f32 {
    let mut state = (row as u64).wrapping_mul(1_000_003).wrapping_add(column as u64 * 7919);
    state = state.wrapping_add(tap * 104_729).wrapping_add(0x9E37_79B9_7F4A_7C15);
    for multiplier in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
        state = (state ^ (state >> 30)).wrapping_mul(multiplier);
    }
    state ^= state >> 31;
    (state >> 40) as f32 / (1_u64 << 24) as f32
}

impl Problem {
    fn labels(&self) -> Vec<usize> {
        (0..self.rows).map(|row| (uniform(0, row, 0) * self.classes as f32) as usize).collect()
    }

    /// One column in eight follows a class, the more weakly the later it stands.
    fn features(&self, labels: &[usize]) -> Features {
        let value = |tap: usize, row: usize, column: usize| {
            let follows = column.is_multiple_of(8) && labels[row] == (column / 8) % self.classes;
            let signal = if follows { 0.5 / (1 + column / 64) as f32 } else { 0.0 };
            uniform(tap as u64 + 1, row, column) + signal
        };
        let block = |(tap, &width): (usize, &usize)| Block {
            tap: format!("tap{tap}"),
            shape: Shape::Vector { channels: width },
            pooling: Pooling { target: 1, class_token: ClassTokenMode::Normal },
            width,
            values: (0..self.rows * width).map(|at| value(tap, at / width, at % width)).collect(),
        };
        Features { rows: self.rows, blocks: self.widths.iter().enumerate().map(block).collect() }
    }

    fn solve(&self, shares: &[f64], gap: f64) -> Vec<Optimum> {
        let labels = self.labels();
        let features = self.features(&labels);
        let everything: Vec<usize> = (0..self.rows).collect();
        let blocks: Vec<&Block> = features.blocks.iter().collect();
        let normalization = if self.scaled { Normalization::UnitVector } else { Normalization::None };
        let panel = Panel::new(&features, &blocks, &everything, normalization).unwrap();
        let rows = Rows { positions: &everything, labels: &labels, classes: self.classes };
        path(&panel, &rows, shares, gap, Penalty::Rows).unwrap()
    }
}

/// The same rows are nonzero, and the objective is above the reference's by no more than the gap.
#[test]
fn selection_and_objective_are_those_of_an_independent_solver() {
    for problem in problems() {
        let shares: Vec<f64> = problem.cases.iter().map(|case| case.share).collect();
        let name = format!("{}x{}x{}", problem.rows, problem.widths.iter().sum::<usize>(), problem.classes);
        for (optimum, case) in problem.solve(&shares, GAP).iter().zip(&problem.cases) {
            let at = format!("{name} at {}", case.share);
            let chosen: Vec<usize> = optimum.active.iter().map(|(column, _)| *column).collect();
            assert_eq!(chosen, case.nonzero, "{at}");
            assert!(optimum.relative_gap <= GAP, "{at}: {}", optimum.relative_gap);
            let largest = optimum.lambda / optimum.ratio;
            assert!((largest / problem.largest - 1.0).abs() < 1e-6, "{at}: {largest} {}", problem.largest);
            let above = (optimum.objective - case.objective) / problem.null;
            assert!((-COLUMN_ROUNDING..=GAP + COLUMN_ROUNDING).contains(&above), "{at}: {above} above the reference");
            for ((column, norm), expected) in optimum.active.iter().zip(&case.norms) {
                assert!((norm - expected).abs() < 0.05 * expected, "{at}, column {column}: {norm} {expected}");
            }
        }
    }
}

/// A gap that needs the products in single precision and one that does not: what either states is above its distance from the
/// reference's minimum.
#[test]
fn the_stated_gap_bounds_the_distance_from_the_minimum() {
    for problem in problems() {
        let case = &problem.cases[1];
        for gap in [1e-2, 1e-3, DOUBLE_BELOW, 1e-8] {
            let optimum = problem.solve(&[problem.cases[0].share, case.share], gap).swap_remove(1);
            let above = (optimum.objective - case.objective) / problem.null;
            assert!(optimum.relative_gap <= gap, "{}", optimum.relative_gap);
            let slack = if gap < DOUBLE_BELOW { COLUMN_ROUNDING } else { 1e-5 };
            assert!((-slack..=optimum.relative_gap + slack).contains(&above), "gap {gap}: {above} above the reference");
        }
    }
}
