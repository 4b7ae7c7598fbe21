//! Products whose operands are rounded to bf16 and whose sums are `f32`: convolutions, linear layers and attention.
//!
//! On processors with a matrix unit (AMX) they run in its tiles; elsewhere the `f32` kernels take the rounded operands, which is
//! slower than `f32` itself and there so that a result in bf16 can be had, and checked, anywhere. Every element is one chain of sums
//! in the order of the depth on either, but the unit adds two products at a time, so the two differ in the last bits.

mod attention;
mod convolution;
mod linear;
mod maps;
mod matrix;
mod norm;
mod peak;
mod pooling;
mod product;
mod rounding;
mod stored;
mod tile;
mod training;
mod unit;

pub use attention::Bf16Attention;
pub use convolution::Bf16Convolution;
pub use linear::Bf16Linear;
pub use norm::bf16_layer_norm;
pub use peak::tile_multiply_adds;
pub use pooling::{bf16_gate, bf16_max_pool, bf16_mean_positions};
pub(super) use rounding::bits;
pub use rounding::{round_in_place, rounded};
pub use stored::{Stored, StoredMut, StoredRowsMut};
pub use training::{BatchStages, Bf16AttentionTraining, Bf16ConvolutionTraining};
pub(super) use unit::available;
