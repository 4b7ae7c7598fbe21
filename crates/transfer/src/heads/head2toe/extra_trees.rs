//! How much columns help to separate the classes, by extremely randomised trees (Geurts, Ernst, Wehenkel, Machine Learning 63, 2006):
//!
//! ```text
//! importance of column j in a tree = sum over the nodes that split on j of  n/N (gini - n_left/n gini_left - n_right/n gini_right)
//! ```
//!
//! Each node looks at `sqrt(D)` columns drawn anew, cuts each at one threshold drawn between the least and the largest value of its rows,
//! and takes the cut that lowers the Gini impurity most. Trees grow on all rows until leaves are pure. A tree's importances add up to 1,
//! and the forest's are their mean: what scikit-learn's `ExtraTreesClassifier` calls `feature_importances_`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::super::dense::Matrix;
use super::group_lasso::Rows;
use super::panel::Panel;

/// Trees of a forest (`spec/head2toe.md` section 3).
const TREES: usize = 50;

/// Importance of every column. A seed and the number of the tree fix what it draws, so threads change nothing.
pub(super) fn importances(panel: &Panel<'_>, rows: &Rows<'_>, seed: u64) -> Vec<f64> {
    let varying: Vec<usize> = (0..panel.columns()).filter(|&column| panel.varies(column)).collect();
    let trees: Vec<Vec<(usize, f64)>> =
        (0..TREES as u64).into_par_iter().map(|tree| Tree::new(panel, rows, &varying, seed, tree).grow()).collect();
    let mut out = vec![0.0; panel.columns()];
    for (column, importance) in trees.into_iter().flatten() {
        out[column] += importance / TREES as f64;
    }
    out
}

/// A tree while it grows.
struct Tree<'a> {
    panel: &'a Panel<'a>,
    rows: &'a Rows<'a>,
    /// Columns to draw from, in an order that every node changes.
    columns: Vec<usize>,
    random: ChaCha8Rng,
}

/// The best cut of a node.
struct Cut {
    column: usize,
    /// By how much the impurity falls, times the node's rows.
    decrease: f64,
    /// Whether each of the node's rows goes left.
    left: Vec<bool>,
}

impl<'a> Tree<'a> {
    fn new(panel: &'a Panel<'a>, rows: &'a Rows<'a>, varying: &[usize], seed: u64, number: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        Self { panel, rows, columns: varying.to_vec(), random }
    }

    /// Columns that the tree splits on with their importance, once for each split.
    fn grow(mut self) -> Vec<(usize, f64)> {
        let mut waiting: Vec<Vec<usize>> = vec![(0..self.rows.labels.len()).collect()];
        let mut found = Vec::new();
        while let Some(node) = waiting.pop() {
            let Some(cut) = self.cut(&node) else { continue };
            found.push((cut.column, cut.decrease));
            let side = |wanted: bool| -> Vec<usize> {
                let rows = node.iter().zip(&cut.left).filter(|(_, left)| **left == wanted);
                rows.map(|(row, _)| *row).collect()
            };
            waiting.extend([side(false), side(true)]);
        }
        let total: f64 = found.iter().map(|(_, decrease)| decrease).sum();
        found.iter_mut().for_each(|(_, decrease)| *decrease /= total.max(f64::MIN_POSITIVE));
        found
    }

    /// The best of the cuts drawn; `None` in a pure node, and where no column tells its rows apart.
    fn cut(&mut self, node: &[usize]) -> Option<Cut> {
        let first = self.rows.labels[*node.first()?];
        if node.iter().all(|row| self.rows.labels[*row] == first) {
            return None;
        }
        let wanted = ((self.columns.len() as f64).sqrt() as usize).max(1);
        let mut drawn = 0;
        while drawn < self.columns.len() {
            let next = wanted.min(self.columns.len() - drawn);
            self.draw(drawn, next);
            let columns = self.columns[drawn..drawn + next].to_vec();
            drawn += next;
            if let Some(cut) = self.best_of(node, &columns) {
                return Some(cut);
            }
        }
        None
    }

    /// Brings `count` columns drawn from those after the first `from` to the front of these.
    fn draw(&mut self, from: usize, count: usize) {
        for place in from..from + count {
            let other = place + (self.uniform() * (self.columns.len() - place) as f64) as usize;
            self.columns.swap(place, other);
        }
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The best cut of some columns; of equals the one drawn first, so that no place among the columns is favoured. Constant columns
    /// give none.
    fn best_of(&mut self, node: &[usize], drawn: &[usize]) -> Option<Cut> {
        let mut columns = drawn.to_vec();
        columns.sort_unstable();
        let positions: Vec<usize> = node.iter().map(|row| self.rows.positions[*row]).collect();
        let values = self.panel.gather(&columns, &positions);
        let labels: Vec<usize> = node.iter().map(|row| self.rows.labels[*row]).collect();
        let mut best: Option<Cut> = None;
        for &column in drawn {
            let at = columns.partition_point(|other| *other < column);
            let Some(threshold) = self.threshold(&values, at) else { continue };
            let left: Vec<bool> = (0..values.rows).map(|row| values.row(row)[at] <= threshold).collect();
            let decrease = decrease(&labels, &left, self.rows.classes);
            if best.as_ref().is_none_or(|best| decrease > best.decrease) {
                best = Some(Cut { column, decrease, left });
            }
        }
        best
    }

    /// A threshold below the column's largest value, so that both sides get a row; `None` for a constant column.
    fn threshold(&mut self, values: &Matrix, column: usize) -> Option<f32> {
        let each = (0..values.rows).map(|row| values.row(row)[column]);
        let (least, largest) = each
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, largest), value| (least.min(value), largest.max(value)));
        if least >= largest {
            return None;
        }
        let drawn = (f64::from(least) + self.uniform() * (f64::from(largest) - f64::from(least))) as f32;
        Some(if drawn >= largest { least } else { drawn })
    }
}

