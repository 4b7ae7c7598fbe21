//! Properties of the group lasso and of the selection (`spec/head2toe.md` section 11).

use heirloom_engine::Shape;

use super::super::HeadError;
use super::super::affine::{Affine, logistic_path};
use super::super::normalization::Normalization;
use super::adam::{self, AdamRecipe, Added};
use super::group_lasso::{Optimum, Rows, path};
use super::panel::Panel;
use super::penalty::Penalty;
use super::ranking::{rank_by_optimum, rank_by_sizes};
use super::replication::adam_heads;
use super::scorer::Scorer;
use super::{Head2ToeSettings, kept, most, scoring};
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
    let optima = path(&panel, &rows, ratios, gap, Penalty::Rows).unwrap();
    let ranking = rank_by_optimum(optima.last().unwrap(), (Scorer::Group, 0.0), &panel, panel.columns());
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
        let largest = optimum.gradient_norms.iter().copied().fold(0.0, f64::max);
        assert!(largest <= optimum.lambda * 1.02, "ratio {}", optimum.ratio);
        for &(column, norm) in optimum.active.iter().filter(|(_, norm)| *norm > 1e-2) {
            let gradient = optimum.gradient_norms[column];
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
        let optimum = path(&panel, &rows, &[0.5, 0.2], 1e-7, Penalty::Rows).unwrap().swap_remove(1);
        let ranking = rank_by_optimum(&optimum, (Scorer::Group, 0.0), &panel, panel.columns());
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
    let fractions = vec![0.2, 1.0];
    let settings_of = Head2ToeSettings { fractions: fractions.clone(), ..Head2ToeSettings::default() };
    let heads = adam_heads(&panel, &rows, &[0, 1, 2], CLASSES, &settings_of, &fractions, &recipe);
    let all: Vec<usize> = (0..50).collect();
    let matrix = panel.gather(&all, &everything);
    let plain = adam::train(&matrix, &labels, CLASSES, &recipe, Added::Nothing);
    let penalised = adam::train(&matrix, &labels, CLASSES, &recipe, Added::Columns(0.01));
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

fn panel_of(features: &Features, normalization: Normalization) -> Panel<'_> {
    let everything: Vec<usize> = (0..features.rows).collect();
    let blocks: Vec<&Block> = features.blocks.iter().collect();
    Panel::new(features, &blocks, &everything, normalization).unwrap()
}

/// Columns scaled each by itself take their statistics from the rows that are fitted, and nothing from the others.
#[test]
fn columns_are_scaled_by_the_rows_that_are_fitted() {
    let features = features();
    let panel = panel_of(&features, Normalization::PerFeature);
    let fitted: Vec<usize> = (0..ROWS).filter(|row| row % 3 != 0).collect();
    let panel = panel.for_rows(&fitted);
    let columns: Vec<usize> = (0..50).collect();
    let found = panel.gather(&columns, &fitted);
    for column in 0..50 {
        let values: Vec<f64> = (0..found.rows).map(|row| f64::from(found.row(row)[column])).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-2, "column {column}: {mean} {variance}");
    }
    // Products through the raw values agree with those of the scaled ones.
    let everything: Vec<usize> = (0..ROWS).collect();
    let residuals: Vec<f64> = (0..ROWS * 2).map(|at| (at as f64 * 0.7).sin()).collect();
    let products = panel.gather(&columns, &everything).transposed_times(&residuals, 2);
    for penalty in [Penalty::Rows, Penalty::Entries] {
        for (norm, row) in panel.gradient_norms(&residuals, 2, penalty).iter().zip(products.chunks(2)) {
            assert!((f64::from(*norm) - penalty.dual_norm(row)).abs() < 1e-3, "{norm} {row:?}");
        }
    }
    let selected = panel.selected(&[3, 7]);
    assert_eq!(selected.row(5), [panel.gather(&[3, 7], &[5]).row(0)[0], panel.gather(&[3, 7], &[5]).row(0)[1]]);
}

