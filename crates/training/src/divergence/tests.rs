//! Divergence is found where it begins.

use heirloom_engine::Tensor;

use super::*;

const POSITION: Position = Position { epoch: 2, step: 41, learning_rate: 0.5 };

#[test]
fn a_finite_step_passes() {
    assert_eq!(check_loss(POSITION, -1.5), Ok(-1.5));
    let gradients = Gradients::from([("a".into(), vec![f32::MAX, -0.0, f32::MIN_POSITIVE / 2.0])]);
    assert_eq!(check_gradients(POSITION, 1.0, &gradients), Ok(()));
}

#[test]
fn the_error_says_where() {
    let error = check_loss(POSITION, f64::NAN).unwrap_err();
    let expected = "training diverged in epoch 3, step 42: the loss is no finite number (loss NaN, learning rate 5e-1)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_first_tensor_is_named() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let broken = vec![0.0, value, 0.0];
        let gradients =
            Gradients::from([("a".into(), vec![1.0; 40_000]), ("b".into(), broken.clone()), ("c".into(), vec![value])]);
        let error = check_gradients(POSITION, 0.25, &gradients).unwrap_err();
        assert_eq!(error, POSITION.diverged(0.25, Cause::Gradient { tensor: "b".into() }));
        assert!(error.to_string().contains("the gradient of 'b' is no finite number (loss 0.25,"));
        let tensor = |values: Vec<f32>| Tensor { shape: vec![values.len()], values };
        let weights = Weights { tensors: [("x".into(), tensor(vec![1.0])), ("y".into(), tensor(broken))].into() };
        let error = check_weights(POSITION, 0.25, &weights).unwrap_err();
        assert_eq!(error.cause, Cause::Weight { tensor: "y".into() });
    }
}
