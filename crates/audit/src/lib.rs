//! What an adapted model depends on: measures, each with the control without which its figure means nothing.
//!
//! ```text
//! model + test images --clean--> predictions --+
//! model + test images + intervention --> predictions --> attack success rate, beside that of a clean source and of scratch
//! ```

mod attack;
mod battery;
mod clusters;
pub mod diff;
mod difference;
mod donors;
mod error;
mod gate;
mod groups;
mod halves;
mod level;
mod mcnemar;
mod paired;
mod patch;
mod places;
mod predicted;
mod prepared;
mod record;
pub mod remedies;
pub mod robustness;
mod scan;
mod shift;
pub mod study;
mod subject;
pub mod training_set;
mod triggers;

pub use attack::{Attack, AttackError};
pub use battery::{Battery, Extent};
pub use clusters::{ClusterMeasures, ClusterRecord, clusters};
pub use difference::Difference;
pub use donors::{DonorMeasures, DonorRecord, donors};
pub use error::AuditError;
pub use gate::{Gate, Gated, Gating};
pub use groups::{Cell, GroupGap, GroupMeasures, GroupRecord, Grouped, RateGap, SMALL};
pub use halves::{Halves, balanced};
pub use level::{Level, WeightedPair};
pub use mcnemar::mcnemar;
pub use paired::paired_difference;
pub use patch::{COLOURS, Fill, Patch, PreparedPatch, Shape};
pub use places::{PlaceMeasures, places};
pub use predicted::{network_classes, predicted_classes};
pub use prepared::{ChangedImages, PrepareError, PreparedImages};
pub use record::{AuditRecord, Finding, FindingKind, GroupAudit, GroupColumn, SMALLEST, Verdict};
pub use scan::{ScanMeasures, ScanOptions, ScanRecord, THRESHOLD, scan};
pub use shift::{Answers, Pull, Shift, pull};
pub use subject::{AuditWatch, Subject};
pub use triggers::{Control, Screened, TriggerMeasures, TriggerRecord, Turned, triggers};