/// Every scorer that looks at labels finds the columns that follow the class; chance and spread do not know of it.
#[test]
fn scorers_that_look_at_labels_find_what_follows_the_class() {
    let (features, labels) = (features(), labels());
    let panel = panel_of(&features, Normalization::UnitVector);
    let everything: Vec<usize> = (0..ROWS).collect();
    let rows = Rows { positions: &everything, labels: &labels, classes: CLASSES };
    let ranking = |scorer: Scorer, rows: &Rows<'_>| {
        let settings_of = Head2ToeSettings { scorer, ..Head2ToeSettings::default() };
        scoring::rankings(&panel, rows, &settings_of, 1, panel.columns()).unwrap().swap_remove(0).ranking
    };
    let signal = [0, 1, 2, 30, 31, 32];
    for scorer in Scorer::ALL {
        let found = ranking(scorer, &rows);
        assert_eq!(found.len(), 50, "{}", scorer.name());
        let hits = found[..6].iter().filter(|column| signal.contains(column)).count();
        if !matches!(scorer, Scorer::Random | Scorer::StandardDeviation | Scorer::Layer) {
            assert!(hits >= 5, "{}: {hits} of 6, {:?}", scorer.name(), &found[..6]);
        }
    }
    let turned: Vec<usize> = labels.iter().rev().copied().collect();
    let turned = Rows { positions: &everything, labels: &turned, classes: CLASSES };
    for scorer in [Scorer::Random, Scorer::StandardDeviation] {
        assert_eq!(ranking(scorer, &rows), ranking(scorer, &turned), "{}", scorer.name());
    }
    // Layer: one tap whole, then the other.
    let layer: Vec<bool> = ranking(Scorer::Layer, &rows).iter().map(|column| *column < 30).collect();
    assert_eq!(layer.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1);
}

/// What is kept at an offset are the ranks that follow, so windows tile the ranking.
#[test]
fn an_offset_keeps_the_ranks_that_follow() {
    let features = features();
    let panel = panel_of(&features, Normalization::UnitVector);
    let ranking: Vec<usize> = (0..50).rev().collect();
    let window = |rank_offset: usize| {
        let settings_of = Head2ToeSettings { rank_offset, fractions: vec![0.2], ..Head2ToeSettings::default() };
        (kept(&panel, &ranking, &settings_of, &[0.2]).swap_remove(0), most(&panel, &settings_of))
    };
    assert_eq!(window(0), ((40..50).collect(), 10));
    assert_eq!(window(10), ((30..40).collect(), 20));
    assert_eq!(window(45), ((0..5).collect(), 55));
    assert_eq!(window(60).0, Vec::<usize>::new());
}

/// `s_i <- (1 - a) s_i + a mean_tap(s)`: at 1 whole taps rank by their mean, ties by index.
#[test]
fn shrinking_pulls_scores_toward_the_mean_of_their_tap() {
    let features = features();
    let panel = panel_of(&features, Normalization::UnitVector);
    let scores: Vec<f64> = (0..50).map(|column| if column < 30 { f64::from(column % 3) } else { 0.9 }).collect();
    let half = panel.shrunk(scores.clone(), 0.5);
    assert!((half[0] - 0.5).abs() < 1e-12 && (half[2] - 1.5).abs() < 1e-12 && (half[40] - 0.9).abs() < 1e-12);
    assert_eq!(panel.shrunk(scores.clone(), 0.0), scores);
    let ranked = |shrink: f64| rank_by_sizes(scores.clone(), vec![], (Scorer::Group, shrink), &panel, 50);
    assert_eq!(ranked(0.0)[..3], [2, 5, 8]);
    assert_eq!(ranked(1.0), (0..50).collect::<Vec<_>>());
    let refused = Head2ToeSettings { shrink: 1.5, ..Head2ToeSettings::default() }.check();
    assert!(matches!(refused, Err(HeadError::Setting { setting: "shrink", .. })));
}

