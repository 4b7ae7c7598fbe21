//! Heirloom's engine: graphs of vision networks, the kernels that run them on a CPU, and a cost model.
//!
//! It reads no files, knows no images and draws no random numbers.

mod error;
mod graph;
pub mod kernels;
mod plan;
mod shape;
mod weights;

pub use error::EngineError;
pub use graph::{Activation, Graph, Node, NodeId, Op, Padding, ParameterName};
pub use kernels::Isa;
pub use plan::{Pixels, Plan, PlanOptions, Tap, Workspace};
pub use shape::Shape;
pub use weights::{Tensor, Weights};
