//! Properties of the group lasso and of the selection (`spec/head2toe.md` section 11).

use heirloom_engine::Shape;

use super::super::affine::Affine;
use super::super::normalization::Normalization;
use super::adam::{self, AdamRecipe};
use super::adam_heads;
use super::group_lasso::{Optimum, Rows, path};
use super::panel::Panel;
use super::ranking::rank_by_optimum;
use crate::{Block, ClassTokenMode, Features, Pooling};

const ROWS: usize = 48;
const CLASSES: usize = 3;

/// A reproducible value in [0, 1).
fn value(row: usize, column: usize, tap: usize) -> f32 {
    let mut state = (row as u64 * 1_000_003 + column as u64 * 7919 + tap as u64 * 104_729).wrapping_add(0x9E37_79B9);
    state ^= state >> 15;
    state = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
    ((state >> 40) as f32) / (1_u64 << 24) as f32
}

fn labels() -> Vec<usize> {
    (0..ROWS).map(|row| (row * 7 / 3) % CLASSES).collect()
}

fn block(tap: &str, width: usize, values: Vec<f32>) -> Block {
    let pooling = Pooling { target: 1, class_token: ClassTokenMode::Normal };
    Block { tap: tap.into(), shape: Shape::Vector { channels: width }, pooling, width, values }
}

/// Two taps; in each, the first columns follow the class, the rest do not.
fn features() -> Features {
    let labels = labels();
    let of_tap = |tap: usize, width: usize| {
        let entry = |row: usize, column: usize| {
            let signal = if column < CLASSES && labels[row] == column { 0.8 } else { 0.0 };
            value(row, column, tap) + signal
        };
        (0..ROWS * width).map(|at| entry(at / width, at % width)).collect::<Vec<f32>>()
    };
    Features { rows: ROWS, blocks: vec![block("early", 30, of_tap(1, 30)), block("late", 20, of_tap(2, 20))] }
}

fn solve(features: &Features, labels: &[usize], ratios: &[f64], gap: f64) -> (Vec<Optimum>, Vec<usize>) {
    let everything: Vec<usize> = (0..features.rows).collect();
    let blocks: Vec<&Block> = features.blocks.iter().collect();
    let panel = Panel::new(features, &blocks, &everything, Normalization::UnitVector).unwrap();
    let rows = Rows { positions: &everything, labels, classes: CLASSES };
    let optima = path(&panel, &rows, ratios, gap).unwrap();
    let ranking = rank_by_optimum(optima.last().unwrap(), &panel, panel.columns());
    (optima, ranking)
}

fn total(optimum: &Optimum) -> f64 {
    optimum.active.iter().map(|(_, norm)| norm).sum()
}

/// P7: zero at and above the largest penalty, and a norm that never grows with the penalty. The certificate holds at each:
/// no gradient norm beyond the penalty by more than what the gap allows, and equality on the active columns.
#[test]
fn the_path_starts_at_zero_and_obeys_its_certificate() {
    let (optima, _) = solve(&features(), &labels(), &[1.0, 0.5, 0.2, 0.05], 1e-6);
    assert!(total(&optima[0]) < 1e-3, "{}", total(&optima[0]));
    for pair in optima.windows(2) {
        assert!(total(&pair[1]) >= total(&pair[0]) - 1e-6);
        assert!(pair[1].lambda < pair[0].lambda && pair[1].objective <= pair[0].objective + 1e-9);
    }
    for optimum in &optima {
        assert!(optimum.relative_gap <= 1e-6, "ratio {}: {}", optimum.ratio, optimum.relative_gap);
        let largest = optimum.gradient_norms.iter().copied().fold(0.0, f32::max);
        assert!(f64::from(largest) <= optimum.lambda * 1.02, "ratio {}", optimum.ratio);
        for &(column, norm) in optimum.active.iter().filter(|(_, norm)| *norm > 1e-2) {
            let gradient = f64::from(optimum.gradient_norms[column]);
            assert!((gradient / optimum.lambda - 1.0).abs() < 0.02, "column {column} of norm {norm}: {gradient}");
        }
    }
}

/// P2: the names of the classes change nothing but the order of the weights' columns.
#[test]
fn permuting_classes_leaves_scores_and_selection() {
    let permuted: Vec<usize> = labels().iter().map(|label| (label + 1) % CLASSES).collect();
    let (one, ranking) = solve(&features(), &labels(), &[0.3, 0.1], 1e-6);
    let (other, permuted_ranking) = solve(&features(), &permuted, &[0.3, 0.1], 1e-6);
    let largest = one[1].active.iter().map(|(_, norm)| *norm).fold(0.0, f64::max);
    for (column, norm) in &one[1].active {
        let found = other[1].active.iter().find(|(same, _)| same == column).map_or(0.0, |(_, norm)| *norm);
        assert!((norm - found).abs() < 1e-2 * largest, "column {column}: {norm} {found}");
    }
    assert_eq!(ranking[0], permuted_ranking[0]);
}

