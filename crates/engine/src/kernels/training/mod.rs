//! Kernels of training: gradients on plain slices, split over the current thread pool.
//!
//! Work on separate rows is split freely. Sums over rows are cut into a number of chunks that depends on shapes alone, and the
//! chunks are added in order, so the bits do not depend on the number of threads.
//!
//! A gradient is called after what it is the gradient of: `dy` of the output that the forward pass wrote, `dx` of its input.

mod activation;
mod affine;
mod batch_norm;
mod combine;
mod convolution;
mod convolution_forward;
mod convolution_input;
mod convolution_layout;
mod convolution_weight;
mod convolution_weight_steps;
mod convolution_weight_tile;
mod depthwise;
mod depthwise_weight;
mod derivative;
mod elementwise;
mod lanes;
mod layer_norm;
mod linear;
mod pooling;
mod rows;
mod scratch;
mod split_rows;
mod sum_rows;

pub use activation::{activation_gradient, activation_gradient_in_place};
pub use affine::affine_forward;
pub use batch_norm::{AffineGradient, BatchNormAffine, BatchNormGradient, batch_statistics};
pub use combine::{
    add_assign, channel_sums, gate_forward, gate_gradient, multiply_forward, multiply_gradient, scale_forward,
    scale_gradient, shift_forward, sum_forward,
};
pub use convolution::ConvolutionGradient;
pub use layer_norm::{LayerNormGradient, layer_norm_forward};
pub use linear::LinearGradient;
pub use pooling::{
    average_pool_forward, average_pool_gradient, max_pool_forward, max_pool_gradient, mean_positions_forward,
    mean_positions_gradient,
};
pub use scratch::TrainingScratch;
pub use sum_rows::sum_rows;
