//! Kernels of training against plain double-precision loops and central differences, on every instruction set and on several
//! numbers of threads.

mod activation;
mod attention;
mod batch_norm;
mod combine;
mod copies;
mod layer_norm;
mod pooling;
mod softmax;
mod support;
