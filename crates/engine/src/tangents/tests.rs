use super::*;
use crate::{Gradients, Isa, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState, reference};

fn tensor(shape: &[usize], values: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), values.iter().map(|&value| value as f32).collect()).unwrap()
}

/// `[in, out]` row-major to the layout of the parameters, `[out, in]`.
fn transposed(rows: usize, values: &[f64]) -> Tensor {
    let columns = values.len() / rows;
    let at = |i: usize| values[(i % rows) * columns + i / rows];
    tensor(&[columns, rows], &(0..values.len()).map(at).collect::<Vec<_>>())
}

/// `tanh(x W1) W2` of three inputs; tanh(z) is `2 s(2 z) - 1` for the logistic function `s`.
fn two_layers() -> (Graph, Weights) {
    let node = |name: &str, op: Op, inputs: &[usize]| Node { name: name.into(), op, inputs: inputs.to_vec() };
    let linear = |weight: &str, channels| Op::Linear { weight: weight.into(), bias: None, channels };
    let graph = Graph {
        nodes: vec![
            node("input", Op::Input { channels: 3 }, &[]),
            node("normalize", Op::Normalize { mean: vec![0.0; 3], std: vec![1.0; 3] }, &[0]),
            node("first", linear("w1", 4), &[1]),
            node("double", Op::Scale { weight: "two".into() }, &[2]),
            node("sigmoid", Op::Activate { function: Activation::Sigmoid }, &[3]),
            node("twice", Op::Scale { weight: "two".into() }, &[4]),
            node("tanh", Op::Shift { bias: "minus.one".into() }, &[5]),
            node("second", linear("w2", 2), &[6]),
        ],
        parameters: [("w1", vec![4, 3]), ("w2", vec![2, 4]), ("two", vec![1]), ("minus.one", vec![1])]
            .map(|(name, shape)| (name.to_owned(), shape))
            .into(),
        modules: BTreeMap::new(),
        outputs: vec![7],
    };
    let w1 = [0.13, -0.13, 0.64, 0.1, -0.54, 0.36, 1.3, 0.95, -0.7, -1.27, -0.62, 0.04];
    let w2 = [-2.33, -0.22, -1.25, -0.73, -0.54, -0.32, 0.41, 1.04];
    let tensors = [
        ("w1", transposed(3, &w1)),
        ("w2", transposed(4, &w2)),
        ("two", tensor(&[1], &[2.0])),
        ("minus.one", tensor(&[1], &[-1.0])),
    ];
    (graph, Weights { tensors: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into() })
}

const INPUT: [f32; 3] = [-0.13, 1.37, -0.67];
const DW1: [f64; 12] = [0.35, 0.9, 0.09, -0.74, -0.92, -0.46, 0.22, -1.01, -0.21, -0.16, 0.54, 0.21];
const DW2: [f64; 8] = [0.36, -0.65, -0.13, 0.78, 1.49, -1.26, 1.51, 1.35];

fn values(graph: &Graph, weights: &Weights, node: &str) -> Vec<f64> {
    let pixels = Pixels::Normalized(&INPUT);
    reference::run::<f64>(graph, weights, [1, 1], &[node.to_owned()], pixels, 1).unwrap().remove(0)
}

fn along(direction: &[(&str, &Tensor)]) -> Vec<f64> {
    let (graph, weights) = two_layers();
    let moving = direction.iter().map(|(key, _)| (*key).to_owned()).collect();
    let tangents = graph.with_tangents(&moving).unwrap();
    let direction = direction.iter().map(|(key, tensor)| ((*key).to_owned(), tensor.values.clone())).collect();
    let name = &tangents.graph.nodes[tangents.nodes[7].1.unwrap()].name;
    values(&tangents.graph, &tangents.weights(&weights, &direction), name)
}

fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{found} {expected}");
    }
}