/// Rows times impurity, less the same of both sides.
fn decrease(labels: &[usize], left: &[bool], classes: usize) -> f64 {
    let mut counts = [vec![0.0_f64; classes], vec![0.0_f64; classes]];
    for (&label, &left) in labels.iter().zip(left) {
        counts[usize::from(left)][label] += 1.0;
    }
    let both: Vec<f64> = counts[0].iter().zip(&counts[1]).map(|(one, other)| one + other).collect();
    weighted_gini(&both) - weighted_gini(&counts[0]) - weighted_gini(&counts[1])
}

/// `n (1 - sum_c (n_c/n)^2)`.
fn weighted_gini(counts: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let squares: f64 = counts.iter().map(|count| count * count).sum();
    if total > 0.0 { total - squares / total } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;
    use serde::Deserialize;

    use super::super::super::normalization::Normalization;
    use super::*;
    use crate::{Block, Features, Pooling};

    #[derive(Deserialize)]
    struct Reference {
        rows: usize,
        columns: usize,
        classes: usize,
        labels: Vec<usize>,
        extra_trees: Vec<f64>,
    }

    fn features(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Features {
        let values = (0..rows * columns).map(|at| value(at / columns, at % columns) as f32).collect();
        let shape = Shape::Vector { channels: columns };
        Features {
            rows,
            blocks: vec![Block { tap: "tap".into(), shape, pooling: Pooling::MEAN, width: columns, values }],
        }
    }

    fn importances_of(features: &Features, labels: &[usize], classes: usize, seed: u64) -> Vec<f64> {
        let everything: Vec<usize> = (0..features.rows).collect();
        let panel = Panel::new(features, &[&features.blocks[0]], &everything, Normalization::None).unwrap();
        importances(&panel, &Rows { positions: &everything, labels, classes }, seed)
    }

    /// scikit-learn's importances, the mean over 20 000 trees; ours the mean over 2 000 of 40 seeds. A tree's own spread is about 0.05,
    /// so that the means differ by some thousandths at most.
    #[test]
    fn importances_agree_with_scikit_learn() {
        let text = include_str!("../../../tests/data/scorer_reference.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let value = |row: usize, column: usize| {
            let value = ((row * 37 + column * 101 + row * column * 13) % 211) as f64 / 211.0;
            (value - 0.3).max(0.0)
        };
        let features = features(reference.rows, reference.columns, value);
        let mut mean = vec![0.0; reference.columns];
        for seed in 0..40 {
            let found = importances_of(&features, &reference.labels, reference.classes, seed);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            mean.iter_mut().zip(found).for_each(|(mean, found)| *mean += found / 40.0);
        }
        for (column, (found, expected)) in mean.iter().zip(&reference.extra_trees).enumerate() {
            assert!((found - expected).abs() < 0.006, "column {column}: {found} {expected}");
        }
    }

    /// Five of 300 columns follow the class; a constant one never counts.
    #[test]
    fn planted_columns_come_first_for_any_number_of_threads() {
        let planted = [17, 60, 131, 202, 299];
        let labels: Vec<usize> = (0..90).map(|row| row % 3).collect();
        let noise = |row: usize, column: usize| {
            let mut state = (row as u64 * 1_000_003 + column as u64 * 7919).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        let value = |row: usize, column: usize| match column {
            4 => 0.5,
            _ if planted.contains(&column) => 0.6 * noise(row, column) + 0.5 * ((labels[row] + column) % 3) as f64,
            _ => noise(row, column),
        };
        let features = features(90, 300, value);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| importances_of(&features, &labels, 3, 1))
        };
        let found = run(1);
        assert_eq!(found, run(2));
        assert_eq!(found[4], 0.0);
        let mut order: Vec<usize> = (0..300).collect();
        order.sort_by(|a, b| found[*b].total_cmp(&found[*a]));
        let mut first = order[..5].to_vec();
        first.sort_unstable();
        assert_eq!(first, planted);
        assert_ne!(found, importances_of(&features, &labels, 3, 2), "another seed draws otherwise");
    }

    #[test]
    fn a_cut_that_separates_takes_all_of_the_impurity() {
        let labels = [0, 0, 1, 1];
        assert!((decrease(&labels, &[true, true, false, false], 2) - 2.0).abs() < 1e-12);
        assert!(decrease(&labels, &[true, false, true, false], 2).abs() < 1e-12);
        let alike = features(4, 2, |_, column| column as f64);
        assert_eq!(importances_of(&alike, &labels, 2, 0), [0.0, 0.0]);
    }
}
