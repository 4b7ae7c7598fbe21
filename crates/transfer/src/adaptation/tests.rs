//! Test vectors and properties of `spec/easytl.md`.

use proptest::prelude::*;

use super::*;

fn samples(columns: usize, values: &[f64]) -> Samples {
    Samples::new(values.len() / columns, columns, values.to_vec()).unwrap()
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{found} {expected}");
    }
}

fn identity(columns: usize) -> Samples {
    let values = (0..columns * columns).map(|at| f64::from(u8::from(at % (columns + 1) == 0))).collect();
    Samples::new(columns, columns, values).unwrap()
}

/// `[rows of a, columns of b]`, by plain loops.
fn times(a: &Samples, b: &Samples) -> Samples {
    let entry = |row: usize, column: usize| (0..a.columns()).map(|k| a.row(row)[k] * b.row(k)[column]).sum();
    let values = (0..a.rows() * b.columns()).map(|at| entry(at / b.columns(), at % b.columns())).collect();
    Samples::new(a.rows(), b.columns(), values).unwrap()
}

fn transposed(a: &Samples) -> Samples {
    let values = (0..a.rows() * a.columns()).map(|at| a.row(at % a.rows())[at / a.rows()]).collect();
    Samples::new(a.columns(), a.rows(), values).unwrap()
}

/// Covariance with divisor `rows - 1`, by plain loops, plus `lambda` on the diagonal.
fn covariance(a: &Samples, lambda: f64) -> Samples {
    let means: Vec<f64> =
        (0..a.columns()).map(|c| (0..a.rows()).map(|r| a.row(r)[c]).sum::<f64>() / a.rows() as f64).collect();
    let entry = |i: usize, j: usize| {
        let sum: f64 = (0..a.rows()).map(|row| (a.row(row)[i] - means[i]) * (a.row(row)[j] - means[j])).sum();
        sum / (a.rows() - 1) as f64 + if i == j { lambda } else { 0.0 }
    };
    let values = (0..a.columns() * a.columns()).map(|at| entry(at / a.columns(), at % a.columns())).collect();
    Samples::new(a.columns(), a.columns(), values).unwrap()
}

/// The map of CORAL as a matrix.
fn coral_map(source: &Samples, target: &Samples, lambda: f64) -> Samples {
    let (from, to) = (Covariance::of(source, "source").unwrap(), Covariance::of(target, "target").unwrap());
    Coral::new(&from, &to, lambda).unwrap().align(&identity(source.columns()))
}

const PLAIN: Preprocessing = Preprocessing { rows: RowScaling::None, columns: ColumnScaling::None };

/// TV1.
#[test]
fn coral_then_nearest_class_mean() {
    let source = samples(2, &[1., 2., 2., 1., 3., 5., 4., 3., 5., 6.]);
    let target = samples(2, &[2., 0., 4., 1., 6., -1., 8., 2.]);
    let map = coral_map(&source, &target, 1.0);
    close(map.values(), &[1.682895833802, -0.094236532756, -0.339496124518, 0.751031739112], 1e-9);
    let aligned = times(&source, &map);
    let expected = [
        1.003903584766,
        1.407826945468,
        3.026295543086,
        0.562558673599,
        3.351206878816,
        3.472449097292,
        5.713094961654,
    ];
    close(&aligned.values()[..7], &expected, 1e-9);
    let cases = [
        (
            Alignment::CORAL,
            [2.015099563926, 0.985192809534, 5.147268087457, 3.127868651498],
            [
                0.985308514521,
                4.437212944558,
                1.984955665504,
                2.417446806556,
                4.452013249806,
                4.215026846734,
                6.07032675097,
                3.067599559895,
            ],
            [0, 0, 1, 1],
        ),
        (
            Alignment::Raw,
            [1.5, 1.5, 4.0, 14.0 / 3.0],
            [
                1.581138830084,
                5.077182070576,
                2.549509756796,
                3.666666666667,
                5.147815070494,
                6.009252125773,
                6.519202405203,
                4.807401700619,
            ],
            [0, 0, 0, 1],
        ),
    ];
    for (alignment, means, distances, labels) in cases {
        let method = EasyTl { adaptation: Adaptation { preprocessing: PLAIN, alignment }, ..EasyTl::default() };
        let adapted = method.adaptation.apply(&source, &target).unwrap();
        assert_eq!(adapted.target, target, "the target stays");
        close(class_means(&adapted.source, &[0, 0, 1, 1, 1], 2).unwrap().values(), &means, 1e-9);
        let result = method.label(&source, &[0, 0, 1, 1, 1], &target, 2).unwrap();
        close(&result.distances, &distances, 1e-9);
        assert_eq!((result.labels.as_slice(), result.moved), (&labels[..], 0));
    }
    // The map is exact for the covariances with the identity added, not for those without.
    close(
        times(&times(&transposed(&map), &covariance(&source, 1.0)), &map).values(),
        covariance(&target, 1.0).values(),
        1e-9,
    );
    close(covariance(&aligned, 0.0).values(), &[4.719270660674, 1.74689596652, 1.74689596652, 2.093737469407], 1e-9);
}

