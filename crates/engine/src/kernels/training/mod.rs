//! Kernels of training: gradients on plain slices, split over the current thread pool.
//!
//! Work on separate rows is split freely. Sums over rows are cut into a number of chunks that depends on shapes alone, and the
//! chunks are added in order, so the bits do not depend on the number of threads.
