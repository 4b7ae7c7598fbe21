//! The products that bf16 has kernels for: they read and write values as they are stored, rounded or not.

use super::work::Call;
use crate::kernels::{Bf16Attention, Bf16Convolution, Bf16Linear, Depthwise, StoredMut, StoredRowsMut};
use crate::{Isa, Node, Op, Shape, Weights, ops};

/// A product with its packed weights.
#[derive(Debug)]
pub(crate) enum Product {
    Convolution(Bf16Convolution),
    Linear(Bf16Linear),
    Attention(Bf16Attention),
    /// Its sums are of weights in `f32`.
    Depthwise(Depthwise),
}

impl Product {
    /// Compiles `node`; `None` where it is no such product, or its shapes do not fit.
    pub fn build(isa: Isa, weights: &Weights, node: &Node, input: Shape, output: Shape) -> Option<Self> {
        let values = |name: &str| weights.tensors.get(name).map(|tensor| tensor.values.as_slice());
        let from = input.channels();
        match &node.op {
            Op::Convolution { weight, groups, channels, .. } => {
                let window = ops::convolution_window(&node.op, input)?;
                let depthwise = *groups > 1 && *groups == from && *groups == *channels;
                let values = values(weight)?;
                Some(if depthwise {
                    Self::Depthwise(Depthwise::new(isa, window, values, from))
                } else {
                    Self::Convolution(Bf16Convolution::new(isa, window, values, *channels, from, *groups))
                })
            }
            Op::Linear { weight, channels, .. } => {
                Some(Self::Linear(Bf16Linear::new(isa, values(weight)?, *channels, from)))
            }
            Op::Attention { heads } => {
                Some(Self::Attention(Bf16Attention::new(isa, output.positions(), output.channels(), *heads)))
            }
            _ => None,
        }
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.bytes(),
            Self::Linear(linear) => linear.bytes(),
            Self::Depthwise(depthwise) => depthwise.bytes(),
            Self::Attention(_) => 0,
        }
    }

    /// Runs the kernel on all images of the block.
    pub fn run(&self, mut call: Call<'_>, output: StoredMut<'_>) {
        let (rows, shape) = (call.images * call.shape.positions(), call.shape);
        let Some(&(input, from)) = call.inputs.first() else { return };
        let output = StoredRowsMut::new(output, shape.channels());
        match self {
            Self::Convolution(convolution) => convolution.run(input, output, &mut call.stages, call.scratch),
            Self::Linear(linear) => {
                linear.run((input, from.channels()), rows, output, &mut call.stages, call.scratch);
            }
            Self::Attention(attention) => attention.run(input, call.images, output, call.scratch),
            Self::Depthwise(depthwise) => {
                depthwise.run_stored(input, rows, output, &mut call.stages, call.scratch);
            }
        }
    }
}
