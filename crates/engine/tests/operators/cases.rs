//! The stored operator cases, shared by the tests.

use std::collections::BTreeMap;

use heirloom_engine::{Graph, Isa, Tensor, Weights};

#[derive(serde::Deserialize)]
pub struct Case {
    pub name: String,
    pub graph: Graph,
    pub input_size: [usize; 2],
    pub input: Vec<f32>,
    parameters: BTreeMap<String, Vec<f32>>,
    pub expected: Vec<f64>,
    pub images: usize,
    /// Batch norms take the statistics of the batch.
    pub batch_statistics: bool,
    pub input_gradient: Vec<f64>,
    pub parameter_gradients: BTreeMap<String, Vec<f64>>,
}

impl Case {
    pub fn weights(&self) -> Weights {
        let tensor = |(name, values): (&String, &Vec<f32>)| {
            (name.clone(), Tensor::new(self.graph.parameters[name].clone(), values.clone()).expect("stored shape"))
        };
        Weights { tensors: self.parameters.iter().map(tensor).collect() }
    }

    /// The output alone.
    pub fn output(&self) -> Vec<String> {
        vec!["y".to_owned()]
    }
}

/// Cases of inference: one image, running statistics.
pub fn inference() -> Vec<Case> {
    all().into_iter().filter(|case| !case.batch_statistics).collect()
}

pub fn all() -> Vec<Case> {
    serde_json::from_str(include_str!("../data/operators.json")).expect("stored cases")
}

/// The instruction sets this processor has; the others are named.
pub fn instruction_sets() -> Vec<Isa> {
    let (here, absent): (Vec<_>, Vec<_>) =
        [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().partition(|&isa| isa <= Isa::detect());
    absent.iter().for_each(|isa| println!("{isa:?} is not available here"));
    here
}
