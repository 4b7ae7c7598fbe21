//! Tangents of every operator: the derivative along a direction must be the gradient times that direction, and every instruction set
//! must find it.

use std::collections::{BTreeMap, BTreeSet};

use super::gradients::slopes;
use super::{cases, cases::Case, error};
use heirloom_engine::{Graph, Node, Op, Pixels, Plan, PlanOptions, Precision, Tensor, Weights, Workspace, reference};

/// Key of factors on the input: along them the input itself moves.
const INPUT: &str = "input.factor";

/// The case's network behind factors of one on its input, whose movement moves what the first operator reads.
fn behind_factors(case: &Case) -> (Graph, Weights) {
    let source = &case.graph;
    let at = usize::from(matches!(source.nodes.get(1).map(|node| &node.op), Some(Op::Normalize { .. })));
    let moved = |id: usize, reads: bool| if id > at || (id == at && reads) { id + 1 } else { id };
    let mut graph = Graph { nodes: source.nodes[..=at].to_vec(), ..source.clone() };
    let op = Op::Scale { weight: INPUT.into() };
    graph.nodes.push(Node { name: "factor".into(), op, inputs: vec![at] });
    graph.nodes.extend(
        source.nodes[at + 1..]
            .iter()
            .map(|node| Node { inputs: node.inputs.iter().map(|&id| moved(id, true)).collect(), ..node.clone() }),
    );
    graph.modules.values_mut().chain(&mut graph.outputs).for_each(|id| *id = moved(*id, false));
    let channels = source.shapes(case.input_size).unwrap()[at].channels();
    graph.parameters.insert(INPUT.into(), vec![channels]);
    let mut weights = case.weights();
    weights.tensors.insert(INPUT.into(), Tensor { shape: vec![channels], values: vec![1.0; channels] });
    (graph, weights)
}

/// A direction for each parameter that has a gradient.
fn direction(gradients: &BTreeMap<String, Vec<f64>>) -> BTreeMap<String, Vec<f32>> {
    let values = |key: &str, length: usize| {
        let seed = key.bytes().map(u32::from).sum::<u32>() as f32;
        (0..length).map(|i| (1.3 * i as f32 + seed).sin()).collect()
    };
    gradients.iter().map(|(key, gradient)| (key.clone(), values(key, gradient.len()))).collect()
}

/// The graph with tangents, its weights, the name of the output's tangent, and the derivative by the backward pass.
fn linearised(case: &Case, only: impl Fn(&str) -> bool) -> Option<(Graph, Weights, String, f64)> {
    let (graph, weights) = behind_factors(case);
    let seeds = [("y".to_owned(), slopes(case.expected.len()))];
    let pixels = Pixels::Normalized(&case.input);
    let found = reference::gradients(&graph, &weights, case.input_size, &BTreeSet::new(), pixels, 1, &seeds).unwrap();
    let mut direction = direction(&found.parameters);
    direction.retain(|key, _| only(key));
    if direction.is_empty() {
        return None;
    }
    let product = |(key, values): (&String, &Vec<f32>)| -> f64 {
        values.iter().zip(&found.parameters[key]).map(|(&v, g)| f64::from(v) * g).sum()
    };
    let expected = direction.iter().map(product).sum();
    let tangents = graph.with_tangents(&direction.keys().cloned().collect()).unwrap();
    let weights = tangents.weights(&weights, &direction);
    let (_, tangent) = tangents.nodes[graph.find("y").unwrap()];
    let name = tangents.graph.nodes[tangent.unwrap()].name.clone();
    Some((tangents.graph, weights, name, expected))
}

fn check(case: &Case, what: &str, only: impl Fn(&str) -> bool) {
    let Some((graph, weights, name, expected)) = linearised(case, only) else { return };
    let names = ["y".to_owned(), name];
    let pixels = Pixels::Normalized(&case.input);
    let found = reference::run::<f64>(&graph, &weights, case.input_size, &names, pixels, 1).unwrap();
    let worst = error(found[0].iter().copied(), &case.expected);
    assert!(worst < 1e-7, "{}: the values themselves are off by {worst:e}", case.name);
    let along: f64 = found[1].iter().zip(slopes(case.expected.len())).map(|(dy, slope)| dy * slope).sum();
    assert!((along - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{}, {what}: {along} {expected}", case.name);
    for isa in cases::instruction_sets() {
        let options = PlanOptions { input_size: case.input_size, taps: names.to_vec(), isa, precision: Precision::F32 };
        let plan = Plan::compile(&graph, &weights, &options).unwrap();
        let mut workspace = Workspace::default();
        plan.run(pixels, 1, &mut workspace).unwrap();
        let largest = found[1].iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        for (&dy, &expected) in workspace.tap(1).unwrap().iter().zip(&found[1]) {
            let off = (f64::from(dy) - expected).abs();
            assert!(off <= 1e-5 * largest, "{isa:?} {}, {what}: {dy} {expected}", case.name);
        }
    }
}

#[test]
fn a_tangent_is_the_gradient_times_the_direction() {
    for case in cases::inference() {
        check(&case, "all", |_| true);
        check(&case, "the input alone", |key| key == INPUT);
        check(&case, "the parameters alone", |key| key != INPUT);
        check(&case, "biases alone", |key| key.ends_with("bias"));
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let cases = cases::inference();
    let case = cases.iter().find(|case| case.name.contains("relu")).unwrap();
    let (graph, _) = behind_factors(case);
    let moving: BTreeSet<String> = [INPUT.to_owned()].into();
    assert!(graph.with_tangents(&["none".to_owned()].into()).unwrap_err().to_string().contains("'none'"));
    let tangents = graph.with_tangents(&moving).unwrap().graph;
    assert!(tangents.with_tangents(&moving).unwrap_err().to_string().contains("holds tangents"));
    let mut wrong = tangents.clone();
    let node = wrong.nodes.iter_mut().find(|node| matches!(node.op, Op::Tangent { .. })).unwrap();
    node.op = Op::Tangent { of: Box::new(Op::Flatten) };
    assert!(wrong.shapes(case.input_size).unwrap_err().to_string().contains("linear in its input"));
}