/// T11 of `spec/head2toe.md` section 11; the weights are rounded to single precision.
#[test]
fn two_layers_have_the_known_derivatives() {
    let (graph, weights) = two_layers();
    near(&values(&graph, &weights, "second"), &[-0.618_668_127_2, -0.003_526_509], 3e-7);
    let (dw1, dw2) = (transposed(3, &DW1), transposed(4, &DW2));
    near(&along(&[("w2", &dw2)]), &[2.518_150_274_5, 0.791_620_921_5], 3e-7);
    near(&along(&[("w1", &dw1)]), &[2.528_507_190_5, -0.062_582_461_1], 3e-7);
    let both = along(&[("w1", &dw1), ("w2", &dw2)]);
    near(&both, &[2.518_150_274_5 + 2.528_507_190_5, 0.791_620_921_5 - 0.062_582_461_1], 6e-7);
    // What the expansion leaves out falls with the square of the step.
    for (step, remainder) in [(0.1, 2.026e-2), (0.01, 1.890e-4)] {
        let mut moved = weights.clone();
        for (key, change) in [("w1", &dw1), ("w2", &dw2)] {
            let tensor = moved.tensors.get_mut(key).unwrap();
            tensor.values.iter_mut().zip(&change.values).for_each(|(w, v)| *w += step as f32 * v);
        }
        let (from, to) = (values(&graph, &weights, "second"), values(&graph, &moved, "second"));
        let left = (0..2).map(|c| (to[c] - from[c] - step * both[c]).abs()).fold(0.0, f64::max);
        assert!((left - remainder).abs() < 1e-3 * remainder + 1e-6, "{step}: {left} {remainder}");
    }
}

#[test]
fn the_tangent_is_linear_in_the_direction() {
    let dw1 = transposed(3, &DW1);
    let half = Tensor { values: dw1.values.iter().map(|v| 0.5 * v).collect(), ..dw1.clone() };
    let (whole, halved) = (along(&[("w1", &dw1)]), along(&[("w1", &half)]));
    near(&halved, &[0.5 * whole[0], 0.5 * whole[1]], 1e-15);
}

/// Section 7: `df_c / dV[i, j] = delta_cj h_i`; and several seeds after one forward pass give what each gives alone.
#[test]
fn rows_of_the_jacobian_are_features_times_what_flows_back() {
    let (graph, weights) = two_layers();
    let options = TrainingOptions {
        input_size: [1, 1],
        outputs: vec!["second".to_owned()],
        trainable: ["w1".to_owned(), "w2".to_owned()].into(),
        batch_statistics: BTreeSet::new(),
        input_gradient: false,
        recompute: false,
        precision: Precision::F32,
        isa: Isa::detect(),
    };
    let plan = TrainingPlan::compile(&graph, &options).unwrap();
    let (mut state, mut gradients) = (TrainingState::default(), Gradients::default());
    let seeds = [vec![1.0, 0.0], vec![0.0, 1.0]];
    let mut rows = Vec::new();
    plan.forward(&weights, Pixels::Normalized(&INPUT), 1, &mut state).unwrap();
    plan.backward_each(&weights, &mut state, &seeds, &mut gradients, |_, row| rows.push(row.tensors.clone())).unwrap();
    for (seed, row) in seeds.iter().zip(&rows) {
        plan.forward(&weights, Pixels::Normalized(&INPUT), 1, &mut state).unwrap();
        plan.backward(&weights, &mut state, &[Some(seed)], &mut gradients).unwrap();
        assert_eq!(gradients.tensors, *row);
    }
    let hidden = values(&graph, &weights, "tanh");
    for (class, row) in rows.iter().enumerate() {
        for j in 0..4 {
            let delta = f64::from(weights.tensors["w2"].values[class * 4 + j]) * (1.0 - hidden[j] * hidden[j]);
            for i in 0..3 {
                let expected = delta * f64::from(INPUT[i]);
                assert!((f64::from(row["w1"][j * 3 + i]) - expected).abs() < 1e-6);
            }
            for other in 0..2 {
                let expected = if other == class { hidden[j] } else { 0.0 };
                assert!((f64::from(row["w2"][other * 4 + j]) - expected).abs() < 1e-6);
            }
        }
    }
}