/// P3: taps in another order give the same columns.
#[test]
fn permuting_taps_permutes_the_columns() {
    let mut turned = features();
    turned.blocks.reverse();
    let (_, ranking) = solve(&features(), &labels(), &[0.3, 0.1], 1e-7);
    let (_, turned) = solve(&turned, &labels(), &[0.3, 0.1], 1e-7);
    let mut back: Vec<usize> = turned[..6].iter().map(|&c| if c < 20 { c + 30 } else { c - 20 }).collect();
    let mut first = ranking[..6].to_vec();
    first.sort_unstable();
    back.sort_unstable();
    assert_eq!(first, back);
}

/// P8: the rows of a duplicated column add up to the row of the single one, and a constant column never ranks.
#[test]
fn a_duplicate_splits_its_norm_and_a_constant_column_is_never_taken() {
    let labels = labels();
    let plain: Vec<f32> =
        (0..ROWS).flat_map(|row| [value(row, 9, 3) + f32::from(u8::from(labels[row] == 0))]).collect();
    // A second tap that is constant up to normalisation keeps the first tap's columns free of it.
    let wide = |copies: usize| -> Vec<f32> {
        (0..ROWS).flat_map(|row| vec![plain[row]; copies].into_iter().chain([0.0]).collect::<Vec<f32>>()).collect()
    };
    let solve_raw = |copies: usize| {
        let features = Features { rows: ROWS, blocks: vec![block("tap", copies + 1, wide(copies))] };
        let everything: Vec<usize> = (0..ROWS).collect();
        let panel = Panel::new(&features, &[&features.blocks[0]], &everything, Normalization::None).unwrap();
        assert_eq!((panel.columns(), panel.varying()), (copies + 1, copies));
        let rows = Rows { positions: &everything, labels: &labels, classes: CLASSES };
        let optimum = path(&panel, &rows, &[0.5, 0.2], 1e-7).unwrap().swap_remove(1);
        let ranking = rank_by_optimum(&optimum, &panel, panel.columns());
        assert_eq!(ranking.len(), copies);
        assert!(!ranking.contains(&copies), "the constant column was taken");
        total(&optimum)
    };
    let (single, double) = (solve_raw(1), solve_raw(2));
    assert!((single - double).abs() < 1e-2 * single, "{single} {double}");
}

/// P5: a fraction of 1 keeps every column, and the head is that of all columns without a penalty, from the same first weights
/// and the same order of rows.
#[test]
fn the_whole_of_the_columns_gives_the_unpenalised_head_on_all_of_them() {
    let (features, labels) = (features(), labels());
    let everything: Vec<usize> = (0..ROWS).collect();
    let blocks: Vec<&Block> = features.blocks.iter().collect();
    let panel = Panel::new(&features, &blocks, &everything, Normalization::UnitVector).unwrap();
    let rows = Rows { positions: &everything, labels: &labels, classes: CLASSES };
    let recipe = AdamRecipe { steps: 60, batch: 16, lambda: 0.01, ..AdamRecipe::default() };
    let heads = adam_heads(&panel, &rows, &[0, 1, 2], CLASSES, &[0.2, 1.0], &recipe);
    let all: Vec<usize> = (0..50).collect();
    let matrix = panel.gather(&all, &everything);
    let plain = adam::train(&matrix, &labels, CLASSES, &recipe, 0.0);
    let penalised = adam::train(&matrix, &labels, CLASSES, &recipe, 0.01);
    let distance = |one: &Affine, other: &Affine| {
        one.weights.iter().zip(&other.weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert_eq!((heads[0].0.len(), &heads[1].0), (10, &all));
    assert!(distance(&heads[1].1, &plain) < 1e-3, "{}", distance(&heads[1].1, &plain));
    assert!(distance(&heads[1].1, &penalised) > 1e-2, "the penalty would be seen");
}

/// P1: every tap of a normalised row has norm 1 or 0, before and after selection.
#[test]
fn taps_have_unit_norm_before_and_after_selection() {
    let features = features();
    let everything: Vec<usize> = (0..ROWS).collect();
    let blocks: Vec<&Block> = features.blocks.iter().collect();
    let panel = Panel::new(&features, &blocks, &everything, Normalization::UnitVector).unwrap();
    let all = panel.gather(&(0..50).collect::<Vec<_>>(), &everything);
    let selected = panel.selected(&[1, 4, 29, 33]);
    for row in 0..ROWS {
        for part in [&all.row(row)[..30], &all.row(row)[30..], &selected.row(row)[..3], &selected.row(row)[3..]] {
            let square: f32 = part.iter().map(|value| value * value).sum();
            assert!((square - 1.0).abs() < 1e-5, "row {row}: {square}");
        }
    }
    assert_eq!(panel.inputs(&[1, 4, 29, 33]).iter().map(super::super::Input::count).collect::<Vec<_>>(), [3, 1]);
}
