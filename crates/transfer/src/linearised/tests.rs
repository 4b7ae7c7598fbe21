//! Rows, kernel, path and network on tiny graphs, against what each is by its definition.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_engine::{Activation, Graph, Node, Op, Padding, Pixels, Tensor, Weights, reference};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::kernel::Centred;
use super::network::{FEATURES, moved};
use super::size::Size;
use super::{Jacobian, Stopped};
use crate::heads::dense::Matrix;
use crate::heads::logistic;

const CLASSES: usize = 3;
const SIDE: usize = 4;
const LENGTH: usize = SIDE * SIDE * 3;

fn node(name: &str, op: Op, inputs: &[usize]) -> Node {
    Node { name: name.into(), op, inputs: inputs.to_vec() }
}

fn linear(name: &str) -> Op {
    Op::Linear { weight: format!("{name}.weight"), bias: Some(format!("{name}.bias")), channels: CLASSES }
}

fn convolution() -> Op {
    Op::Convolution {
        weight: "conv.weight".into(),
        bias: Some("conv.bias".into()),
        channels: 4,
        kernel: [3; 2],
        stride: [1; 2],
        padding: Padding::all(1),
        dilation: [1; 2],
        groups: 1,
    }
}

fn norm() -> Op {
    let [weight, bias, running_mean, running_variance] =
        ["weight", "bias", "mean", "variance"].map(|role| format!("norm.{role}"));
    Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon: 1e-5 }
}

/// A backbone of these nodes behind the input and its normalisation, with values by a formula.
fn backbone(nodes: Vec<Node>, parameters: &[(&str, &[usize])]) -> Backbone {
    let recipe = Recipe::usual("tiny", "cifar_resnet20").unwrap();
    let mut backbone = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
    let begin = [
        node("input", Op::Input { channels: 3 }, &[]),
        node("normalize", Op::Normalize { mean: vec![0.5; 3], std: vec![0.25; 3] }, &[0]),
    ];
    let nodes: Vec<Node> = begin.into_iter().chain(nodes).collect();
    let last = nodes.len() - 1;
    let value = |key: &str, at: usize| -> f32 {
        let seed = key.bytes().map(u32::from).sum::<u32>() as f32;
        let wave = (1.7 * at as f32 + seed).sin();
        if key.ends_with("variance") { 1.0 + 0.5 * wave } else { 0.5 * wave }
    };
    let tensor = |(key, shape): &(&str, &[usize])| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|at| value(key, at)).collect();
        ((*key).to_owned(), Tensor::new(shape.to_vec(), values).unwrap())
    };
    backbone.graph = Graph {
        nodes,
        parameters: parameters.iter().map(|(key, shape)| ((*key).to_owned(), shape.to_vec())).collect(),
        modules: [("logits".to_owned(), last)].into(),
        outputs: vec![last],
    };
    backbone.weights = Weights { tensors: parameters.iter().map(tensor).collect() };
    backbone.preprocess.input_size = [SIDE; 2];
    (backbone.taps, backbone.features, backbone.logits) = (Vec::new(), "vector".into(), Some("logits".into()));
    backbone
}

/// Nothing but a linear head on the mean colour.
fn head_alone() -> Backbone {
    let nodes = vec![
        node("pool", Op::GlobalAveragePool, &[1]),
        node("vector", Op::Flatten, &[2]),
        node("head", linear("head"), &[3]),
    ];
    backbone(nodes, &[("head.weight", &[CLASSES, 3]), ("head.bias", &[CLASSES])])
}

const DEEP: [(&str, &[usize]); 8] = [
    ("conv.weight", &[4, 3, 3, 3]),
    ("conv.bias", &[4]),
    ("norm.weight", &[4]),
    ("norm.bias", &[4]),
    ("norm.mean", &[4]),
    ("norm.variance", &[4]),
    ("head.weight", &[CLASSES, 4]),
    ("head.bias", &[CLASSES]),
];

/// Convolution, batch norm, an activation, the mean, a head; a maximum in between where `maximum` is set.
fn deep(function: Activation, maximum: bool) -> Backbone {
    let mut nodes = vec![
        node("conv", convolution(), &[1]),
        node("norm", norm(), &[2]),
        node("act", Op::Activate { function }, &[3]),
    ];
    let pool = Op::MaxPool { kernel: [2; 2], stride: [2; 2], padding: Padding::NONE, ceil: false };
    nodes.extend(maximum.then(|| node("max", pool, &[4])));
    let at = nodes.len() + 1;
    nodes.extend([
        node("pool", Op::GlobalAveragePool, &[at]),
        node("vector", Op::Flatten, &[at + 1]),
        node("head", linear("head"), &[at + 2]),
    ]);
    backbone(nodes, &DEEP)
}

