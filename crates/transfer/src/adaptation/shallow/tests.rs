//! Test vectors and properties of `spec/regularisers-and-adaptation.md`, the projection against its own equation, and every method on two
//! domains that lie apart.

use heirloom_training::random::generator;
use proptest::prelude::*;

use super::discrepancy::Discrepancy;
use super::projection::directions;
use super::*;
use crate::adaptation::{Covariance, ProxyDistance, proxy_distance};

fn samples(columns: usize, values: &[f64]) -> Samples {
    Samples::new(values.len() / columns, columns, values.to_vec()).unwrap()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found} {expected}");
}

/// Three classes around corners, and the same moved and stretched.
fn pair(rows: usize) -> (Samples, Vec<usize>, Samples, Vec<usize>) {
    let mut random = generator(4, "shallow", &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let mut values = |away: f64| -> Vec<f64> {
        let mut out = Vec::new();
        for label in &labels {
            for column in 0..4 {
                let own = if column == *label { 3.0 } else { 0.0 };
                let domain = if column == 3 { away } else { 0.0 };
                out.push(own + domain + 0.4 * random.normal());
            }
        }
        out
    };
    let (source, target) = (samples(4, &values(0.0)), samples(4, &values(4.0)));
    (source, labels.clone(), target, labels)
}

fn options() -> ShallowOptions {
    ShallowOptions { dimension: 3, lambda: 0.1, rounds: 4, ..ShallowOptions::default() }
}

fn label(method: ShallowMethod, options: &ShallowOptions) -> ShallowResult {
    let (source, labels, target, _) = pair(60);
    label_shallow(method, &source, &labels, &target, 3, options, None).unwrap()
}

#[test]
fn vector_tv14_flow() {
    let from = samples(2, &[1., 0., 0., 1., 0., 0., 0., 0.]);
    let angles = [0.3_f64, 1.0];
    let to = [angles[0].cos(), 0., 0., angles[1].cos(), angles[0].sin(), 0., 0., angles[1].sin()];
    let kernel = FlowKernel::between(&from, &samples(2, &to)).unwrap();
    near(kernel.angles()[0], 0.3);
    near(kernel.angles()[1], 1.0);
    let expected = [[1.941070788992, 0.291107308484, 0.058929211008], [1.454648713413, 0.708073418274, 0.545351286587]];
    for (angle, expected) in angles.into_iter().zip(expected) {
        flow::block(angle).into_iter().zip(expected).for_each(|(found, expected)| near(2.0 * found, expected));
    }
    let rows = samples(4, &[1., 0., 0., 0., 0., 0., 1., 0., 1., 0., 0.5, 0., 0.5, 0.2, 0., 1.]);
    let along = kernel.embed(&rows).unwrap();
    let inner = |one: usize, other: usize| along.row(one).iter().zip(along.row(other)).map(|(a, b)| a * b).sum();
    near(inner(0, 0), 0.970535394496);
    near(inner(0, 1), 0.145553654242);
    near(inner(1, 1), 0.029464605504);
    near(inner(2, 3), 0.521656110808);
}

/// Property 16: one subspace twice gives its projection, and the series meets the closed form.
#[test]
fn equal_subspaces_give_their_projection() {
    let plane = samples(2, &[0.6, 0., 0.8, 0., 0., 1., 0., 0.]);
    let rows = samples(4, &[1., 2., 3., 4., -1., 0.5, 2., 0.]);
    let kernel = FlowKernel::between(&plane, &plane).unwrap();
    assert!(kernel.angles().iter().all(|angle| *angle < 1e-7), "{:?}", kernel.angles());
    let along = kernel.embed(&rows).unwrap();
    let on = |row: &[f64]| [0.6 * row[0] + 0.8 * row[1], row[2]];
    let inner = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let [first, second] = [rows.row(0), rows.row(1)].map(on);
    near(inner(along.row(0), along.row(1)), inner(&first, &second));
    assert_eq!(flow::block(0.0), [1.0, 0.0, 0.0]);
    for angle in [0.024_999_f64, 0.01, 1e-3] {
        let [b1, b2, b3] = flow::block(angle);
        let sinc = (2.0 * angle).sin() / (2.0 * angle);
        assert!((b1 - (1.0 + sinc) / 2.0).abs() < 1e-15 && (b3 - (1.0 - sinc) / 2.0).abs() < 1e-15);
        assert!((b2 - angle / 2.0 * (1.0 - angle * angle / 3.0)).abs() < angle.powi(4), "b2 = t/2 - t^3/6 + ...");
    }
    assert!(matches!(kernel.embed(&samples(3, &[0.; 3])), Err(AdaptationError::Columns { .. })));
}

/// TV16.
#[test]
fn vector_tv16_proxy_distance() {
    for (error, expected) in [(0.0, 2.0), (0.1, 1.6), (0.25, 1.0), (0.5, 0.0), (0.7, 0.0)] {
        near(ProxyDistance::of_error(error).distance, expected);
    }
    let (source, _, target, _) = pair(60);
    assert!(proxy_distance(&source, &target).unwrap().distance > 1.9, "a shift of ten deviations");
    let halves = kernel::parted(&source, 30);
    assert!(proxy_distance(&halves[0], &halves[1]).unwrap().distance < 0.7, "one domain in two halves");
    let one = samples(4, &[0.; 4]);
    assert!(matches!(proxy_distance(&source, &one), Err(AdaptationError::TooFewRows { domain: "target", .. })));
}

/// The projection solves `X^T H X w = t (X^T M X / |M| + l I) w`, by plain loops over the definition.
#[test]
fn a_projection_solves_its_equation() {
    let mut random = generator(9, "projection", &[]);
    for (source_rows, target_rows, columns) in [(7, 6, 4), (3, 4, 9)] {
        let count = source_rows + target_rows;
        let rows = samples(columns, &(0..count * columns).map(|_| random.normal()).collect::<Vec<_>>());
        let [source, target] = kernel::parted(&rows, source_rows);
        let labels: Vec<usize> = (0..source_rows).map(|row| row % 2).collect();
        let pseudo: Vec<usize> = (0..target_rows).map(|row| row % 2).collect();
        let domains = Domains { source: &source, labels: &labels, target: &target, classes: 2 };
        let between =
            Discrepancy::default().with_domains(1.0, &domains).with_classes(1.0, &domains, &pseudo, |_| [1.0; 2]);
        let (lambda, centred) = (0.5, rows.centred());
        let found = directions(&rows, &between, lambda, 3).unwrap();
        let mut before = f64::INFINITY;
        for direction in 0..3 {
            let w: Vec<f64> = (0..columns).map(|column| found[(column, direction)]).collect();
            near(w.iter().map(|entry| entry * entry).sum(), 1.0);
            let mut left = vec![0.0; columns];
            for row in 0..count {
                let along: f64 = centred.row(row).iter().zip(&w).map(|(a, b)| a * b).sum();
                (0..columns).for_each(|column| left[column] += along * centred.row(row)[column]);
            }
            let mut right: Vec<f64> = w.iter().map(|entry| lambda * entry).collect();
            for factor in between.factors() {
                let mean = |column: usize| (0..count).map(|row| factor[row] * rows.row(row)[column]).sum::<f64>();
                let along: f64 = (0..columns).map(|column| mean(column) * w[column]).sum();
                (0..columns).for_each(|column| right[column] += along * mean(column));
            }
            let value = left.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>()
                / right.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>();
            left.iter().zip(&right).for_each(|(left, right)| assert!((left - value * right).abs() < 1e-8));
            assert!(value <= before + 1e-9, "the largest first");
            before = value;
        }
    }
}

#[test]
fn every_method_learns_and_repeats_to_the_bit() {
    let (source, labels, target, truth) = pair(60);
    let right = |found: &[usize]| found.iter().zip(&truth).filter(|(found, truth)| found == truth).count();
    for kernel in [Kernel::Primal, Kernel::Linear, Kernel::Gaussian] {
        for method in ShallowMethod::ALL {
            let options = ShallowOptions { kernel, ..options() };
            let of = |target: &Samples| label_shallow(method, &source, &labels, target, 3, &options, None).unwrap();
            let own = of(&source);
            assert!(right(&own.labels) >= 55, "{method:?} {kernel:?} {}", right(&own.labels));
            let found = of(&target);
            assert!(right(&found.labels) >= 30, "{method:?} {kernel:?} {}", right(&found.labels));
            assert_eq!((found.source.rows(), found.target.rows()), (60, 60));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            assert_eq!(pool.install(|| of(&target)), found);
        }
    }
}

#[test]
fn rounds_and_balances_are_what_they_say() {
    let tca = label(ShallowMethod::Tca, &options());
    assert_eq!(tca.changed, [60]);
    let one = label(ShallowMethod::Jda, &ShallowOptions { rounds: 1, ..options() });
    assert_eq!(one, tca, "the first round knows no pseudo-labels");
    let all = label(ShallowMethod::Jda, &options());
    assert_eq!((all.changed.len(), all.changed[0]), (4, 60));
    let given = |weight| ShallowOptions { balance: Balance::Given(weight), ..options() };
    assert_eq!(label(ShallowMethod::Bda, &given(0.0)).labels, tca.labels);
    let half = label(ShallowMethod::Bda, &given(0.5));
    assert_eq!((&half.labels, &half.balance[..]), (&all.labels, &[0.5; 3][..]), "a half is JDA");
    let estimated = label(ShallowMethod::WeightedBda, &options());
    assert!(estimated.balance.len() == 3 && estimated.balance.iter().all(|weight| (0.0..=1.0).contains(weight)));
    assert_eq!(label(ShallowMethod::Gfk, &options()).angles.len(), 3);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (source, labels, target, _) = pair(12);
    let refused = |options: ShallowOptions, cancel: Option<&AtomicBool>| {
        label_shallow(ShallowMethod::Jda, &source, &labels, &target, 3, &options, cancel).unwrap_err()
    };
    for (options, setting) in [
        (ShallowOptions { dimension: 0, ..options() }, "dimension"),
        (ShallowOptions { rounds: 0, ..options() }, "rounds"),
        (ShallowOptions { lambda: f64::NAN, ..options() }, "lambda"),
        (ShallowOptions { balance: Balance::Given(1.5), ..options() }, "balance"),
    ] {
        assert!(matches!(refused(options, None), AdaptationError::Setting { setting: found, .. } if found == setting));
    }
    assert_eq!(refused(options(), Some(&AtomicBool::new(true))), AdaptationError::Stopped);
    let narrow = samples(3, &[0.; 6]);
    for method in ShallowMethod::ALL {
        let of = |labels: &[usize], target: &Samples| {
            label_shallow(method, &source, labels, target, 3, &options(), None).unwrap_err()
        };
        assert!(matches!(of(&labels, &narrow), AdaptationError::Columns { .. }));
        assert!(matches!(of(&labels[..3], &target), AdaptationError::Length { .. }));
        assert!(matches!(of(&[9; 12], &target), AdaptationError::LabelOutside { row: 0, label: 9, .. }));
    }
}

proptest! {
    /// Property 16: inner products of rows are symmetric and positive, and no kernel is longer than the row itself.
    #[test]
    fn the_flow_shortens_every_row(values in prop::collection::vec(-3.0..3.0_f64, 5 * 8), row in prop::collection::vec(-3.0..3.0_f64, 5)) {
        let cloud = samples(5, &values);
        let [first, second] = kernel::parted(&cloud, 4).map(|part| Covariance::of(&part, "source").unwrap().leading(2));
        let [first, second] = [first, second].map(|basis| Samples::of_matrix(&basis));
        let kernel = FlowKernel::between(&first, &second).unwrap();
        prop_assert!(kernel.angles().iter().all(|angle| (0.0..=std::f64::consts::FRAC_PI_2 + 1e-12).contains(angle)));
        let along = kernel.embed(&samples(5, &row)).unwrap();
        let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>();
        prop_assert!(length(along.row(0)) <= length(&row) + 1e-9);
        let back = FlowKernel::between(&second, &first).unwrap().embed(&samples(5, &row)).unwrap();
        prop_assert!((length(along.row(0)) - length(back.row(0))).abs() < 1e-8, "the path back is the same path");
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Rows in another order get the same labels in that order.
    #[test]
    fn the_order_of_target_rows_does_not_matter(seed in 0..1000_u64) {
        let (source, labels, target, _) = pair(24);
        let order = heirloom_training::random::permutation(seed, 0, 24);
        let moved: Vec<f64> = order.iter().flat_map(|row| target.row(*row).to_vec()).collect();
        for method in ShallowMethod::ALL {
            let of = |target: &Samples| label_shallow(method, &source, &labels, target, 3, &options(), None).unwrap().labels;
            let (own, moved) = (of(&target), of(&samples(4, &moved)));
            prop_assert!(order.iter().enumerate().all(|(at, row)| moved[at] == own[*row]), "{:?}", method);
        }
    }
}
