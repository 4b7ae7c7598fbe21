//! Image tables, decoding, resizing and splits.
//!
//! ```text
//! path -> Table (rows: locator, label, group, split) -> encoded bytes -> decode -> Preprocess::apply -> u8 [height, width, 3]
//! ```

mod decode;
mod image;
mod preprocess;
mod problem;
mod resize;
mod table;

pub use crate::image::Image;
pub use decode::{Decoder, Format, Limits, decode, recognise, stored_size};
pub use preprocess::{Interpolation, Preprocess, PreprocessError, Resize};
pub use problem::Problem;
pub use resize::Resampler;
pub use table::{Locator, Row, Skipped, Split, Table, TableError, TableOptions, TableWarning};