/// The scores of `l2` are the norms of the weights of a ridge-penalised head, up to the common scale of the rows.
#[test]
fn ridge_scores_are_the_norms_of_the_heads_weights() {
    let (features, labels) = (features(), labels());
    let panel = panel_of(&features, Normalization::UnitVector);
    let fitted: Vec<usize> = (0..ROWS).filter(|row| row % 4 != 0).collect();
    let own: Vec<usize> = fitted.iter().map(|row| labels[*row]).collect();
    let rows = Rows { positions: &fitted, labels: &own, classes: CLASSES };
    let scores = scoring::ridge_scores(&panel, &rows, &[1e-2]).unwrap().swap_remove(0);
    let matrix = panel.gather(&(0..50).collect::<Vec<_>>(), &fitted);
    let head = logistic_path(matrix, &own, CLASSES, &[1e-2], 1e-9).unwrap().swap_remove(0);
    let norms = adam::sizes(&head, Scorer::L2);
    let factor = scores.iter().sum::<f64>() / norms.iter().sum::<f64>();
    let largest = scores.iter().copied().fold(0.0, f64::max);
    for (score, norm) in scores.iter().zip(&norms) {
        assert!((score - factor * norm).abs() < 0.03 * largest, "{score} {}", factor * norm);
    }
}

#[derive(serde::Deserialize)]
struct Lasso {
    rows: usize,
    columns: usize,
    classes: usize,
    labels: Vec<usize>,
    largest: f64,
    cases: Vec<LassoCase>,
}

#[derive(serde::Deserialize)]
struct LassoCase {
    share: f64,
    objective: f64,
    nonzero: usize,
}

/// Objectives of scikit-learn's multinomial lasso (saga), which stops a little above the optimum.
#[test]
fn the_lasso_reaches_the_objective_of_scikit_learn() {
    let reference: Lasso = serde_json::from_str(include_str!("../../../tests/data/lasso_reference.json")).unwrap();
    let (rows, columns) = (reference.rows, reference.columns);
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
    let values = (0..rows * columns).map(|at| value(at / columns, at % columns) as f32).collect();
    let features = Features { rows, blocks: vec![block("tap", columns, values)] };
    let panel = panel_of(&features, Normalization::UnitVector);
    let everything: Vec<usize> = (0..rows).collect();
    let labelled = Rows { positions: &everything, labels: &reference.labels, classes: reference.classes };
    let shares: Vec<f64> = reference.cases.iter().map(|case| case.share).collect();
    let optima = path(&panel, &labelled, &shares, 1e-6, Penalty::Entries).unwrap();
    for (optimum, case) in optima.iter().zip(&reference.cases) {
        let largest = optimum.lambda / optimum.ratio;
        assert!((largest - reference.largest).abs() < 1e-6, "{largest} {}", reference.largest);
        assert!(optimum.objective < case.objective + 2e-6, "{} {}", optimum.objective, case.objective);
        assert!(optimum.objective > case.objective - 1e-4, "{} {}", optimum.objective, case.objective);
        let nonzero = optimum.weights.iter().filter(|weight| weight.abs() > 1e-3).count();
        assert!(nonzero.abs_diff(case.nonzero) <= 2, "share {}: {nonzero} {}", case.share, case.nonzero);
        // The bias goes with columns as they are: the loss there is the objective less the penalty.
        let active: Vec<usize> = optimum.active.iter().map(|(column, _)| *column).collect();
        let image = panel.gather(&active, &everything).times(&optimum.weights, reference.classes);
        let loss = |(row, &label): (&[f64], &usize)| {
            let logits: Vec<f64> = row.iter().zip(&optimum.bias).map(|(value, bias)| value + bias).collect();
            super::super::softmax::row_loss(&logits, label)
        };
        let loss = image.chunks(reference.classes).zip(&reference.labels).map(loss).sum::<f64>() / rows as f64;
        let penalty = optimum.lambda * Penalty::Entries.value(&optimum.weights, reference.classes);
        assert!((loss + penalty - optimum.objective).abs() < 1e-5, "{} {}", loss + penalty, optimum.objective);
    }
}
