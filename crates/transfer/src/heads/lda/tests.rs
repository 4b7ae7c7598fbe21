//! Known answers of `spec/easytl.md` (TV5, property 6), and of scikit-learn.

use serde::Deserialize;

use super::*;

/// The six rows of TV5 and their labels.
fn six() -> (Matrix, [usize; 6]) {
    let values = vec![0., 0., 1., 0., 0., 1., 4., 4., 5., 4., 4., 6.];
    (Matrix { rows: 6, columns: 2, values }, [0, 0, 0, 1, 1, 1])
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance * expected.abs().max(1.0), "{found} {expected}");
    }
}

fn scores(model: &Centred, queries: &[[f64; 2]]) -> Vec<f64> {
    let score = |query: &[f64; 2], class: usize| {
        model.bias[class] + query[0] * model.weights[class] + query[1] * model.weights[2 + class]
    };
    queries.iter().flat_map(|query| [score(query, 0), score(query, 1)]).collect()
}

/// TV5: means, pooled covariance, weights, bias and scores at three shrinkages.
#[test]
fn six_rows_have_the_known_discriminants() {
    let (rows, labels) = six();
    let scatter = Scatter::of(&rows, &labels, 2);
    let third = 1.0 / 3.0;
    let means: Vec<f64> =
        (0..2).flat_map(|class| scatter.means.col(class).iter().copied().collect::<Vec<_>>()).collect();
    close(&means, &[third, third, 13.0 * third, 14.0 * third], 1e-9);
    let pooled = [(0, 0), (1, 0), (1, 1)].map(|at| scatter.gram[at] / 4.0);
    close(&pooled, &[0.333_333_333_333, -0.25, 0.833_333_333_333], 1e-9);

    let plain = scatter.solve(0.0).unwrap();
    close(&plain.weights, &[1.677_419_354_839, 22.193_548_387_097, 0.903_225_806_452, 12.258_064_516_129], 1e-9);
    close(&plain.bias, &[-1.123_254_707_442, -77.381_319_223_571], 1e-9);
    let queries = [[2.0, 2.0], [2.2, 2.6], [3.0, 1.0]];
    let cases: [(f64, [f64; 6]); 3] = [
        (
            0.0,
            [
                4.038_035_615_139,
                -8.478_093_417_119,
                4.915_454_969_978,
                3.315_454_969_978,
                4.812_229_163_526,
                1.457_390_453_849,
            ],
        ),
        (
            0.1,
            [
                3.440_108_678_437,
                -7.559_310_264_039,
                4.216_401_531_429,
                2.895_076_720_273,
                4.067_650_805_107,
                0.412_798_974_776,
            ],
        ),
        (
            1.0,
            [
                1.402_090_914_678,
                -4.597_909_085_322,
                1.859_233_771_821,
                1.687_805_200_392,
                1.402_090_914_678,
                -5.169_337_656_75,
            ],
        ),
    ];
    for (shrinkage, expected) in cases {
        close(&scores(&scatter.solve(shrinkage).unwrap(), &queries), &expected, 1e-9);
    }
}

/// TV5: the shrinkage of all six rows around their common mean, and the covariance it gives.
#[test]
fn six_rows_have_the_known_shrinkage() {
    let (rows, _) = six();
    let scatter = Scatter::of(&rows, &[0; 6], 1);
    let shrinkage = scatter.ledoit_wolf();
    close(&[shrinkage], &[0.093_364_999_799_35], 1e-9);
    let mean = scatter.trace / 12.0;
    let at = |row: usize, column: usize| {
        let own = if row == column { shrinkage * mean } else { 0.0 };
        (1.0 - shrinkage) * scatter.gram[(row, column)] / 6.0 + own
    };
    close(&[at(0, 0), at(1, 0), at(1, 1)], &[4.270_201_458_23, 3.777_645_834_169, 5.202_020_763_992], 1e-9);
}

/// Rows of a formula; labels follow their first columns, as many of each class where `equal`.
fn sample(rows: usize, columns: usize) -> Matrix {
    let values = (0..rows * columns).map(|at| ((at * 53 % 97) as f32 - 48.0) / 31.0).collect();
    Matrix { rows, columns, values }
}

