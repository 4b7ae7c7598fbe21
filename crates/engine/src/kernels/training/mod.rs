//! Kernels of training: gradients on plain slices, split over the current thread pool.
//!
//! Work on separate rows is split freely. Sums over rows are cut into a number of chunks that depends on shapes alone, and the
//! chunks are added in order, so the bits do not depend on the number of threads.
//!
//! A gradient is called after what it is the gradient of: `dy` of the output that the forward pass wrote, `dx` of its input.

mod activation;
mod affine;
mod attention;
mod batch_norm;
mod combine;
mod convolution;
mod convolution_forward;
mod convolution_input;
mod convolution_layout;
mod convolution_weight;
mod convolution_weight_steps;
mod convolution_weight_tile;
mod copies;
mod cross_entropy;
mod depthwise;
mod depthwise_weight;
mod derivative;
mod elementwise;
mod gate;
mod lanes;
mod layer_norm;
mod linear;
mod pooling;
mod scale;
mod scratch;
mod softmax;
mod split_rows;
mod sum_rows;
mod tasks;
mod tokens;

pub use super::bf16::{BatchStages, Bf16AttentionTraining, Bf16ConvolutionTraining};
pub use activation::{activation_gradient, activation_gradient_in_place};
pub use affine::affine_forward;
pub use attention::{AttentionGradient, attention_forward};
pub use batch_norm::{AffineGradient, BatchNormAffine, BatchNormGradient, batch_statistics};
pub use combine::{add_assign, multiply_forward, multiply_gradient, sum_forward};
pub use convolution::ConvolutionGradient;
pub(super) use convolution_input::{phase_axes, phase_taps, phase_window};
pub use copies::{Subsampling, concat_forward, pad_channels_forward, take_channels};
pub use cross_entropy::{CrossEntropy, Targets};
pub use gate::{gate_forward, gate_gradient};
pub use layer_norm::{LayerNormGradient, layer_norm_forward};
pub use linear::LinearGradient;
pub use pooling::{
    average_pool_forward, average_pool_gradient, max_pool_forward, max_pool_gradient, mean_positions_forward,
    mean_positions_gradient,
};
pub use scale::{scale_forward, scale_gradient, shift_forward};
pub use scratch::TrainingScratch;
pub(super) use softmax::product as dot;
pub use softmax::{softmax_forward, softmax_gradient};
pub use sum_rows::sum_rows;
pub use tokens::{image_sums, select_token_forward, select_token_gradient, tokens_forward, tokens_gradient};
