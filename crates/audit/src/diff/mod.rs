//! Two models side by side: what they get wrong together and apart, how alike they see images, how far their weights lie apart, and what
//! lies between them (Neyshabur, Sedghi, Zhang, NeurIPS 2020, arXiv 2008.11687; `spec/what-is-transferred.md`).
//!
//! ```text
//! answers of both ---------------> mistakes
//! values of all layers of both --> similarity, beside that of images that do not belong together
//! weights of both ---------------> distance; the line between them --> barrier, average
//! one's modules in the other's state --> which modules matter, and how critical they are
//! ```

mod clarity;
mod criticality;
mod distance;
mod error;
mod mistakes;
mod path;
mod rewind;
mod similarity;
mod way;

pub use clarity::{Clarity, Uncertainty, entropy};
pub use criticality::{BORDER, Criticality, CriticalityGrid, criticality};
pub use distance::{Apart, distance};
pub use error::DiffError;
pub use mistakes::{ClassMistakes, Mistakes};
pub(crate) use path::Statistics;
pub use path::{
    Answered, Average, Barrier, BarrierVerdict, Basin, Curve, DENT, Edge, Judged, PathInput, PathOptions, PathPoint,
    PathRecord, Place, Rise, Walk, basin, basin_between, most_of_basin, path, rise, walk, walked,
};
pub use rewind::{CriticalityOptions, Rewind, RewindInput, RewindOptions, RewoundModule, parts, rewind};
pub use similarity::{
    Alignment, Centring, Gram, LEAST, Side, Similarity, SimilarityOptions, TapPair, compared, similarity,
};
pub use way::{ValleyPoint, most_looks, most_of_valley};

#[cfg(test)]
pub(crate) use path::tests;
