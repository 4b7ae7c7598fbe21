//! Every operator against PyTorch's stored answers: the reference in double precision and the plan on every instruction set.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

mod cases;
mod determinism;
mod gradients;
mod tangents;
mod training;

use heirloom_engine::{Pixels, Plan, PlanOptions, Precision, Workspace, reference};

fn error(found: impl IntoIterator<Item = f64>, expected: &[f64]) -> f64 {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    found.iter().zip(expected).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn the_reference_agrees_with_pytorch() {
    for case in cases::inference() {
        let pixels = Pixels::Normalized(&case.input);
        let run = reference::run::<f64>(&case.graph, &case.weights(), case.input_size, &case.output(), pixels, 1);
        let error = error(run.unwrap().remove(0), &case.expected);
        assert!(error < 1e-7, "{}: {error:e}", case.name);
    }
}

#[test]
fn every_instruction_set_agrees_with_pytorch() {
    for isa in cases::instruction_sets() {
        for case in cases::inference() {
            let options =
                PlanOptions { input_size: case.input_size, taps: case.output(), isa, precision: Precision::F32 };
            let plan = Plan::compile(&case.graph, &case.weights(), &options).unwrap();
            let mut workspace = Workspace::default();
            plan.run(Pixels::Normalized(&case.input), 1, &mut workspace).unwrap();
            let error = error(workspace.tap(0).unwrap().iter().map(|&x| f64::from(x)), &case.expected);
            assert!(error < 2e-6, "{isa:?} {}: {error:e}", case.name);
        }
    }
}