fn pixels(images: usize) -> Vec<u8> {
    (0..images * LENGTH).map(|at| (128.0 + 120.0 * (0.9 * at as f64 + (at * at % 71) as f64).sin()) as u8).collect()
}

/// All keys but the running statistics.
fn trained(backbone: &Backbone) -> BTreeSet<String> {
    let keys = backbone.graph.parameters.keys();
    keys.filter(|key| !key.ends_with("mean") && !key.ends_with("variance")).cloned().collect()
}

fn rows(jacobian: &Jacobian<'_>, pixels: &[u8]) -> Matrix {
    jacobian.rows(pixels, 0..jacobian.columns(), &|| true).unwrap()
}

fn logits(backbone: &Backbone, weights: &Weights, bytes: &[u8], images: usize) -> Vec<f64> {
    let names = ["logits".to_owned()];
    reference::run::<f64>(&backbone.graph, weights, [SIDE; 2], &names, Pixels::Bytes(bytes), images).unwrap().remove(0)
}

#[test]
fn rows_are_the_slopes_of_the_logits() {
    let backbone = deep(Activation::Sigmoid, false);
    let (bytes, moving) = (pixels(2), trained(&backbone));
    let jacobian = Jacobian::new(&backbone, CLASSES, &moving);
    assert_eq!(jacobian.columns(), 4 * 27 + 4 + 8 + 3 * 4 + 3);
    let found = rows(&jacobian, &bytes);
    let mut column = 0;
    for key in &moving {
        for at in 0..backbone.weights.tensors[key].values.len() {
            let at_step = |step: f32| {
                let mut weights = backbone.weights.clone();
                let value = &mut weights.tensors.get_mut(key).unwrap().values[at];
                *value += step;
                (f64::from(*value), logits(&backbone, &weights, &bytes, 2))
            };
            let ((low, before), (high, after)) = (at_step(-1e-3), at_step(1e-3));
            for row in 0..2 * CLASSES {
                let slope = (after[row] - before[row]) / (high - low);
                let value = f64::from(found.row(row)[column]);
                assert!((value - slope).abs() < 2e-5 * (1.0 + slope.abs()), "{key} {at}, row {row}: {value} {slope}");
            }
            column += 1;
        }
    }
}

#[test]
fn columns_can_be_taken_in_any_blocks() {
    let backbone = deep(Activation::Relu, true);
    let (bytes, moving) = (pixels(5), trained(&backbone));
    let jacobian = Jacobian::new(&backbone, CLASSES, &moving);
    let whole = rows(&jacobian, &bytes);
    for columns in [0..1, 3..20, 100..jacobian.columns(), 7..7 + 64] {
        let part = jacobian.rows(&bytes, columns.clone(), &|| true).unwrap();
        assert_eq!((part.rows, part.columns), (5 * CLASSES, columns.len()));
        for row in 0..part.rows {
            assert_eq!(part.row(row), &whole.row(row)[columns.clone()], "row {row} of {columns:?}");
        }
    }
    assert!(matches!(jacobian.kernel(&bytes, 5, &|| false), Err(Stopped::Cancelled)));
}

#[test]
fn the_kernel_is_the_product_of_rows_whatever_the_threads() {
    let backbone = deep(Activation::Relu, false);
    let (bytes, moving) = (pixels(7), trained(&backbone));
    let jacobian = Jacobian::new(&backbone, CLASSES, &moving);
    let whole = rows(&jacobian, &bytes);
    let in_pool = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let coefficients: Vec<f64> = (0..7 * CLASSES).map(|at| (at as f64).cos()).collect();
            let direction = jacobian.transposed_times(&bytes, &coefficients).unwrap();
            (jacobian.kernel(&bytes, 7, &|| true).unwrap(), direction, coefficients)
        })
    };
    let (kernel, direction, coefficients) = in_pool(2);
    let alone = in_pool(1);
    assert_eq!((&kernel, &direction), (&alone.0, &alone.1), "same bits for one thread and two");
    for (a, b) in (0..7 * CLASSES).flat_map(|a| (0..7 * CLASSES).map(move |b| (a, b))) {
        let product: f64 = whole.row(a).iter().zip(whole.row(b)).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        let found = kernel.row(a)[b];
        assert!((found - product).abs() < 1e-12 * (1.0 + product.abs()), "{a} {b}: {found} {product}");
    }
    let flat: Vec<f32> = direction.values().flatten().copied().collect();
    for (column, &found) in flat.iter().enumerate() {
        let sum: f64 = (0..whole.rows).map(|row| f64::from(whole.row(row)[column]) * coefficients[row]).sum();
        assert!((f64::from(found) - sum).abs() < 1e-5 * (1.0 + sum.abs()), "{column}: {found} {sum}");
    }
}

