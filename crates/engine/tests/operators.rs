//! Every operator against PyTorch's stored answers: the reference in double precision and the plan on every instruction set.

use std::collections::BTreeMap;

use heirloom_engine::{Graph, Isa, Pixels, Plan, PlanOptions, Tensor, Weights, Workspace, reference};

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    graph: Graph,
    input_size: [usize; 2],
    input: Vec<f32>,
    parameters: BTreeMap<String, Vec<f32>>,
    expected: Vec<f64>,
}

impl Case {
    fn weights(&self) -> Weights {
        let tensor = |(name, values): (&String, &Vec<f32>)| {
            (name.clone(), Tensor::new(self.graph.parameters[name].clone(), values.clone()).expect("stored shape"))
        };
        Weights { tensors: self.parameters.iter().map(tensor).collect() }
    }

    fn taps(&self) -> Vec<String> {
        vec!["y".to_owned()]
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("data/operators.json")).expect("stored cases")
}

fn error(found: impl IntoIterator<Item = f64>, expected: &[f64]) -> f64 {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    found.iter().zip(expected).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn the_reference_agrees_with_pytorch() {
    for case in cases() {
        let pixels = Pixels::Normalized(&case.input);
        let run = reference::run::<f64>(&case.graph, &case.weights(), case.input_size, &case.taps(), pixels, 1);
        let error = error(run.unwrap().remove(0), &case.expected);
        assert!(error < 1e-7, "{}: {error:e}", case.name);
    }
}

#[test]
fn every_instruction_set_agrees_with_pytorch() {
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        if isa > Isa::detect() {
            println!("{isa:?} is not available here");
            continue;
        }
        for case in cases() {
            let options = PlanOptions { input_size: case.input_size, taps: case.taps(), isa };
            let plan = Plan::compile(&case.graph, &case.weights(), &options).unwrap();
            let mut workspace = Workspace::default();
            plan.run(Pixels::Normalized(&case.input), 1, &mut workspace).unwrap();
            let error = error(workspace.tap(0).unwrap().iter().map(|&x| f64::from(x)), &case.expected);
            assert!(error < 2e-6, "{isa:?} {}: {error:e}", case.name);
        }
    }
}
