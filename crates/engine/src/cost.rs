//! What a pass costs, computed from the graph alone: operations, parameters and bytes. Measured times live elsewhere.

use serde::Serialize;

use crate::{EngineError, Graph, Shape, ops, taps};

/// Cost of one node for one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeCost {
    /// Name of the node.
    pub name: String,
    /// Shape of its output for one image.
    pub shape: Shape,
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// Parameters it reads, running statistics included.
    pub parameters: u64,
    /// Bytes it reads and writes when nothing is fused and values are `f32`: inputs, parameters and output.
    pub bytes: u64,
}

/// Cost of a pass over one image, up to the last tap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// The nodes that run, in order.
    pub nodes: Vec<NodeCost>,
    /// Sum of the nodes' operations.
    pub flops: u64,
    /// Sum of the nodes' parameters.
    pub parameters: u64,
    /// Sum of the nodes' bytes.
    pub bytes: u64,
}

impl Graph {
    /// Cost of computing `taps` for one image of `[height, width]` pixels.
    ///
    /// # Errors
    /// An unknown tap, or operators whose shapes do not fit.
    pub fn cost(&self, input_size: [usize; 2], taps: &[String]) -> Result<Cost, EngineError> {
        let shapes = self.shapes(input_size)?;
        let needed = taps::needed(self, &taps::resolve(self, taps)?);
        let nodes: Vec<_> =
            (0..self.nodes.len()).filter(|&id| needed[id]).map(|id| self.node_cost(id, &shapes)).collect();
        Ok(Cost {
            flops: nodes.iter().map(|node| node.flops).sum(),
            parameters: nodes.iter().map(|node| node.parameters).sum(),
            bytes: nodes.iter().map(|node| node.bytes).sum(),
            nodes,
        })
    }

    fn node_cost(&self, id: usize, shapes: &[Shape]) -> NodeCost {
        let node = &self.nodes[id];
        let inputs: Vec<Shape> = node.inputs.iter().map(|&input| shapes[input]).collect();
        let read: usize = inputs.iter().map(|shape| shape.len()).sum();
        let first = inputs.first().copied().unwrap_or(shapes[id]);
        let tensors = ops::parameter_shapes(node, first, shapes[id]);
        let parameters = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
        NodeCost {
            name: node.name.clone(),
            shape: shapes[id],
            flops: ops::flops(node, &inputs, shapes[id]),
            parameters,
            bytes: 4 * ((read + shapes[id].len()) as u64 + parameters),
        }
    }
}