/// `spec/head2toe.md` section 7: where nothing that flows back depends on the image, the kernel is that of the taps' features side by side.
#[test]
fn with_constant_slopes_the_kernel_is_the_sum_of_linear_kernels() {
    let without_bias = |name: &str| Op::Linear { weight: format!("{name}.weight"), bias: None, channels: CLASSES };
    let nodes = vec![
        node("conv", convolution(), &[1]),
        node("pool1", Op::GlobalAveragePool, &[1]),
        node("first", Op::Flatten, &[3]),
        node("pool2", Op::GlobalAveragePool, &[2]),
        node("second", Op::Flatten, &[5]),
        node("readout1", without_bias("readout1"), &[4]),
        node("readout2", without_bias("readout2"), &[6]),
        node("sum", Op::Add, &[7, 8]),
    ];
    let parameters: [(&str, &[usize]); 4] = [
        ("conv.weight", &[4, 3, 3, 3]),
        ("conv.bias", &[4]),
        ("readout1.weight", &[CLASSES, 3]),
        ("readout2.weight", &[CLASSES, 4]),
    ];
    let (backbone, bytes) = (backbone(nodes, &parameters), pixels(4));
    let moving = ["readout1.weight", "readout2.weight"].map(str::to_owned).into();
    let kernel = Jacobian::new(&backbone, CLASSES, &moving).kernel(&bytes, 4, &|| true).unwrap();
    let taps = ["first".to_owned(), "second".to_owned()];
    let (graph, weights) = (&backbone.graph, &backbone.weights);
    let features = reference::run::<f64>(graph, weights, [SIDE; 2], &taps, Pixels::Bytes(&bytes), 4).unwrap();
    let product = |tap: &[f64], width: usize, a: usize, b: usize| -> f64 {
        (0..width).map(|at| tap[a * width + at] * tap[b * width + at]).sum()
    };
    for (a, b) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))) {
        let expected = product(&features[0], 3, a, b) + product(&features[1], 4, a, b);
        for (c, d) in (0..CLASSES).flat_map(|c| (0..CLASSES).map(move |d| (c, d))) {
            let found = kernel.row(a * CLASSES + c)[b * CLASSES + d];
            let expected = if c == d { expected } else { 0.0 };
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
}

/// Logits of the network that the direction was built into, and what they must be: value, derivative by the rows, and shift.
fn compare_moved(backbone: &Backbone, scale: f32) -> f64 {
    let (bytes, mut moving) = (pixels(3), trained(backbone));
    moving.remove("head.bias");
    let jacobian = Jacobian::new(backbone, CLASSES, &moving);
    let direction: BTreeMap<String, Vec<f32>> = moving
        .iter()
        .map(|key| {
            let count = backbone.weights.tensors[key].values.len();
            (key.clone(), (0..count).map(|at| scale * (2.3 * at as f32 + key.len() as f32).cos()).collect())
        })
        .collect();
    let shift = [0.25, -0.5, 0.125];
    let linear = moved(backbone, &direction, &shift).unwrap().unwrap();
    assert_eq!((linear.features.as_str(), linear.graph.find("logits").is_some()), (FEATURES, true));
    assert_ne!(linear.weights_digest, backbone.weights_digest);
    linear.weights.check(&linear.graph).unwrap();
    let found = logits(&linear, &linear.weights, &bytes, 3);
    let (before, rows) = (logits(backbone, &backbone.weights, &bytes, 3), rows(&jacobian, &bytes));
    let flat: Vec<f32> = direction.values().flatten().copied().collect();
    let mut largest = 0.0_f64;
    for (row, (found, before)) in found.iter().zip(before).enumerate() {
        let along: f64 = rows.row(row).iter().zip(&flat).map(|(j, v)| f64::from(*j) * f64::from(*v)).sum();
        let expected = before + along + shift[row % CLASSES];
        assert!((found - expected).abs() < 1e-5 * (1.0 + along.abs()), "row {row}: {found} {expected}");
        largest = largest.max(along.abs());
    }
    largest
}

#[test]
fn the_network_is_linear_in_the_direction_and_exact() {
    for backbone in [deep(Activation::Relu, true), deep(Activation::Gelu, false), head_alone()] {
        let (one, ten) = (compare_moved(&backbone, 0.1), compare_moved(&backbone, 1.0));
        assert!((10.0 * one - ten).abs() < 1e-4 * ten && ten > 0.1, "{one} {ten}");
    }
}

/// A network that is a linear head and no more: the penalised logistic regression on its features, which another parametrisation finds.
#[test]
fn a_lone_head_is_logistic_regression() {
    let mut backbone = head_alone();
    backbone.weights.tensors.values_mut().for_each(|tensor| tensor.values.fill(0.0));
    let (train, held) = (12, 5);
    let bytes = pixels(train + held);
    let moving: BTreeSet<String> = ["head.weight".to_owned()].into();
    let jacobian = Jacobian::new(&backbone, CLASSES, &moving);
    let whole = rows(&jacobian, &bytes);
    let kernel = jacobian.kernel(&bytes, train + held, &|| true).unwrap();
    let labels: Vec<usize> = (0..train).map(|at| (at * 5 / 3) % CLASSES).collect();
    let offsets = jacobian.logits(&bytes).unwrap();
    assert!(offsets.iter().all(|&logit| logit == 0.0));
    let centred = Centred::new(&kernel, CLASSES, train);
    let penalties = [1.0, 0.1, 0.01];
    let path = centred.path(&offsets, &labels, &penalties, 1e-13);
    assert_eq!(path.len(), 3);
    // The row of the first class holds the features in that class's columns.
    let features = |image: usize| whole.row(image * CLASSES)[..3].to_vec();
    let mut matrix = Matrix { rows: train, columns: 3, values: (0..train).flat_map(features).collect() };
    let (means, norm) = crate::heads::dense::standardise_rows(&mut matrix);
    let expected =
        logistic::path(logistic::Design::Primal(&matrix), &labels, CLASSES, &penalties, 1e-13, None).unwrap();
    for (fitted, expected) in path.iter().zip(&expected) {
        let direction = jacobian.transposed_times(&bytes[..train * LENGTH], &centred.coefficients(fitted)).unwrap();
        let shift = centred.bias(fitted, &kernel);
        let linear = moved(&backbone, &direction, &shift).unwrap().unwrap();
        let by_network = logits(&linear, &linear.weights, &bytes[train * LENGTH..], held);
        for image in 0..held {
            for class in 0..CLASSES {
                let row = features(train + image);
                let column =
                    |at: usize| (f64::from(row[at]) - means[at]) / norm * expected.weights[at * CLASSES + class];
                let logit = (0..3).map(column).sum::<f64>() + expected.bias[class];
                let at = image * CLASSES + class;
                assert!((by_network[at] - logit).abs() < 1e-5 * (1.0 + logit.abs()), "{} {logit}", by_network[at]);
                assert!((f64::from(fitted.held[at]) - logit).abs() < 1e-5 * (1.0 + logit.abs()));
            }
        }
    }
}

/// The path's own logits of held images, by the kernel, are those of the network that it ends in; and with a strong penalty nothing moves
/// but the bias.
#[test]
fn kernel_and_network_say_the_same() {
    let backbone = deep(Activation::Relu, true);
    let (train, held) = (10, 4);
    let (bytes, mut moving) = (pixels(train + held), trained(&backbone));
    moving.remove("head.bias");
    let jacobian = Jacobian::new(&backbone, CLASSES, &moving);
    let kernel = jacobian.kernel(&bytes, train + held, &|| true).unwrap();
    let offsets = jacobian.logits(&bytes).unwrap();
    let labels: Vec<usize> = (0..train).map(|at| at % CLASSES).collect();
    let centred = Centred::new(&kernel, CLASSES, train);
    let path = centred.path(&offsets, &labels, &[1e4, 0.1, 1e-3], 1e-12);
    for fitted in &path {
        let direction = jacobian.transposed_times(&bytes[..train * LENGTH], &centred.coefficients(fitted)).unwrap();
        let linear = moved(&backbone, &direction, &centred.bias(fitted, &kernel)).unwrap().unwrap();
        let found = logits(&linear, &linear.weights, &bytes[train * LENGTH..], held);
        for (found, expected) in found.iter().zip(&fitted.held) {
            assert!((found - f64::from(*expected)).abs() < 2e-4 * (1.0 + found.abs()), "{found} {expected}");
        }
        let square: f64 = direction.values().flatten().map(|v| f64::from(*v) * f64::from(*v)).sum();
        assert!(fitted.penalty < 1.0 || square < 1e-6, "{square}");
        assert!(fitted.penalty > 1.0 || square > 1e-4, "{square}");
    }
}

#[test]
fn a_fit_that_is_too_large_is_known_before_any_work() {
    let backbone = deep(Activation::Relu, false);
    let size = |images, parameters| {
        let count = (images, 10, parameters);
        Size::of(&backbone.graph, [SIDE; 2], "logits", count).unwrap()
    };
    let small = size(300, 270_000);
    assert!(small.fits() && small.rows() == 3000 && small.blocks == 4, "{small:?}");
    assert_eq!(small.kernel_operations, 9e6 * 270_000.0);
    assert!(!size(900, 1000).fits(), "9 000 rows");
    assert!(!size(500, 25_000_000).fits(), "6e14 operations");
    let error = crate::fit::FitError::TooLarge { size: size(900, 270_000) }.to_string();
    for part in ["900 images of 10 classes", "270000 parameters", "9000 rows", "at most 8000", "minutes", "GiB"] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}
