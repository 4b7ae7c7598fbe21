//! The machines against liblinear, and their certificate.

use serde::Deserialize;

use super::super::dense::standardise_rows;
use super::*;

#[derive(Deserialize)]
struct Reference {
    rows: usize,
    columns: usize,
    classes: usize,
    labels: Vec<usize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    penalty: f64,
    /// Objective of each class at liblinear's solution.
    objectives: Vec<f64>,
    /// `[rows, classes]`.
    margins: Vec<f64>,
}

fn rows(rows: usize, columns: usize) -> Matrix {
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
    let values = (0..rows * columns).map(|at| value(at / columns, at % columns) as f32).collect();
    let mut out = Matrix { rows, columns, values };
    out.values.chunks_mut(columns).for_each(crate::heads::normalization::unit_vector);
    out
}

/// Objective of each class, from weights and bias as they are.
fn objectives(matrix: &Matrix, labels: &[usize], rule: &Affine, lambda: f64) -> Vec<f64> {
    let margins = rule.logits(matrix);
    let objective = |class: usize| {
        let loss = |(row, &label): (&[f32], &usize)| {
            let sign = if label == class { 1.0 } else { -1.0 };
            (1.0 - sign * f64::from(row[class])).max(0.0).powi(2)
        };
        let losses = margins.chunks(rule.classes).zip(labels).map(loss).sum::<f64>();
        let square = rule.weights.iter().skip(class).step_by(rule.classes).map(|w| f64::from(*w).powi(2)).sum::<f64>();
        losses / labels.len() as f64 + 0.5 * lambda * square
    };
    (0..rule.classes).map(objective).collect()
}

/// liblinear's bias is penalised by a millionth here, so its objective is an upper bound, and a close one.
#[test]
fn objectives_and_margins_agree_with_liblinear() {
    let references: Vec<Reference> =
        serde_json::from_str(include_str!("../../../tests/data/svm_reference.json")).unwrap();
    for reference in references {
        let Reference { classes, labels, .. } = &reference;
        let matrix = rows(reference.rows, reference.columns);
        let square = standardise_rows(&mut matrix.clone()).1.powi(2);
        let penalties: Vec<f64> = reference.cases.iter().map(|case| case.penalty).collect();
        let path = machines(matrix.clone(), labels, *classes, &penalties, 1e-8).unwrap();
        for (rule, case) in path.iter().zip(&reference.cases) {
            let found = objectives(&matrix, labels, rule, case.penalty * square);
            for (found, expected) in found.iter().zip(&case.objectives) {
                assert!(*found < expected + 1e-7, "penalty {}: {found} {expected}", case.penalty);
                assert!(*found > expected - 1e-4 * expected - 1e-7, "penalty {}: {found} {expected}", case.penalty);
            }
            for (found, expected) in rule.logits(&matrix).iter().zip(&case.margins) {
                assert!((f64::from(*found) - expected).abs() < 5e-3, "penalty {}: {found} {expected}", case.penalty);
            }
        }
    }
}

/// Many rows are solved by columns, many columns (here zeros) by rows; the optimum is the same.
#[test]
fn primal_and_dual_agree() {
    let narrow = rows(24, 5);
    let values = narrow.values.chunks(5).flat_map(|row| row.iter().copied().chain([0.0; 40])).collect();
    let wide = Matrix { rows: 24, columns: 45, values };
    let labels: Vec<usize> = (0..24).map(|row| (row * 5 / 3) % 3).collect();
    let fit = |matrix: Matrix| machines(matrix, &labels, 3, &[1.0, 0.1, 0.01, 1e-3], 1e-7).unwrap();
    for (narrow, wide) in fit(narrow).iter().zip(&fit(wide)) {
        for (left, right) in narrow.weights.iter().zip(&wide.weights) {
            assert!((left - right).abs() < 2e-3 * left.abs().max(1.0), "{left} {right}");
        }
    }
}

#[test]
fn a_class_without_rows_gets_no_weight_and_the_lowest_margin() {
    let matrix = Matrix { rows: 4, columns: 1, values: vec![0.0, 1.0, 2.0, 3.0] };
    let path = machines(matrix.clone(), &[0, 0, 2, 2], 4, &[0.1], 1e-8).unwrap();
    let margins = path[0].clone().divided(0.5).logits(&matrix);
    for row in margins.chunks(4) {
        assert_eq!((row[1], row[3]), (-1e4, -1e4));
    }
    assert!(margins[0] > margins[2] && margins[14] > margins[12]);
}
