//! Heirloom's engine: graphs of vision networks, the kernels that run them on a CPU, and a cost model.
//!
//! It reads no files, knows no images and draws no random numbers.

mod between;
mod cost;
mod error;
mod graph;
pub mod kernels;
mod ops;
mod plan;
mod precision;
pub mod reference;
mod shape;
mod tangents;
mod taps;
mod training;
mod weights;

pub use between::line;
pub use cost::{Cost, NodeCost};
pub use error::EngineError;
pub use graph::{Activation, Graph, Node, NodeId, Op, Padding, ParameterName};
pub use kernels::Isa;
pub use ops::Real;
pub use plan::{Pixels, Plan, PlanOptions, Tap, Workspace};
pub use precision::Precision;
pub use shape::Shape;
pub use tangents::{Tangents, tangent_key};
pub use training::{Gradients, TrainingOptions, TrainingPlan, TrainingState};
pub use weights::{Tensor, Weights};
