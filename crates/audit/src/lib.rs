//! What an adapted model depends on: measures, each with the control without which its figure means nothing.
//!
//! ```text
//! model + test images --clean--> predictions --+
//! model + test images + intervention --> predictions --> attack success rate, beside that of a clean source and of scratch
//! ```

mod attack;
mod difference;
mod images;
mod predicted;

pub use attack::{Attack, AttackError};
pub use difference::Difference;
pub use images::StampedImages;
pub use predicted::{network_classes, predicted_classes};
