//! Domain adaptation on features (`spec/easytl.md`): a labelled source, an unlabelled target, and what brings the two together.
//!
//! ```text
//! preprocess each row, each column -> align the source with the target -> class means -> distances -> the programme -> labels
//! ```
//!
//! Everything here is transductive unless said otherwise: statistics of the whole unlabelled target take part. Target labels never
//! do: no function takes them.

mod align;
mod between;
mod coral;
mod coverage;
pub(crate) mod deep;
mod distance;
mod easytl;
mod error;
mod mean_matching;
mod means;
mod neighbour;
mod preparation;
mod preprocess;
mod programme;
mod proxy_distance;
mod samples;
mod shallow;

pub use align::{Adaptation, Adapted, Alignment};
pub use between::DomainDistance;
pub use coral::{Coral, Covariance};
pub use coverage::Coverage;
pub use deep::{DeepMethod, DeepOptions, label_deep};
pub use distance::Distance;
pub use easytl::{EasyTl, EasyTlResult};
pub use error::AdaptationError;
pub use mean_matching::{MatchedWeights, MeanMatching};
pub use means::class_means;
pub use neighbour::nearest_neighbour;
pub use preparation::Preparation;
pub use preprocess::{ColumnScaling, ColumnStatistics, Preprocessing, RowScaling};
pub use programme::{Assignment, assign, cheapest};
pub use proxy_distance::{ProxyDistance, proxy_distance};
pub use samples::Samples;
pub use shallow::{Balance, FlowKernel, Kernel, ShallowMethod, ShallowOptions, ShallowResult, label_shallow};

#[cfg(test)]
mod tests;
