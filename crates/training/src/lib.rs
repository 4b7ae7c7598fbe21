//! Training of networks: losses, optimisers, schedules, regularisers, the loop and its checkpoints.
//!
//! Nothing here but [`checkpoint`] touches a file, and everything gives the same bits for any number of threads.

pub mod checkpoint;
pub mod divergence;
pub mod early_stopping;
pub mod ema;
pub mod finder;
pub mod loss;
pub mod optimizer;
pub mod random;
pub mod regularizer;
pub mod schedule;
pub mod trainer;
