//! Training: a graph compiled for forward passes that keep what the backward pass needs, and for the backward pass itself.
//!
//! A [`TrainingPlan`] belongs to a graph, an input size and a choice of what is trained; a [`TrainingState`] holds the
//! activations of one batch. Parameters stay with the caller, in the checkpoint's layout. What is not trained is not touched:
//! a parameter outside [`TrainingOptions::trainable`] has no gradient, and a batch norm outside
//! [`TrainingOptions::batch_statistics`] uses its running statistics and leaves them as they are.
//!
//! The bits depend on the batch, not on the number of threads.

mod backward;
mod buffers;
mod forward;
mod gradients;
mod packed;
pub(crate) mod scope;
mod segments;
mod several;
mod state;
mod statistics;
mod storage;
mod unit;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use crate::{EngineError, Graph, Isa, NodeId, ParameterName, Precision, Shape, taps};
use scope::Scope;
use storage::Storage;
use unit::Unit;

pub use gradients::Gradients;
pub use state::TrainingState;

/// What to compile for.
#[derive(Debug, Clone)]
pub struct TrainingOptions {
    /// Input of the network, `[height, width]` in pixels.
    pub input_size: [usize; 2],
    /// Names of the nodes or modules whose values are read and whose gradients are given to the backward pass.
    pub outputs: Vec<String>,
    /// Keys of the parameters that get gradients.
    pub trainable: BTreeSet<ParameterName>,
    /// Names of the batch norms that normalise with the mean and variance of the batch, and whose running statistics follow.
    pub batch_statistics: BTreeSet<String>,
    /// Whether the gradient of the (normalised) input is wanted.
    pub input_gradient: bool,
    /// Forget activations between some cuts of the graph and compute them again in the backward pass: less memory, more time.
    pub recompute: bool,
    /// What the operands of products are rounded to; in bf16 values and gradients between them are kept as halves where the kernels on both
    /// sides take them. Parameters, their gradients, sums and statistics are `f32` either way.
    pub precision: Precision,
    /// Which kernels to use ([`Isa::detect_for`] the precision).
    pub isa: Isa,
}

/// A graph compiled for training.
///
/// ```
/// use heirloom_engine::{
///     Gradients, Graph, Isa, Node, Op, Pixels, Precision, Tensor, TrainingOptions, TrainingPlan, TrainingState, Weights,
/// };
///
/// // One pixel of two channels, and its weighted sum.
/// let node = |name: &str, op: Op, inputs: &[usize]| Node { name: name.into(), op, inputs: inputs.to_vec() };
/// let linear = Op::Linear { weight: "sum.weight".into(), bias: None, channels: 1 };
/// let graph = Graph {
///     nodes: vec![
///         node("input", Op::Input { channels: 2 }, &[]),
///         node("normalize", Op::Normalize { mean: vec![0.5; 2], std: vec![0.25; 2] }, &[0]),
///         node("vector", Op::Flatten, &[1]),
///         node("sum", linear, &[2]),
///     ],
///     parameters: [("sum.weight".to_owned(), vec![1, 2])].into(),
///     modules: Default::default(),
///     outputs: vec![3],
/// };
/// let options = TrainingOptions {
///     input_size: [1, 1],
///     outputs: vec!["sum".to_owned()],
///     trainable: ["sum.weight".to_owned()].into(),
///     batch_statistics: Default::default(),
///     input_gradient: false,
///     recompute: false,
///     precision: Precision::F32,
///     isa: Isa::detect(),
/// };
/// let plan = TrainingPlan::compile(&graph, &options)?;
/// let (mut state, mut gradients) = (TrainingState::default(), Gradients::default());
/// let mut weights = Weights::default();
/// weights.tensors.insert("sum.weight".into(), Tensor { shape: vec![1, 2], values: vec![0.0, 0.0] });
///
/// // Two images whose sums shall be 3 and -1; the loss is half the squared error.
/// let (pixels, targets) = ([1.0, 0.0, 0.0, 1.0], [3.0, -1.0]);
/// for _ in 0..20 {
///     plan.forward(&weights, Pixels::Normalized(&pixels), 2, &mut state)?;
///     let sums = plan.output(&state, 0).unwrap_or_default();
///     let errors: Vec<f32> = sums.iter().zip(targets).map(|(sum, target)| sum - target).collect();
///     plan.backward(&weights, &mut state, &[Some(&errors)], &mut gradients)?;
///     for (name, gradient) in &gradients.tensors {
///         let tensor = weights.tensors.get_mut(name).expect("gradients are those of parameters");
///         tensor.values.iter_mut().zip(gradient).for_each(|(weight, slope)| *weight -= 0.5 * slope);
///     }
/// }
/// let found = &weights.tensors["sum.weight"].values;
/// assert!((found[0] - 3.0).abs() < 1e-5 && (found[1] + 1.0).abs() < 1e-5);
/// # Ok::<(), heirloom_engine::EngineError>(())
/// ```
#[derive(Debug)]
pub struct TrainingPlan {
    /// The instruction set of `f32` kernels, and of products in bf16.
    isa: Isa,
    tiles: Isa,
    precision: Precision,
    shapes: Vec<Shape>,
    outputs: Vec<NodeId>,
    units: Vec<Unit>,
    scope: Scope,
    storage: Storage,
    /// Ranges of units whose inner values are computed again; a single one that holds everything when nothing is.
    segments: Vec<std::ops::Range<usize>>,
    /// The last unit that reads each node.
    last_uses: Vec<usize>,
    /// Nodes whose values wait for the backward pass.
    kept: BTreeSet<NodeId>,
    /// Shapes of the parameters of the graph.
    parameters: BTreeMap<ParameterName, Vec<usize>>,
}

impl TrainingPlan {
    /// Compiles `graph`: infers shapes, drops what no output needs, joins what one pass over memory can do, and finds what has
    /// to be kept for the backward pass.
    ///
    /// # Errors
    /// An unknown output, parameter or batch norm, or operators whose shapes do not fit.
    pub fn compile(graph: &Graph, options: &TrainingOptions) -> Result<Self, EngineError> {
        let shapes = graph.shapes(options.input_size)?;
        let outputs = taps::resolve(graph, &options.outputs)?;
        let scope = Scope::new(graph, options, &outputs)?;
        let units = units::units(graph, &shapes, &outputs, &scope, options)?;
        let segments = segments::segments(&units, &scope, &shapes, &outputs, options.recompute);
        let last_uses = segments::last_uses(&units, shapes.len());
        let storage = Storage::new(options.precision, &units, &shapes, &outputs);
        let kept = segments::kept(&units, &segments, &last_uses, &outputs);
        let (isa, parameters) = (options.isa.clamped(), graph.parameters.clone());
        let (tiles, precision) = (options.isa, options.precision);
        Ok(Self {
            isa,
            tiles,
            precision,
            shapes,
            outputs,
            units,
            scope,
            storage,
            segments,
            last_uses,
            kept,
            parameters,
        })
    }

    /// Shapes of the outputs for one image, in the order asked for.
    pub fn outputs(&self) -> impl Iterator<Item = Shape> + '_ {
        self.outputs.iter().map(|&node| self.shapes[node])
    }

    /// Values of one input image.
    #[must_use]
    pub fn input_length(&self) -> usize {
        self.shapes.first().map_or(0, |shape| shape.len())
    }
}
