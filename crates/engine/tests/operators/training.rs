//! The training plan on every operator against PyTorch's stored gradients, on every instruction set.

use std::collections::BTreeSet;

use super::{cases, cases::Case, error, gradients::slopes};
use heirloom_engine::{Gradients, Isa, Op, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState};

fn options(case: &Case, isa: Isa) -> TrainingOptions {
    let norms = case.graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. }));
    let names = norms.filter(|_| case.batch_statistics).map(|node| node.name.clone());
    TrainingOptions {
        input_size: case.input_size,
        outputs: case.output(),
        trainable: case.parameter_gradients.keys().cloned().collect(),
        batch_statistics: names.collect::<BTreeSet<_>>(),
        input_gradient: true,
        recompute: false,
        precision: Precision::F32,
        isa,
    }
}

fn wide(values: &[f32]) -> impl Iterator<Item = f64> + '_ {
    values.iter().map(|&x| f64::from(x))
}

#[test]
fn every_instruction_set_agrees_with_pytorch() {
    for isa in cases::instruction_sets() {
        for case in cases::all() {
            let plan = TrainingPlan::compile(&case.graph, &options(&case, isa)).unwrap();
            let (mut state, mut gradients) = (TrainingState::default(), Gradients::default());
            let (weights, pixels) = (case.weights(), Pixels::Normalized(&case.input));
            // Twice: the second time in buffers that hold the first's values.
            for _ in 0..2 {
                plan.forward(&weights, pixels, case.images, &mut state).unwrap();
                let worst = error(wide(plan.output(&state, 0).unwrap()), &case.expected);
                assert!(worst < 2e-6, "{isa:?} {}: {worst:e}", case.name);
                let seed: Vec<f32> = slopes(case.expected.len()).into_iter().map(|x| x as f32).collect();
                plan.backward(&weights, &mut state, &[Some(&seed)], &mut gradients).unwrap();
            }
            let worst = error(wide(gradients.input.as_ref().unwrap()), &case.input_gradient);
            assert!(worst < 1e-5, "{isa:?} {}, input: {worst:e}", case.name);
            assert_eq!(gradients.tensors.len(), case.parameter_gradients.len(), "{}", case.name);
            for (name, expected) in &case.parameter_gradients {
                let worst = error(wide(&gradients.tensors[name]), expected);
                assert!(worst < 1e-5, "{isa:?} {}, {name}: {worst:e}", case.name);
            }
        }
    }
}