/// TV2.
#[test]
fn the_programme_finds_the_known_optima() {
    let distances = [1., 4., 6., 2., 3., 5., 1.5, 3.5, 4., 2.5, 2., 6.];
    assert_eq!(cheapest(&distances, 3), [0, 0, 0, 1]);
    let optimum = assign(&distances, &[1; 3]).unwrap();
    assert_eq!((optimum.labels.as_slice(), optimum.objective, optimum.moved), (&[0, 0, 2, 1][..], 9.0, 1));
    let chain = [0., 0.6, 5., 9., 0., 0.5, 0., 0.3, 4.];
    assert_eq!(cheapest(&chain, 3), [0, 1, 0]);
    let optimum = assign(&chain, &[1; 3]).unwrap();
    assert_eq!(optimum.labels, [0, 2, 1]);
    assert!((optimum.objective - 0.8).abs() < 1e-12);
    assert_eq!(assign(&[0.; 6], &[1; 3]), Err(AdaptationError::Infeasible { needed: 3, rows: 2 }));
    assert!(matches!(assign(&[0., f64::NAN], &[1]), Err(AdaptationError::NotFinite { row: 1, .. })));
    assert!(matches!(assign(&[0.; 5], &[1; 3]), Err(AdaptationError::Length { .. })));
}

/// The generator of `tests/reference/programme.py`.
struct Draws(u64);

impl Draws {
    fn new(seed: u64) -> Self {
        Self((seed * 2_654_435_761 + 12_345) % (1 << 32))
    }

    fn next(&mut self) -> f64 {
        self.0 = (1_664_525 * self.0 + 1_013_904_223) % (1 << 32);
        self.0 as f64 / (1_u64 << 32) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() * count as f64) as usize
    }
}

fn instance(seed: u64) -> (Vec<f64>, Vec<usize>) {
    let mut draws = Draws::new(seed);
    let kind = seed % 4;
    let rows = if kind < 2 { 3 + draws.below(11) } else { 10 + draws.below(21) };
    let classes = 2 + draws.below(rows.min(6) - 1);
    let offsets: Vec<f64> = (0..classes).map(|_| 1.5 * draws.next()).collect();
    let distances = (0..rows * classes).map(|at| draws.next() + offsets[at % classes]).collect();
    let mut least = vec![0; classes];
    match kind {
        0 | 1 => least.fill(1),
        2 => least.fill(rows / classes),
        _ => (0..rows).for_each(|_| least[draws.below(classes)] += 1),
    }
    (distances, least)
}

