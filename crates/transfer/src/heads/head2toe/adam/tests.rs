//! The known batch, matrix, schedule and steps of `spec/head2toe.md`, and what the recipe does with them.

use super::*;

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < tolerance, "{found} {expected}");
    }
}

fn known() -> (Matrix, Vec<usize>, Affine) {
    let values = vec![0.6, 0.8, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 0.0, 0.0, -1.0];
    let weights = vec![0.3, 0.4, 0.0, 0.0, 0.1, 0.2, -0.2, 0.0];
    (Matrix { rows: 3, columns: 4, values }, vec![0, 1, 1], Affine { classes: 2, weights, bias: vec![0.1, -0.1] })
}

/// T6 of `spec/head2toe.md`.
#[test]
fn loss_and_gradient_of_the_known_batch() {
    let (rows, labels, model) = known();
    assert!((batch_gradient(&rows, &labels, &model, Added::Nothing, 3).loss - 0.810_769_200_7).abs() < 1e-6);
    let batch = batch_gradient(&rows, &labels, &model, Added::Columns(0.01), 3);
    assert!((batch.loss - 0.820_005_268_6).abs() < 1e-6);
    let expected = [
        0.094_481_738_6,
        -0.080_481_738_6,
        0.054_148_705_2,
        -0.054_148_705_2,
        -0.187_008_703_0,
        0.200_425_110_8,
        -0.373_146_006_1,
        0.363_146_006_1,
    ];
    close(&batch.weights, &expected, 1e-6);
    close(&batch.bias, &[0.211_296_510_7, -0.211_296_510_7], 1e-6);
}

/// T5 of `spec/head2toe.md`: the subgradient of the penalty.
#[test]
fn subgradient_of_the_known_matrix() {
    let weights = vec![3.0, 4.0, 0.0, 0.0, 1.0, 2.0, -2.0, 0.0];
    let model = Affine { classes: 2, weights, bias: vec![0.0; 2] };
    let mut batch = Batch { loss: 0.0, weights: vec![0.0; 8], bias: vec![] };
    add_penalty(&model, 1.0, std::iter::repeat_n(1, 4), &mut batch);
    close(&batch.weights, &[0.6, 0.8, 0.0, 0.0, 0.447_213_595_5, 0.894_427_191, -1.0, 0.0], 1e-6);
    assert!((batch.loss - 9.236_067_977_5).abs() < 1e-9);
}

/// One norm over the three rows of the first tap: `sqrt(9 + 16 + 1 + 4)`.
#[test]
fn a_tap_is_penalised_by_one_norm() {
    let weights = vec![3.0, 4.0, 0.0, 0.0, 1.0, 2.0, -2.0, 0.0];
    let model = Affine { classes: 2, weights, bias: vec![0.0; 2] };
    let mut batch = Batch { loss: 0.0, weights: vec![0.0; 8], bias: vec![] };
    add_penalty(&model, 0.5, [3, 1].into_iter(), &mut batch);
    let first = 30.0_f64.sqrt();
    assert!((batch.loss - 0.5 * (first + 2.0)).abs() < 1e-9);
    let of_first = [3.0, 4.0, 0.0, 0.0, 1.0, 2.0].map(|weight| 0.5 * weight / first);
    close(&batch.weights[..6], &of_first, 1e-6);
    close(&batch.weights[6..], &[-0.5, 0.0], 1e-6);
}

