//! Labels made worse on purpose, to see what a training method makes of them: wrong ones, and classes of uneven size.

mod imbalance;
mod noise;

pub use imbalance::{ImbalanceError, minority, uneven_sizes};
pub use noise::{Corruption, CorruptionError, trusted};
