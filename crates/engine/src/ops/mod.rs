//! The operators: for each one its output shape, its cost and a plain forward pass, generic over `f32` and `f64`.
//!
//! The `f32` instance is the oracle for the fast kernels; the `f64` instance gives reference values.

mod attention;
mod backward;
mod combine;
mod convolution;
mod norm;
mod pointwise;
mod pooling;
mod real;
mod tangent;
mod tokens;

use crate::{Graph, Node, NodeId, Op, Shape};

pub(crate) use backward::backward;
pub(crate) use norm::{batch_training_backward, statistics};
pub use real::Real;

pub(crate) use convolution::window as convolution_window;
pub(crate) use pooling::window as pooling_window;
pub(crate) use tangent::{forward as tangent, is_curved};

/// The value of one image at one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a, T> {
    pub shape: Shape,
    pub values: &'a [T],
}

/// Shapes of all nodes for one input size.
pub(crate) fn infer(node: &Node, inputs: &[Shape], input_size: [usize; 2]) -> Result<Shape, String> {
    arity(&node.op, inputs.len())?;
    let first = inputs.first().copied().unwrap_or(Shape::Vector { channels: 0 });
    match &node.op {
        Op::Input { channels } => {
            let [height, width] = input_size;
            Ok(Shape::Map { height, width, channels: *channels })
        }
        Op::Normalize { mean, std } => norm::normalize_shape(first, mean, std),
        Op::Convolution { channels, groups, .. } => convolution::shape(&node.op, first, *channels, *groups),
        Op::Linear { channels, .. } => Ok(with_channels(first, *channels)),
        Op::BatchNorm { .. }
        | Op::LayerNorm { .. }
        | Op::Activate { .. }
        | Op::Scale { .. }
        | Op::Shift { .. }
        | Op::Softmax => Ok(first),
        Op::Add => combine::add_shape(inputs),
        Op::Multiply => combine::multiply_shape(inputs),
        Op::Concat => combine::concat_shape(inputs),
        Op::Subsample { stride } => combine::subsample_shape(first, *stride),
        Op::PadChannels { before, after } => Ok(with_channels(first, first.channels() + before + after)),
        Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool => pooling::shape(&node.op, first),
        Op::Flatten => tokens::flatten_shape(first),
        Op::Tokens { class_token, .. } => tokens::tokens_shape(first, class_token.is_some()),
        Op::SelectToken { index } => tokens::select_shape(first, *index),
        Op::MeanTokens { skip } => tokens::mean_shape(first, *skip),
        Op::Attention { heads } => attention::shape(first, *heads),
        Op::Tangent { of } => tangent::shape(of, inputs),
    }
}

fn arity(op: &Op, found: usize) -> Result<(), String> {
    let fits = match op {
        Op::Input { .. } => found == 0,
        Op::Add | Op::Multiply | Op::Tangent { .. } => found == 2,
        Op::Concat => found >= 1,
        _ => found == 1,
    };
    if fits { Ok(()) } else { Err(format!("{found} inputs do not fit this operator")) }
}

/// `shape` with another number of channels.
pub(crate) fn with_channels(shape: Shape, channels: usize) -> Shape {
    match shape {
        Shape::Map { height, width, .. } => Shape::Map { height, width, channels },
        Shape::Tokens { tokens, .. } => Shape::Tokens { tokens, channels },
        Shape::Vector { .. } => Shape::Vector { channels },
    }
}

/// Shapes that the parameters of `node` must have, given the channels of its input.
pub(crate) fn parameter_shapes(node: &Node, input: Shape, output: Shape) -> Vec<(String, Vec<usize>)> {
    let channels = output.channels();
    let vector = |name: &String| (name.clone(), vec![channels]);
    match &node.op {
        Op::Convolution { weight, bias, kernel, groups, .. } => {
            let per_group = input.channels() / (*groups).max(1);
            let mut all = vec![(weight.clone(), vec![channels, per_group, kernel[0], kernel[1]])];
            all.extend(bias.iter().map(vector));
            all
        }
        Op::Linear { weight, bias, .. } => {
            let mut all = vec![(weight.clone(), vec![channels, input.channels()])];
            all.extend(bias.iter().map(vector));
            all
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, .. } => {
            [weight, bias, running_mean, running_variance].into_iter().map(vector).collect()
        }
        Op::LayerNorm { weight, bias, .. } => [weight, bias].into_iter().map(vector).collect(),
        Op::Tangent { of } => match of.as_ref() {
            Op::LayerNorm { weight, .. } => vec![vector(weight)],
            _ => Vec::new(),
        },
        Op::Scale { weight: name } | Op::Shift { bias: name } => vec![vector(name)],
        Op::Tokens { class_token, position } => {
            let mut all: Vec<_> = class_token.iter().map(|name| (name.clone(), vec![1, 1, channels])).collect();
            all.extend(position.iter().map(|name| (name.clone(), vec![1, output.positions(), channels])));
            all
        }
        _ => Vec::new(),
    }
}