/// 400 instances (one row a class, several rows a class, all rows given out) against HiGHS.
#[test]
fn the_programme_agrees_with_a_linear_programming_solver() {
    let stored: serde_json::Value = serde_json::from_str(include_str!("programme.json")).unwrap();
    let optima: Vec<f64> = serde_json::from_value(stored["optima"].clone()).unwrap();
    assert!(optima.len() == 400 && stored["binding"].as_u64().unwrap() > 250);
    for (seed, expected) in optima.into_iter().enumerate() {
        let (distances, least) = instance(seed as u64);
        let optimum = assign(&distances, &least).unwrap();
        assert!((optimum.objective - expected).abs() < 1e-9, "instance {seed}: {} {expected}", optimum.objective);
        let count = |class: usize| optimum.labels.iter().filter(|label| **label == class).count();
        assert!((0..least.len()).all(|class| count(class) >= least[class]), "instance {seed}");
    }
}

/// Property 3, and property 1 for domains that are alike.
#[test]
fn a_heavy_identity_and_equal_domains_change_nothing() {
    let source = samples(3, &[1., 2., 0., 2., 1., 5., 3., 5., 1., 4., 3., 2., 5., 6., 7.]);
    let target = samples(3, &[2., 0., 1., 4., 1., 1., 6., -1., 0., 8., 2., 5.]);
    close(coral_map(&source, &target, 1e12).values(), identity(3).values(), 1e-10);
    close(coral_map(&source, &source, 0.3).values(), identity(3).values(), 1e-10);
    let (from, to) = (Covariance::of(&source, "source").unwrap(), Covariance::of(&target, "target").unwrap());
    assert!(matches!(Coral::new(&from, &to, 0.0), Err(AdaptationError::Setting { .. })));
}

/// The published figures of one pair need 1958 rows; here only that the two routes to a covariance agree.
#[test]
fn few_rows_and_many_rows_give_the_same_map() {
    let mut draws = Draws::new(5);
    let wide = samples(9, &(0..5 * 9).map(|_| draws.next()).collect::<Vec<_>>());
    let target = samples(9, &(0..40 * 9).map(|_| draws.next()).collect::<Vec<_>>());
    let map = coral_map(&wide, &target, 0.5);
    let back = times(&times(&transposed(&map), &covariance(&wide, 0.5)), &map);
    close(back.values(), covariance(&target, 0.5).values(), 1e-10);
}

#[test]
fn what_does_not_fit_is_named() {
    let (three, two) = (samples(3, &[0.; 6]), samples(2, &[0.; 4]));
    let method = EasyTl::default();
    assert!(matches!(method.label(&three, &[0, 1], &two, 2), Err(AdaptationError::Columns { .. })));
    assert_eq!(method.label(&three, &[0, 0], &three, 2), Err(AdaptationError::EmptyClass { class: 1 }));
    assert!(matches!(method.label(&three, &[0, 9], &three, 2), Err(AdaptationError::LabelOutside { row: 1, .. })));
    assert!(matches!(method.label(&three, &[0], &three, 1), Err(AdaptationError::Length { .. })));
    let one = samples(3, &[0.; 3]);
    let error = method.label(&three, &[0, 0], &one, 1).unwrap_err();
    assert_eq!(error, AdaptationError::TooFewRows { domain: "target", rows: 1, needed: 2 });
    assert!(matches!(
        Samples::new(2, 2, vec![0., 1., f64::NAN, 3.]),
        Err(AdaptationError::NotFinite { row: 1, column: 0, .. })
    ));
}

fn values(count: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-3.0..3.0_f64, count)
}

/// An orthogonal matrix: a product of plane rotations.
fn rotation(angles: &[f64; 3]) -> Samples {
    let mut out = identity(3);
    for (plane, angle) in angles.iter().enumerate() {
        let (i, j) = [(0, 1), (1, 2), (0, 2)][plane];
        let mut turn = identity(3);
        turn.row_mut(i)[i] = angle.cos();
        turn.row_mut(j)[j] = angle.cos();
        turn.row_mut(i)[j] = -angle.sin();
        turn.row_mut(j)[i] = angle.sin();
        out = times(&out, &turn);
    }
    out
}

