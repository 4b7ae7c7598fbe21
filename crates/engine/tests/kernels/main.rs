//! Every kernel against a plain f64 reference, on every instruction set of this machine, and the bit-for-bit promises.

mod attention;
mod bf16;
mod bf16_gradients;
mod bits;
mod convolution;
mod elementwise;
mod gradients;
mod normalisation;
mod pooling;
mod support;
mod training;
