//! A page: sections of blocks in one HTML file without scripts, fonts or pictures from elsewhere.

mod block;
mod escape;
mod matrix;
mod page;

pub use block::{Block, Card};
pub use matrix::{Example, Matrix};
pub use page::{Page, Section};
