//! Studies: the experiments of papers as one command each, with the figures that are expected of them.

mod check;
pub mod easytl;
pub mod head2toe;
mod verdict;

pub use check::{Check, Difference};
pub use verdict::Verdict;
