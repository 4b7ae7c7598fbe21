//! Losses against the test vectors and against differences, and every method on two domains that lie apart.

use heirloom_training::random::generator;

use super::layer::{cross_entropy, softmax};
use super::*;

const S: [[f64; 2]; 4] = [[1., 2.], [2., 1.], [3., 5.], [4., 3.]];
const T: [[f64; 2]; 4] = [[2., 0.], [4., 1.], [6., -1.], [8., 2.]];

fn of<const N: usize>(rows: &[[f64; N]]) -> Mat<f64> {
    Mat::from_fn(rows.len(), N, |row, column| rows[row][column])
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found} {expected}");
}

/// The gradient of `loss` at every value of `at`, against central differences.
fn slopes(at: &Mat<f64>, found: &Mat<f64>, loss: impl Fn(&Mat<f64>) -> f64) {
    for column in 0..at.ncols() {
        for row in 0..at.nrows() {
            let moved = |by: f64| {
                let mut moved = at.clone();
                moved[(row, column)] += by;
                loss(&moved)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found[(row, column)] - difference).abs() < 1e-6, "{} {difference}", found[(row, column)]);
        }
    }
}

#[test]
fn vector_tv7_coral() {
    let (source, target) = (of(&S), of(&T));
    let (loss, [by_source, by_target]) = coral::loss(&source, &target);
    near(loss, 1.663_628_472_222_222);
    for (found, expected) in [(by_source[(0, 0)], 0.635_416_666_667), (by_source[(3, 0)], -0.628_472_222_222)] {
        assert!((found - expected).abs() < 1e-9);
    }
    slopes(&source, &by_source, |source| coral::loss(source, &target).0);
    slopes(&target, &by_target, |target| coral::loss(&source, target).0);
    // Property 9: nothing for the same rows, either way round, and shifts do not matter.
    near(coral::loss(&source, &source).0, 0.0);
    near(coral::loss(&target, &source).0, loss);
    let shifted = Mat::from_fn(4, 2, |row, column| source[(row, column)] + 7.0);
    near(coral::loss(&shifted, &target).0, loss);
}

#[test]
fn vector_tv8_kernels() {
    let (source, target) = (of(&S), of(&T));
    let (loss, gradient) = kernel::loss(&source, &target);
    near(loss, 2.087_136_960_159);
    assert!(kernel::loss(&source, &source).0.abs() < 1e-12);
    near(kernel::loss(&target, &source).0, loss);
    // The widths are held fixed in the gradient: along a shift of both domains nothing changes, and rows move towards the other domain.
    for column in 0..2 {
        assert!((0..8).map(|row| gradient[(row, column)]).sum::<f64>().abs() < 1e-12);
    }
    let moved = Mat::from_fn(4, 2, |row, column| source[(row, column)] - 0.05 * gradient[(row, column)]);
    assert!(kernel::loss(&moved, &target).0 < loss);
}

#[test]
fn vector_tv9_schedules() {
    for (step, expected) in [(0, 0.0), (100, 0.049_958_374_958), (1000, 0.462_117_157_260), (5000, 0.986_614_298_151)] {
        near(step::ramp(step), expected);
    }
    for (step, expected) in [(0, 0.01), (1000, 0.005_946_035_575), (10000, 0.001_655_600_261)] {
        assert!((step::rate(DeepMethod::Dann, step) - expected).abs() < 1e-9);
    }
}

#[test]
fn vector_tv10_conditioning() {
    let third = 1.0 / 3.0;
    let said = of(&[[0.9, 0.05, 0.05], [third, third, third], [0.6, 0.3, 0.1]]);
    let weights = adversary::sureness(&said);
    for (weight, expected) in weights.iter().zip([1.137_592_130_029, 0.906_036_266_610, 0.956_371_603_361]) {
        near(*weight, expected);
    }
    let features = of(&[[1.0, -1.0]]);
    let told = adversary::conditioned(&of(&[[0.6, 0.3, 0.1]]), &features);
    for (column, expected) in [0.6, -0.6, 0.3, -0.3, 0.1, -0.1].into_iter().enumerate() {
        near(told[(0, column)], expected);
    }
    let said = of(&[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]);
    let (features, weights) =
        (of(&[[0.3, -1.0], [0.4, 2.0]]), of(&[[1., -2., 0.5, 1., 3., -1.], [2., 0., 1., -1., 0.3, 0.7]]));
    let sum = |features: &Mat<f64>| {
        let rows = adversary::conditioned(&said, features);
        (0..2).map(|row| (0..6).map(|column| rows[(row, column)] * weights[(row, column)]).sum::<f64>()).sum()
    };
    slopes(&features, &adversary::conditioned_back(&said, &weights, 2), sum);
}

#[test]
fn vector_tv11_disagreement() {
    let (first, second) = (of(&[[2., 0., 0.], [1., 1., 0.]]), of(&[[0., 2., 0.], [1., 1., 0.]]));
    near(disagreement::loss(&first, &second).0, 0.226_826_354_414);
    let other = of(&[[0.3, 1.9, -0.5], [1.2, 0.7, 0.1]]);
    let (_, [one, two]) = disagreement::loss(&first, &other);
    slopes(&first, &one, |first| disagreement::loss(first, &other).0);
    slopes(&other, &two, |other| disagreement::loss(&first, other).0);
    near(disagreement::loss(&first, &first).0, 0.0);
    let (certain, opposite) = (of(&[[90., 0., 0.]]), of(&[[0., 90., 0.]]));
    // Property 11: 2 / C at most.
    near(disagreement::loss(&certain, &opposite).0, 2.0 / 3.0);
}

