//! Studies: the experiments of papers as one command each, with the figures that are expected of them.

pub mod easytl;
pub mod head2toe;
mod verdict;

pub use verdict::Verdict;
