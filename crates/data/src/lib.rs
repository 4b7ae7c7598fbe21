//! Image tables, decoding, resizing and splits.

mod preprocess;

pub use preprocess::{Interpolation, Preprocess, Resize};