/// The mean over repeats is that of heads with the seeds that follow one another; squaring comes before it.
#[test]
fn scores_are_averaged_over_repeats() {
    let values = (0..40).flat_map(|i| [f32::from(u8::from(i % 2 == 0)), ((i * 7) % 5) as f32 / 5.0]).collect();
    let all = Matrix { rows: 40, columns: 2, values };
    let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let positions: Vec<usize> = (0..40).collect();
    let rows = Rows { positions: &positions, labels: &labels, classes: 2 };
    let recipe = |seed, repeats, squared_scores| AdamRecipe {
        steps: 20,
        batch: 16,
        seed,
        repeats,
        squared_scores,
        ..AdamRecipe::default()
    };
    let found = |recipe: AdamRecipe| scores(&all, &[2], &rows, &recipe, Scorer::Group);
    let (one, other) = (found(recipe(4, 1, false)), found(recipe(5, 1, false)));
    assert_ne!(one, other);
    for column in 0..2 {
        let mean = 0.5 * (one[column] + other[column]);
        assert!((found(recipe(4, 2, false))[column] - mean).abs() < 1e-12);
        let squares = 0.5 * (one[column].powi(2) + other[column].powi(2));
        assert!((found(recipe(4, 2, true))[column] - squares).abs() < 1e-12);
    }
    let by_tap = |groups| found(AdamRecipe { groups, lambda: 0.3, ..recipe(4, 1, false) });
    assert_ne!(by_tap(PenaltyGroups::Columns), by_tap(PenaltyGroups::Taps));
    let whatever = |lambda| {
        let groups = PenaltyGroups::TapsWithoutCoefficient;
        found(AdamRecipe { groups, lambda, ..recipe(4, 1, false) })
    };
    assert_eq!(whatever(0.3), whatever(1e-5));
    assert_eq!(whatever(0.3), found(AdamRecipe { groups: PenaltyGroups::Taps, lambda: 1.0, ..recipe(4, 1, false) }));
}

/// T8 of `spec/head2toe.md`.
#[test]
fn learning_rates_follow_the_cosine() {
    let cases =
        [(0, 0.01), (1, 0.009_999_901_304), (125, 0.008_535_533_906), (250, 0.005), (499, 9.8696e-8), (500, 0.0)];
    for (step, expected) in cases {
        assert!((cosine_schedule(0.01, step, 500) - expected).abs() < 1e-12, "{step}");
    }
}

/// T9 of `spec/head2toe.md`, the Keras form. The two placements of epsilon differ by 3e-7 here, so the oracle is held to
/// 1.5e-7, the rounding of single precision near 1.
#[test]
fn adam_places_epsilon_as_keras_does() {
    let mut moments = Moments::zeros(1);
    let mut value = [1.0_f32];
    let expected = [0.990_000_316_2, 0.993_661_299_7, 0.995_028_187_5];
    for (step, (gradient, expected)) in [0.1_f32, -0.2, 0.05].into_iter().zip(expected).enumerate() {
        moments.step(&mut value, &[gradient], 0.01, step + 1);
        assert!((f64::from(value[0]) - expected).abs() < 1.5e-7, "step {step}: {} {expected}", value[0]);
    }
}

/// T10 of `spec/head2toe.md`: in reference mode a ragged batch is divided by the batch size, penalty included.
#[test]
fn a_ragged_batch_is_scaled_in_reference_mode() {
    let (rows, labels, model) = known();
    let correct = batch_gradient(&rows, &labels, &model, Added::Columns(0.01), 3);
    let reference = batch_gradient(&rows, &labels, &model, Added::Columns(0.01), 4);
    assert!((reference.loss - 0.75 * correct.loss).abs() < 1e-9);
    for (reference, correct) in reference.weights.iter().zip(&correct.weights) {
        assert!((reference - 0.75 * correct).abs() < 1e-7);
    }
}

#[test]
fn the_recipe_separates_what_can_be_separated_and_repeats_itself() {
    let values = (0..60).flat_map(|i| [if i % 2 == 0 { 1.0 } else { -1.0 }, ((i * 7) % 5) as f32 / 5.0]).collect();
    let rows = Matrix { rows: 60, columns: 2, values };
    let labels: Vec<usize> = (0..60).map(|i| i % 2).collect();
    let recipe = AdamRecipe { steps: 100, batch: 16, ..AdamRecipe::default() };
    let model = train(&rows, &labels, 2, &recipe, Added::Columns(1e-4));
    assert_eq!(model, train(&rows, &labels, 2, &recipe, Added::Columns(1e-4)));
    let logits = model.logits(&rows);
    assert!(logits.chunks(2).zip(&labels).all(|(row, &label)| (row[1] > row[0]) == (label == 1)));
    let scores = sizes(&model, Scorer::Group);
    assert!(scores[0] > scores[1]);
}
