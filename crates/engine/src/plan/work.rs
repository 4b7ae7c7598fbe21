//! The kernels behind the operators: what an anchor becomes when it is compiled, and how it runs.

use super::product::Product;
use crate::kernels::{
    self, Attention, Convolution, Gate, Linear, Normalization, Rows, RowsMut, Scratch, Stage, Stored, StoredMut, Window,
};
use crate::{Isa, Node, Op, Pixels, Precision, Shape, Weights, ops};

/// An anchor with its packed weights.
#[derive(Debug)]
pub(crate) enum Work {
    /// The pixels as they are.
    Pixels,
    Normalize(Normalization),
    Convolution(Convolution),
    Linear(Linear),
    /// A product in bf16.
    Product(Product),
    LayerNorm {
        weight: Vec<f32>,
        bias: Vec<f32>,
        epsilon: f64,
    },
    Attention(Attention),
    /// Element-wise stages alone.
    Transform,
    /// Sum with the second input.
    Add,
    /// Product with the second input of the same shape.
    Multiply,
    /// Product with one value per channel of the second input.
    Gate,
    Softmax,
    Concat,
    Subsample {
        stride: [usize; 2],
    },
    PadChannels {
        before: usize,
    },
    MaxPool(Window),
    AveragePool {
        window: Window,
        count_padding: bool,
    },
    /// Mean over positions, the first left out.
    Mean {
        skip: usize,
    },
    Tokens {
        class_token: Vec<f32>,
        position: Vec<f32>,
    },
    SelectToken {
        index: usize,
    },
    /// Of a value and its tangent; `weight` is that of a layer norm.
    Tangent {
        of: Op,
        weight: Vec<f32>,
    },
}

/// What a kernel works on.
pub(crate) struct Call<'a> {
    pub isa: Isa,
    pub images: usize,
    pub pixels: Pixels<'a>,
    /// Inputs with their shapes; the first is missing when it is overwritten in place.
    pub inputs: &'a [(Stored<'a>, Shape)],
    pub in_place: bool,
    pub shape: Shape,
    pub stages: Vec<Stage<'a>>,
    pub scratch: &'a mut Scratch,
}