/// Property 6: a full shrinkage with equal priors is the nearest class mean.
#[test]
fn full_shrinkage_with_equal_priors_is_the_nearest_mean() {
    for (rows, columns) in [(24, 7), (12, 40)] {
        let sample = sample(rows, columns);
        let labels: Vec<usize> = (0..rows).map(|row| row % 4).collect();
        let scatter = Scatter::of(&sample, &labels, 4);
        let model = scatter.solve(1.0).unwrap();
        for row in 0..rows {
            let values: Vec<f64> = sample.row(row).iter().map(|&value| f64::from(value)).collect();
            let score = |class: usize| {
                let products = values.iter().enumerate().map(|(j, value)| value * model.weights[j * 4 + class]);
                model.bias[class] + products.sum::<f64>()
            };
            let distance = |class: usize| {
                let gap =
                    values.iter().zip(scatter.means.col(class).iter()).map(|(value, mean)| (value - mean).powi(2));
                -gap.sum::<f64>()
            };
            let best = |of: &dyn Fn(usize) -> f64| (0..4).max_by(|a, b| of(*a).total_cmp(&of(*b)));
            assert_eq!(best(&score), best(&distance), "row {row} of {rows} x {columns}");
        }
    }
}

/// The space of the rows and that of the columns give one answer: here the columns are filled up with zeros, which changes `m` and
/// with it the identity's share, so the shrinkage is changed to give the same matrix.
#[test]
fn rows_and_columns_give_the_same_weights() {
    let narrow = sample(12, 5);
    let labels: Vec<usize> = (0..12).map(|row| row % 3).collect();
    let values = narrow.values.chunks(5).flat_map(|row| row.iter().copied().chain([0.0; 20])).collect();
    let wide = Scatter::of(&Matrix { rows: 12, columns: 25, values }, &labels, 3);
    let narrow = Scatter::of(&narrow, &labels, 3);
    for (kept, floor) in [(0.1, 1e-4), (0.05, 0.3)] {
        let (few, many) = (narrow.by_columns(kept, floor).unwrap(), wide.by_rows(kept, floor).unwrap());
        for class in 0..3 {
            for column in 0..5 {
                assert!((few[(column, class)] - many[(column, class)]).abs() < 1e-7 * few.norm_max());
            }
            assert!((5..25).all(|column| many[(column, class)].abs() < 1e-9));
        }
    }
}

#[test]
fn classes_of_single_rows_fall_back_to_the_nearest_mean() {
    let rows = Matrix { rows: 2, columns: 2, values: vec![0.0, 1.0, 3.0, 1.0] };
    let model = Scatter::of(&rows, &[0, 1], 2).solve(0.3).unwrap();
    let found = scores(&model, &[[1.0, 1.0], [2.0, 1.0]]);
    assert!(found[0] > found[1] && found[3] > found[2]);
}

#[test]
fn scores_are_brought_down_together_and_an_absent_class_stays_below() {
    let mut scores = [5000.0, 1000.0, f32::NAN, 3.0, 1.0, f32::NAN];
    assert!((tame(&mut scores, 3) - 4.0).abs() < 1e-12);
    assert_eq!(scores, [0.0, -1000.0, -1e4, 0.0, -0.5, -1e4]);
}

#[derive(Deserialize)]
struct Reference {
    rows: usize,
    columns: usize,
    classes: usize,
    labels: Vec<usize>,
    ledoit_wolf: f64,
    cases: Vec<ReferenceCase>,
}

#[derive(Deserialize)]
struct ReferenceCase {
    shrinkage: f64,
    /// `[classes, columns]`.
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
}

/// scikit-learn's discriminants (solvers lsqr and eigen) and shrinkage, from `tests/reference/discriminants.py`; its covariance is
/// divided by `n`, so its coefficients are larger by `n / (n - C)`, as are its intercepts less `log pi_c`.
#[test]
fn discriminants_agree_with_scikit_learn() {
    let text = include_str!("../../../tests/data/lda_reference.json");
    let references: Vec<Reference> = serde_json::from_str(text).unwrap();
    for reference in references {
        let Reference { rows, columns, classes, .. } = reference;
        let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
        let values = (0..rows * columns).map(|at| value(at / columns, at % columns) as f32).collect();
        let scatter = Scatter::of(&Matrix { rows, columns, values }, &reference.labels, classes);
        close(&[scatter.ledoit_wolf()], &[reference.ledoit_wolf], 1e-6);
        let factor = rows as f64 / (rows - classes) as f64;
        for case in reference.cases {
            let model = scatter.solve(case.shrinkage).unwrap();
            for class in 0..classes {
                let weights: Vec<f64> = (0..columns).map(|j| factor * model.weights[j * classes + class]).collect();
                close(&weights, &case.coefficients[class * columns..(class + 1) * columns], 1e-5);
                let log_prior = scatter.priors[class].ln();
                close(&[factor * (model.bias[class] - log_prior) + log_prior], &[case.intercepts[class]], 1e-5);
            }
        }
    }
}