/// The plain forward pass of one node for one image. `parameter` returns a parameter's values by key.
pub(crate) fn forward<'a, T: Real>(
    node: &Node,
    inputs: &[Value<'_, T>],
    output: Shape,
    parameter: &dyn Fn(&str) -> &'a [T],
) -> Vec<T> {
    let Some(&first) = inputs.first() else { return Vec::new() };
    match &node.op {
        Op::Input { .. } => Vec::new(),
        Op::Normalize { mean, std } => norm::normalize(first, mean, std),
        Op::Convolution { weight, bias, groups, .. } => convolution::forward(
            &node.op,
            first,
            output,
            parameter(weight),
            bias.as_ref().map(|name| parameter(name)),
            *groups,
        ),
        Op::Linear { weight, bias, .. } => {
            convolution::linear(first, output, parameter(weight), bias.as_ref().map(|name| parameter(name)))
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon } => norm::batch(
            first,
            [parameter(weight), parameter(bias), parameter(running_mean), parameter(running_variance)],
            *epsilon,
        ),
        Op::LayerNorm { weight, bias, epsilon } => norm::layer(first, parameter(weight), parameter(bias), *epsilon),
        Op::Activate { function } => first.values.iter().map(|&x| pointwise::activate(*function, x)).collect(),
        Op::Scale { weight } => pointwise::scale(first, parameter(weight)),
        Op::Shift { bias } => pointwise::shift(first, parameter(bias)),
        Op::Softmax => pointwise::softmax(first),
        Op::Add => inputs.get(1).map(|second| combine::add(first, *second)).unwrap_or_default(),
        Op::Multiply => inputs.get(1).map(|second| combine::multiply(first, *second)).unwrap_or_default(),
        Op::Concat => combine::concat(inputs, output),
        Op::Subsample { stride } => combine::subsample(first, output, *stride),
        Op::PadChannels { before, .. } => combine::pad_channels(first, output, *before),
        Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool => {
            pooling::forward(&node.op, first, output)
        }
        Op::Flatten => first.values.to_vec(),
        Op::Tokens { class_token, position } => tokens::tokens(
            first,
            output,
            class_token.as_ref().map(|name| parameter(name)),
            position.as_ref().map(|name| parameter(name)),
        ),
        Op::SelectToken { index } => tokens::select(first, *index),
        Op::MeanTokens { skip } => tokens::mean(first, *skip),
        Op::Attention { heads } => attention::forward(first, output, *heads),
        Op::Tangent { of } => {
            inputs.get(1).map(|second| tangent::forward(of, first, *second, output, parameter)).unwrap_or_default()
        }
    }
}

/// Floating-point operations of one node for one image; a multiply-add counts as two.
pub(crate) fn flops(node: &Node, inputs: &[Shape], output: Shape) -> u64 {
    let input = inputs.first().copied().unwrap_or(output);
    let length = output.len() as u64;
    match &node.op {
        Op::Input { .. } | Op::Concat | Op::Subsample { .. } | Op::PadChannels { .. } | Op::Flatten => 0,
        Op::SelectToken { .. } => 0,
        Op::Convolution { kernel, groups, bias, .. } => {
            let depth = (kernel[0] * kernel[1] * input.channels() / (*groups).max(1)) as u64;
            length * (2 * depth + u64::from(bias.is_some()))
        }
        Op::Linear { bias, .. } => length * (2 * input.channels() as u64 + u64::from(bias.is_some())),
        Op::Normalize { .. } | Op::BatchNorm { .. } => 2 * length,
        Op::LayerNorm { .. } => 8 * length,
        Op::Activate { function } => length * pointwise::cost(*function),
        Op::Add | Op::Multiply | Op::Scale { .. } | Op::Shift { .. } => length,
        Op::Softmax => 5 * length,
        Op::MaxPool { kernel, .. } | Op::AveragePool { kernel, .. } => length * (kernel[0] * kernel[1]) as u64,
        Op::GlobalAveragePool | Op::MeanTokens { .. } => input.len() as u64,
        Op::Tokens { .. } => length,
        Op::Attention { heads } => attention::flops(input, *heads),
        Op::Tangent { of } => {
            let plain = Node { name: String::new(), op: of.as_ref().clone(), inputs: vec![0] };
            tangent::flops(of, input, flops(&plain, &inputs[..inputs.len().min(1)], output))
        }
    }
}

impl Graph {
    /// Shapes of all nodes for an input of `[height, width]` pixels, in node order.
    ///
    /// # Errors
    /// The first node whose inputs do not fit, or a declared parameter whose shape does not.
    pub fn shapes(&self, input_size: [usize; 2]) -> Result<Vec<Shape>, crate::EngineError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let inputs = self.input_shapes(id, node, &shapes)?;
            let shape = infer(node, &inputs, input_size)
                .map_err(|reason| crate::EngineError::Shape { node: node.name.clone(), reason })?;
            self.check_parameters(node, inputs.first().copied().unwrap_or(shape), shape)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    fn input_shapes(&self, id: NodeId, node: &Node, shapes: &[Shape]) -> Result<Vec<Shape>, crate::EngineError> {
        let early = |input: &NodeId| shapes.get(*input).copied();
        node.inputs.iter().map(early).collect::<Option<_>>().ok_or_else(|| crate::EngineError::Shape {
            node: node.name.clone(),
            reason: format!("node {id} reads a node that does not come before it: {:?}", node.inputs),
        })
    }

    fn check_parameters(&self, node: &Node, input: Shape, output: Shape) -> Result<(), crate::EngineError> {
        for (name, expected) in parameter_shapes(node, input, output) {
            let Some(declared) = self.parameters.get(&name) else {
                return Err(crate::EngineError::MissingParameter { name });
            };
            // A 1x1 convolution's weight may stand as a matrix and the other way round: the values are the same.
            let single = matches!(node.op, Op::Scale { .. } | Op::Shift { .. }) && without_ones(declared).is_empty();
            if !single && without_ones(declared) != without_ones(&expected) {
                return Err(crate::EngineError::ParameterShape { name, expected, found: declared.clone() });
            }
        }
        Ok(())
    }
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&axis| axis != 1).collect()
}