impl Work {
    /// Compiles `node`; `None` when its shapes do not fit (shape inference has refused those already).
    pub fn build(
        isa: Isa,
        precision: Precision,
        weights: &Weights,
        node: &Node,
        shapes: &[Shape],
        output: Shape,
    ) -> Option<Self> {
        let values = |name: &str| weights.tensors.get(name).map(|tensor| tensor.values.as_slice());
        let inputs: Vec<Shape> = node.inputs.iter().map(|&id| shapes[id]).collect();
        let input = inputs.first().copied().unwrap_or(output);
        if precision == Precision::Bf16
            && let Some(product) = Product::build(isa, weights, node, input, output)
        {
            return Some(Self::Product(product));
        }
        Some(match &node.op {
            Op::Input { .. } => Self::Pixels,
            Op::Normalize { mean, std } => Self::Normalize(Normalization::new(isa, mean, std)),
            Op::Convolution { weight, groups, channels, .. } => {
                let window = ops::convolution_window(&node.op, input)?;
                Self::Convolution(Convolution::new(isa, window, values(weight)?, *channels, input.channels(), *groups))
            }
            Op::Linear { weight, channels, .. } => {
                Self::Linear(Linear::new(isa, values(weight)?, *channels, input.channels()))
            }
            Op::LayerNorm { weight, bias, epsilon } => {
                Self::LayerNorm { weight: values(weight)?.to_vec(), bias: values(bias)?.to_vec(), epsilon: *epsilon }
            }
            Op::BatchNorm { .. } | Op::Activate { .. } | Op::Scale { .. } | Op::Shift { .. } | Op::Flatten => {
                Self::Transform
            }
            Op::Add => Self::Add,
            Op::Multiply if inputs.get(1) == Some(&input) => Self::Multiply,
            Op::Multiply => Self::Gate,
            Op::Softmax => Self::Softmax,
            Op::Concat => Self::Concat,
            Op::Subsample { stride } => Self::Subsample { stride: *stride },
            Op::PadChannels { before, .. } => Self::PadChannels { before: *before },
            Op::MaxPool { .. } => Self::MaxPool(ops::pooling_window(&node.op, input)?),
            Op::AveragePool { count_padding, .. } => {
                Self::AveragePool { window: ops::pooling_window(&node.op, input)?, count_padding: *count_padding }
            }
            Op::GlobalAveragePool => Self::Mean { skip: 0 },
            Op::MeanTokens { skip } => Self::Mean { skip: *skip },
            Op::Tokens { class_token, position } => Self::Tokens {
                class_token: class_token.as_ref().and_then(|name| values(name)).unwrap_or_default().to_vec(),
                position: position.as_ref().and_then(|name| values(name)).unwrap_or_default().to_vec(),
            },
            Op::SelectToken { index } => Self::SelectToken { index: *index },
            Op::Tangent { of } => {
                let weight = match of.as_ref() {
                    Op::LayerNorm { weight, .. } => values(weight)?.to_vec(),
                    _ => Vec::new(),
                };
                Self::Tangent { of: of.as_ref().clone(), weight }
            }
            Op::Attention { heads } => {
                Self::Attention(Attention::new(isa, output.positions(), output.channels(), *heads))
            }
        })
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.bytes(),
            Self::Linear(linear) => linear.weight().bytes(),
            Self::Product(product) => product.bytes(),
            Self::LayerNorm { weight, bias, .. } => 4 * (weight.len() + bias.len()),
            Self::Tangent { weight, .. } => 4 * weight.len(),
            Self::Tokens { class_token, position } => 4 * (class_token.len() + position.len()),
            _ => 0,
        }
    }

    /// Runs the kernel on all images of the block.
    pub fn run(&self, call: Call<'_>, output: StoredMut<'_>) {
        match output {
            StoredMut::Bf16(output) => self.run_into_halves(call, output),
            StoredMut::F32(output) => self.run_f32(call, output),
        }
    }

    /// Leaves halves.
    fn run_into_halves(&self, call: Call<'_>, output: &mut [u16]) {
        let (isa, rows, channels) = (call.isa, call.images * call.shape.positions(), call.shape.channels());
        match (self, call.inputs.first()) {
            (Self::Product(product), _) => product.run(call, StoredMut::Bf16(output)),
            (Self::LayerNorm { weight, bias, epsilon }, Some((Stored::F32(input), from))) => {
                let input = Rows::new(input, from.channels());
                kernels::bf16_layer_norm(isa, input, rows, (weight, bias, *epsilon), output, call.scratch);
            }
            (Self::MaxPool(window), Some((Stored::Bf16(input), _))) => {
                kernels::bf16_max_pool(isa, window, channels, input, output);
            }
            (Self::Gate, first) => {
                if let (false, Some((Stored::Bf16(input), _))) = (call.in_place, first) {
                    output.copy_from_slice(input);
                }
                let factors = call.inputs.get(1).map_or(&[][..], |(factors, _)| factors.f32());
                kernels::bf16_gate(output, call.shape.positions(), channels, factors);
            }
            _ => self.run_rounded(call, output),
        }
    }

    /// Halves of a kernel that knows single precision alone: what it reads is widened, what it leaves is rounded.
    fn run_rounded(&self, call: Call<'_>, output: &mut [u16]) {
        let Call { isa, images, pixels, inputs, in_place, shape, stages, scratch } = call;
        let widened = |(values, shape): &(Stored<'_>, Shape)| {
            let mut wide = vec![0.0; values.len()];
            values.widen_to(&mut wide);
            (wide, *shape)
        };
        let wide: Vec<(Vec<f32>, Shape)> = inputs.iter().map(widened).collect();
        let inputs: Vec<(Stored<'_>, Shape)> = wide.iter().map(|(wide, shape)| (Stored::F32(wide), *shape)).collect();
        let mut whole = vec![0.0; output.len()];
        if in_place {
            Stored::Bf16(output).widen_to(&mut whole);
        }
        self.run_f32(Call { isa, images, pixels, inputs: &inputs, in_place, shape, stages, scratch }, &mut whole);
        Stored::F32(&whole).copy(isa, 0, output);
    }

    fn run_f32(&self, mut call: Call<'_>, output: &mut [f32]) {
        let (isa, images, shape) = (call.isa, call.images, call.shape);
        let (channels, rows) = (shape.channels(), images * shape.positions());
        let (stored, input_shape) = call.inputs.first().copied().unwrap_or((Stored::F32(&[]), shape));
        let input = stored.f32();
        let from = Rows::new(input, input_shape.channels());
        let second = call.inputs.get(1).map(|&(values, shape)| Rows::new(values.f32(), shape.channels()));
        match self {
            Self::Pixels => raw(call.pixels, output),
            Self::Normalize(normalization) => match call.pixels {
                Pixels::Bytes(bytes) => normalization.run(bytes, output),
                Pixels::Normalized(values) => output.copy_from_slice(values),
            },
            Self::Convolution(convolution) => {
                convolution.run(input, 0..rows, RowsMut::new(output, channels), &mut call.stages, call.scratch);
            }
            Self::Linear(linear) => {
                linear.run(from, 0..rows, RowsMut::new(output, channels), &mut call.stages, call.scratch);
            }
            Self::Product(product) => product.run(call, StoredMut::F32(output)),
            Self::LayerNorm { weight, bias, epsilon } => {
                kernels::layer_norm(isa, from, 0..rows, weight, bias, *epsilon, RowsMut::new(output, channels));
            }
            Self::Attention(attention) => {
                attention.run(input, 0..rows, RowsMut::new(output, channels), call.scratch);
            }
            Self::Transform | Self::Add | Self::Multiply | Self::Gate => {
                call.stages.extend(second.map(|second| match self {
                    Self::Add => Stage::Add(second),
                    Self::Multiply => Stage::Multiply(second),
                    _ => Stage::Gate(Gate { factors: second, positions: shape.positions() }),
                }));
                if let Stored::Bf16(_) = stored {
                    stored.widen_to(output);
                }
                if call.in_place || matches!(stored, Stored::Bf16(_)) {
                    kernels::transform_in_place(
                        isa,
                        RowsMut::new(output, channels),
                        0..rows,
                        channels,
                        &mut call.stages,
                    );
                } else {
                    let output = RowsMut::new(output, channels);
                    kernels::transform(isa, from, 0..rows, channels, output, &mut call.stages);
                }
            }
            Self::Softmax => {
                if !call.in_place {
                    output.copy_from_slice(input);
                }
                kernels::softmax(isa, RowsMut::new(output, channels), rows, channels);
            }
            Self::MaxPool(window) if let Stored::Bf16(halves) = stored => {
                let mut pooled = vec![0; output.len()];
                kernels::bf16_max_pool(isa, window, channels, halves, &mut pooled);
                Stored::Bf16(&pooled).widen_to(output);
            }
            Self::MaxPool(window) => {
                kernels::max_pool(isa, window, channels, input, 0..rows, RowsMut::new(output, channels));
            }
            Self::AveragePool { window, count_padding } => {
                let output = RowsMut::new(output, channels);
                kernels::average_pool(isa, window, channels, input, 0..rows, output, *count_padding);
            }
            Self::Mean { skip } if let Stored::Bf16(halves) = stored => {
                kernels::bf16_mean_positions(isa, halves, input_shape.positions(), *skip, channels, output);
            }
            Self::Mean { skip } => {
                let (positions, output) = (input_shape.positions(), RowsMut::new(output, channels));
                kernels::mean_positions(isa, from, positions, *skip, channels, 0..images, output);
            }
            Self::Concat => concat(call.inputs, rows, channels, output),
            Self::Subsample { stride } => subsample(input, input_shape, shape, *stride, output),
            Self::PadChannels { before } => pad_channels(input, input_shape.channels(), *before, channels, output),
            Self::Tokens { class_token, position } => {
                for (image, to) in input.chunks_exact(input_shape.len()).zip(output.chunks_exact_mut(shape.len())) {
                    let (class, rest) = to.split_at_mut(class_token.len());
                    class.copy_from_slice(class_token);
                    rest.copy_from_slice(image);
                    to.iter_mut().zip(position).for_each(|(x, p)| *x += p);
                }
            }
            Self::Tangent { of, weight } => tangent(isa, (of, weight), call.inputs, shape, output),
            Self::SelectToken { index } => {
                for (image, to) in input.chunks_exact(input_shape.len()).zip(output.chunks_exact_mut(channels)) {
                    to.copy_from_slice(&image[index * channels..(index + 1) * channels]);
                }
            }
        }
    }
}