fn label(source: &Samples, target: &Samples, alignment: Alignment) -> Vec<usize> {
    let method = EasyTl { adaptation: Adaptation { preprocessing: PLAIN, alignment }, ..EasyTl::default() };
    let labels: Vec<usize> = (0..source.rows()).map(|row| row % 3).collect();
    method.label(source, &labels, target, 3).unwrap().labels
}

proptest! {
    /// Properties 1 and 2: the map is exact, and turning both domains turns it.
    #[test]
    fn coral_maps_one_covariance_onto_the_other(
        source in values(24), target in values(18), angles in prop::array::uniform3(0.0..6.0), lambda in 0.01..10.0_f64
    ) {
        let (source, target) = (samples(3, &source), samples(3, &target));
        let map = coral_map(&source, &target, lambda);
        let back = times(&times(&transposed(&map), &covariance(&source, lambda)), &map);
        close(back.values(), covariance(&target, lambda).values(), 1e-8);
        let turn = rotation(&angles);
        let turned = coral_map(&times(&source, &turn), &times(&target, &turn), lambda);
        close(turned.values(), times(&times(&transposed(&turn), &map), &turn).values(), 1e-8);
    }

    /// Property 4: what must not matter to the labels does not.
    #[test]
    fn labels_do_not_depend_on_the_frame(
        source in values(27), target in values(24), shift in values(3), angles in prop::array::uniform3(0.0..6.0),
        scale in 0.1..10.0_f64
    ) {
        let (source, target) = (samples(3, &source), samples(3, &target));
        let raw = label(&source, &target, Alignment::Raw);
        let moved = |samples: &Samples, change: &dyn Fn(usize, f64) -> f64| {
            let values = samples.values().iter().enumerate().map(|(at, value)| change(at, *value)).collect();
            Samples::new(samples.rows(), 3, values).unwrap()
        };
        let shifted = |at: usize, value: f64| value + shift[at % 3];
        prop_assert_eq!(&label(&moved(&source, &shifted), &moved(&target, &shifted), Alignment::Raw), &raw);
        let scaled = |_: usize, value: f64| value * scale;
        prop_assert_eq!(&label(&moved(&source, &scaled), &moved(&target, &scaled), Alignment::Raw), &raw);
        let turn = rotation(&angles);
        for alignment in [Alignment::Raw, Alignment::CORAL] {
            let here = label(&source, &target, alignment);
            prop_assert_eq!(label(&times(&source, &turn), &times(&target, &turn), alignment), here);
        }
        // Source rows three by three backwards: every row keeps its class.
        let backwards: Vec<f64> = source.values().chunks(9).rev().flatten().copied().collect();
        prop_assert_eq!(&label(&samples(3, &backwards), &target, Alignment::Raw), &raw);
    }

    /// Property 5: what a row costs in any class does not matter; the bound by the nearest classes holds.
    #[test]
    fn the_programme_is_blind_to_the_level_of_a_row(distances in prop::collection::vec(0.0..2.0_f64, 36), level in values(9)) {
        let optimum = assign(&distances, &[1; 4]).unwrap();
        let raised: Vec<f64> = distances.iter().enumerate().map(|(at, value)| value + level[at / 4]).collect();
        let other = assign(&raised, &[1; 4]).unwrap();
        prop_assert_eq!(&other.labels, &optimum.labels);
        prop_assert!((other.objective - optimum.objective - level.iter().sum::<f64>()).abs() < 1e-9);
        let nearest = cheapest(&distances, 4);
        let bound: f64 = nearest.iter().enumerate().map(|(row, class)| distances[row * 4 + class]).sum();
        prop_assert!(optimum.objective >= bound - 1e-12);
        let covered = (0..4).all(|class| nearest.contains(&class));
        prop_assert_eq!(covered, optimum.objective <= bound + 1e-12);
        prop_assert_eq!(covered, optimum.moved == 0);
        prop_assert!((0..4).all(|class| optimum.labels.contains(&class)));
    }
}
