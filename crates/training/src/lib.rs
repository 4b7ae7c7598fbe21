//! Training of networks: losses, optimisers, schedules, regularisers, the loop and its checkpoints.
//!
//! Everything gives the same bits for any number of threads.

pub mod optimizer;
pub mod random;
pub mod schedule;
