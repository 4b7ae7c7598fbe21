//! Kernels on plain slices, one variant per instruction set.
//!
//! Activations are rows of channels (`NHWC`: one row per pixel or token, the images of a batch one after the other). Every kernel
//! works on the calling thread and on a range of its output rows, and the bits of a row depend on nothing but the row's own
//! inputs and the operator: not on the range, the batch, the row's place in it, the number of threads or the size of a cache.
//! They may differ between instruction sets.
//!
//! What follows a kernel element by element travels with it as a list of [`Stage`]s, applied to the `f32` accumulators.
//! Wherever a range of rows is given, the output and the operands of the stages hold the rows of that range alone.
//!
//! Slices that are too short are a programming error and panic; the plan checks shapes before it calls.

mod aligned;
mod attention;
mod band_tiles;
mod bands;
mod bf16;
mod convolution;
mod depthwise;
mod elementwise;
mod epilogue;
mod gather;
mod gemm;
mod gemm_tiles;
mod isa;
mod linear;
mod math;
mod matmul;
mod norm;
mod packed;
mod padded;
mod peak;
mod pooling;
mod rows;
mod simd;
#[cfg(target_arch = "x86_64")]
mod simd_avx2;
#[cfg(target_arch = "x86_64")]
mod simd_avx512;
mod simd_portable;
mod softmax;
mod softmax_double;
pub mod training;
mod window;

pub use aligned::AlignedBuffer;
pub use attention::Attention;
pub use bf16::{
    Bf16Attention, Bf16Convolution, Bf16Linear, Stored, StoredMut, StoredRowsMut, bf16_gate, bf16_layer_norm,
    bf16_max_pool, bf16_mean_positions, round_in_place, rounded, tile_multiply_adds,
};
pub use convolution::Convolution;
pub use depthwise::Depthwise;
pub use elementwise::{Normalization, transform, transform_in_place};
pub use epilogue::{Gate, Stage};
pub use isa::Isa;
pub use linear::Linear;
pub use matmul::Scratch;
pub use norm::layer_norm;
pub use packed::PackedMatrix;
pub use peak::{copied_bytes, multiply_adds};
pub use pooling::{average_pool, max_pool, mean_positions};
pub use rows::{Rows, RowsMut};
pub use softmax::softmax;
pub use softmax_double::softmax_double;
pub use window::Window;
