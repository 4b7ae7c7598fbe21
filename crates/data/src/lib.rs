//! Image tables, decoding, resizing and splits.
//!
//! ```text
//! path -> Table (rows: locator, label, group, split) -> encoded bytes -> decode -> Preprocess::apply -> u8 [height, width, 3]
//! ```

pub mod augment;
pub mod batches;
pub mod corruption;
mod decode;
mod digests;
mod drawing;
mod duplicates;
mod groups;
mod image;
mod index_file;
mod inspect;
pub mod intervention;
mod joint;
pub mod labels;
mod likeness;
mod parallel;
mod preprocess;
mod problem;
mod resize;
mod split;
mod table;
mod world;

pub use crate::image::Image;
pub use decode::{Decoder, Format, Limits, decode, decoding_bytes, recognise, stored_size};
pub use digests::{Digest, DigestIndex, digest};
pub use drawing::Drawing;
pub use duplicates::{
    DuplicateCounts, NearDuplicateSettings, NearDuplicates, count_duplicates, exact_duplicates, near_duplicates,
};
pub use groups::Groups;
pub use inspect::{ClassCount, DuplicateReport, InspectSettings, Inspection, Sides, Span, inspect};
pub use joint::{Joint, JointError};
pub use likeness::{Likeness, LikenessIndex};
pub use preprocess::{Interpolation, Preprocess, PreprocessError, Resize};
pub use problem::Problem;
pub use resize::Resampler;
pub use split::{Folds, HoldOut, SplitError, SplitInput, SplitWarning, folds, hold_out};
pub use table::{
    FeatureBlock, FeatureTable, Locator, ManifestError, Row, Skipped, Split, Table, TableError, TableOptions,
    TableWarning,
};
pub use world::{Halves, HalvesSize, Kind, Nuisances, Shape, Structured, StructuredTask, Texture, World, WorldError};
