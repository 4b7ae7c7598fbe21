//! The plain backward pass of every operator, one image at a time.

use super::{Real, Value, attention, combine, convolution, norm, pointwise, pooling, tokens};
use crate::{Node, Op};

/// What an operator gives back: gradients of its inputs, in their order, and of its parameters, by key.
pub(crate) struct Backward<'n, T> {
    pub inputs: Vec<Vec<T>>,
    pub parameters: Vec<(&'n str, Vec<T>)>,
}

impl<'n, T> Backward<'n, T> {
    fn of_inputs(inputs: Vec<Vec<T>>) -> Self {
        Self { inputs, parameters: Vec::new() }
    }

    fn of_input(input: Vec<T>) -> Self {
        Self::of_inputs(vec![input])
    }

    fn affine(of: (Vec<T>, Vec<T>, Vec<T>), weight: &'n str, bias: Option<&'n str>) -> Self {
        let mut parameters = vec![(weight, of.1)];
        parameters.extend(bias.map(|name| (name, of.2)));
        Self { inputs: vec![of.0], parameters }
    }
}

/// The plain backward pass of one node for one image: from the gradient of its output to those of its inputs and parameters.
/// Batch normalisation stands in its inference form; a running statistic has no gradient.
pub(crate) fn backward<'n, 'a, T: Real>(
    node: &'n Node,
    inputs: &[Value<'_, T>],
    output: Value<'_, T>,
    gradient: &[T],
    parameter: &dyn Fn(&str) -> &'a [T],
) -> Backward<'n, T> {
    let Some(&first) = inputs.first() else { return Backward::of_inputs(Vec::new()) };
    let dy = Value { shape: output.shape, values: gradient };
    match &node.op {
        Op::Input { .. } => Backward::of_inputs(Vec::new()),
        Op::Normalize { .. } | Op::Flatten => Backward::of_input(gradient.to_vec()),
        Op::Convolution { weight, bias, groups, .. } => {
            let all = convolution::backward(&node.op, first, dy, parameter(weight), *groups);
            Backward::affine(all, weight, bias.as_deref())
        }
        Op::Linear { weight, bias, .. } => {
            Backward::affine(convolution::linear_backward(first, dy, parameter(weight)), weight, bias.as_deref())
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon } => {
            let parameters = [weight, bias, running_mean, running_variance].map(|name| parameter(name));
            Backward::affine(norm::batch_backward(first, parameters, *epsilon, dy), weight, Some(bias))
        }
        Op::LayerNorm { weight, bias, epsilon } => {
            Backward::affine(norm::layer_backward(first, parameter(weight), *epsilon, dy), weight, Some(bias))
        }
        Op::Activate { function } => {
            let slope = |(&x, &g): (&T, &T)| g * pointwise::derivative(*function, x);
            Backward::of_input(first.values.iter().zip(gradient).map(slope).collect())
        }
        Op::Scale { weight } => {
            let (input, factors) = pointwise::scale_backward(first, parameter(weight), gradient);
            Backward { inputs: vec![input], parameters: vec![(weight, factors)] }
        }
        Op::Shift { bias } => {
            let sums = pointwise::shift_backward(parameter(bias).len(), gradient);
            Backward { inputs: vec![gradient.to_vec()], parameters: vec![(bias, sums)] }
        }
        Op::Softmax => Backward::of_input(pointwise::softmax_backward(output, gradient)),
        Op::Add => Backward::of_inputs(vec![gradient.to_vec(); 2]),
        Op::Multiply => Backward::of_inputs(
            inputs.get(1).map(|second| combine::multiply_backward(first, *second, gradient)).unwrap_or_default(),
        ),
        Op::Concat => Backward::of_inputs(combine::concat_backward(inputs, dy)),
        Op::Subsample { stride } => Backward::of_input(combine::subsample_backward(first.shape, dy, *stride)),
        Op::PadChannels { before, .. } => Backward::of_input(combine::pad_channels_backward(first.shape, dy, *before)),
        Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool => {
            Backward::of_input(pooling::backward(&node.op, first, dy))
        }
        Op::Tokens { class_token, position } => {
            let (class, image) = gradient.split_at(output.values.len() - first.values.len());
            let mut parameters = Vec::new();
            parameters.extend(class_token.iter().map(|name| (name.as_str(), class.to_vec())));
            parameters.extend(position.iter().map(|name| (name.as_str(), gradient.to_vec())));
            Backward { inputs: vec![image.to_vec()], parameters }
        }
        Op::SelectToken { index } => Backward::of_input(tokens::select_backward(first.shape, *index, gradient)),
        Op::MeanTokens { skip } => Backward::of_input(tokens::mean_backward(first.shape, *skip, gradient)),
        Op::Attention { heads } => Backward::of_input(attention::backward(first, dy, *heads)),
        // Refused before: it would take second derivatives.
        Op::Tangent { .. } => Backward::of_inputs(Vec::new()),
    }
}