/// The tangent of an operator's output, image by image; element-wise functions as the backward pass has them, whose slopes are the same.
fn tangent(isa: Isa, (of, weight): (&Op, &[f32]), inputs: &[(Stored<'_>, Shape)], shape: Shape, output: &mut [f32]) {
    let [(x, from), (dx, _)] = *inputs else { return };
    let (x, dx) = (x.f32(), dx.f32());
    if let Op::Activate { function } = of {
        kernels::training::activation_gradient(isa, *function, x, dx, None, output);
        return;
    }
    let length = from.len().max(1);
    for ((x, dx), to) in x.chunks_exact(length).zip(dx.chunks_exact(length)).zip(output.chunks_exact_mut(shape.len())) {
        let value = |values| ops::Value { shape: from, values };
        to.copy_from_slice(&ops::tangent(of, value(x), value(dx), shape, &|_| weight));
    }
}

fn raw(pixels: Pixels<'_>, output: &mut [f32]) {
    match pixels {
        Pixels::Bytes(bytes) => output.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = f32::from(byte)),
        Pixels::Normalized(values) => output.copy_from_slice(values),
    }
}

fn concat(inputs: &[(Stored<'_>, Shape)], rows: usize, channels: usize, output: &mut [f32]) {
    let mut first = 0;
    for (values, shape) in inputs {
        let width = shape.channels();
        for row in 0..rows {
            output[row * channels + first..][..width].copy_from_slice(&values.f32()[row * width..][..width]);
        }
        first += width;
    }
}

fn subsample(input: &[f32], from: Shape, to: Shape, stride: [usize; 2], output: &mut [f32]) {
    let (Shape::Map { width, channels, .. }, Shape::Map { height: rows, width: columns, .. }) = (from, to) else {
        return;
    };
    for (image, target) in input.chunks_exact(from.len()).zip(output.chunks_exact_mut(to.len())) {
        for y in 0..rows {
            for x in 0..columns {
                let pixel = (y * stride[0] * width + x * stride[1]) * channels;
                target[(y * columns + x) * channels..][..channels].copy_from_slice(&image[pixel..pixel + channels]);
            }
        }
    }
}

fn pad_channels(input: &[f32], width: usize, before: usize, channels: usize, output: &mut [f32]) {
    for (row, to) in input.chunks_exact(width).zip(output.chunks_exact_mut(channels)) {
        to.fill(0.0);
        to[before..before + width].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel without halves of its own leaves the rounded values of what it leaves in single precision, in place or not.
    #[test]
    fn any_kernel_leaves_halves() {
        let (isa, shape) = (Isa::best(), Shape::Vector { channels: 24 });
        let values: Vec<f32> = (0..48).map(|at| ((at * 37 % 23) as f32 - 11.0) / 4.0).collect();
        let mut halves = vec![0; 48];
        Stored::F32(&values).copy(isa, 0, &mut halves);
        let run = |inputs: &[(Stored<'_>, Shape)], in_place: bool, output: StoredMut<'_>| {
            let (pixels, stages, mut scratch) = (Pixels::Bytes(&[]), Vec::new(), Scratch::default());
            let call = Call { isa, images: 2, pixels, inputs, in_place, shape, stages, scratch: &mut scratch };
            Work::Softmax.run(call, output);
        };
        // The values are halves already: single precision reads the same.
        let mut single = vec![0.0; 48];
        run(&[(Stored::F32(&values), shape)], false, StoredMut::F32(&mut single));
        let mut expected = vec![0; 48];
        Stored::F32(&single).copy(isa, 0, &mut expected);
        let mut found = vec![7; 48];
        run(&[(Stored::Bf16(&halves), shape)], false, StoredMut::Bf16(&mut found));
        assert_eq!(found, expected);
        run(&[], true, StoredMut::Bf16(&mut halves));
        assert_eq!(halves, expected);
    }
}
