//! Regularisers of fine-tuning: penalties that keep what was pretrained, with their gradients
//! (`spec/regularisers-and-adaptation.md` part A).

pub mod bss;
pub mod co_tuning;
pub mod delta;
mod error;
pub mod l2_sp;
pub mod stoch_norm;

pub use bss::BssSettings;
pub use delta::FeatureMap;
pub use error::RegularizerError;
pub use l2_sp::{L2Sp, L2SpSettings};

/// A penalty on values of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalty {
    /// The penalty, its strength included.
    pub value: f64,
    /// Its gradient with respect to the values, in their shape.
    pub gradient: Vec<f32>,
}