#[test]
fn vector_tv12_information() {
    let shares = of(&[[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]]);
    near(information::of_shares(&shares).0, -0.265_100_071_038);
    let features = of(&[[1., 0.], [0., 1.], [0.6, 0.5], [0.1, 1.2]]);
    let rows = information::unit(&features);
    let centres = information::centres(&rows, &shares);
    for (class, expected) in [0.012_228_925_562, 0.068_936_282_845, 0.053_048_431_740].into_iter().enumerate() {
        assert!((information::distance(&rows, 2, &centres, class) - expected).abs() < 1e-8);
    }
    assert_eq!(information::pseudo_labels(&features, &shares), [0, 1, 0, 1]);
    let logits = of(&[[1., 0.2, -1.], [0.1, 0.4, 0.3]]);
    slopes(&logits, &information::loss(&logits).1, |logits| information::loss(logits).0);
    // Property 12: minus ln C for answers that are certain and even.
    let best = information::of_shares(&of(&[[1., 0.], [0., 1.]])).0;
    assert!((best + 2.0_f64.ln()).abs() < 1e-4, "{best}");
}

#[test]
fn cross_entropies_and_domains_have_their_slopes() {
    let logits = of(&[[1., 0.2, -1.], [0.1, 0.4, 0.3]]);
    for smoothing in [0.0, 0.1] {
        let (_, gradient) = cross_entropy(&logits, &[2, 0], smoothing);
        slopes(&logits, &gradient, |logits| cross_entropy(logits, &[2, 0], smoothing).0);
    }
    let (told, weights) = (of(&[[0.3], [-40.0], [1.2]]), [1.5, 0.5, 1.0]);
    slopes(&told, &adversary::told(&told, 2, &weights).1, |told| adversary::told(told, 2, &weights).0);
    near(softmax(&logits)[(0, 0)] + softmax(&logits)[(0, 1)] + softmax(&logits)[(0, 2)], 1.0);
}

/// Three classes around corners; the target is turned and moved.
fn domains(rows: usize) -> (Samples, Vec<usize>, Samples, Vec<usize>) {
    let mut random = generator(4, "domains", &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let mut values = |turn: f64, away: f64| -> Vec<f64> {
        let place = |label: &usize| {
            let angle = *label as f64 * std::f64::consts::TAU / 3.0 + turn;
            [3.0 * angle.cos() + away, 3.0 * angle.sin() + away]
        };
        let noisy = labels.iter().flat_map(place).collect::<Vec<f64>>();
        noisy.into_iter().map(|value| value + 0.5 * random.normal()).collect()
    };
    let source = Samples::new(rows, 2, values(0.0, 0.0)).unwrap();
    let target = Samples::new(rows, 2, values(0.7, 1.0)).unwrap();
    (source, labels.clone(), target, labels)
}

fn options() -> DeepOptions {
    DeepOptions { steps: 400, batch: 30, bottleneck: 16, seed: 1 }
}

#[test]
fn every_method_learns_and_repeats_to_the_bit() {
    let (source, labels, target, truth) = domains(150);
    for method in DeepMethod::ALL {
        let own = label_deep(method, &source, &labels, &source, 3, &options(), None).unwrap();
        let right = |found: &[usize]| found.iter().zip(&truth).filter(|(found, truth)| found == truth).count();
        assert!(right(&own) >= 140, "{method:?} {}", right(&own));
        let found = label_deep(method, &source, &labels, &target, 3, &options(), None).unwrap();
        assert!(right(&found) >= 75, "{method:?} {}", right(&found));
        assert_eq!(found, label_deep(method, &source, &labels, &target, 3, &options(), None).unwrap());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (source, labels, target, _) = domains(12);
    let deep = |source: &Samples, labels: &[usize], target: &Samples, cancel: Option<&AtomicBool>| {
        label_deep(DeepMethod::Dan, source, labels, target, 3, &options(), cancel).unwrap_err()
    };
    let narrow = Samples::new(3, 1, vec![1.0; 3]).unwrap();
    assert_eq!(
        deep(&source, &labels, &narrow, None),
        AdaptationError::Columns { source_columns: 2, target_columns: 1 }
    );
    assert!(matches!(deep(&source, &labels[..3], &target, None), AdaptationError::Length { .. }));
    assert!(matches!(deep(&source, &[9; 12], &target, None), AdaptationError::LabelOutside { row: 0, label: 9, .. }));
    let one = Samples::new(1, 2, vec![0.0; 2]).unwrap();
    assert!(matches!(deep(&source, &labels, &one, None), AdaptationError::TooFewRows { domain: "target", .. }));
    assert_eq!(deep(&source, &labels, &target, Some(&AtomicBool::new(true))), AdaptationError::Stopped);
}
