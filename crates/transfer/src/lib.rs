//! Features and their store, heads, model selection and the artifact.

pub mod adaptation;
pub mod artifact;
pub mod calibration;
pub mod compare;
pub mod compress;
pub mod episodes;
pub mod extract;
mod features;
pub mod federated;
pub mod fit;
pub mod generalisation;
pub mod gradient;
pub mod heads;
mod linearised;
mod pooling;
pub mod predictor;
pub mod pretrain;
pub mod ranking;
pub mod safe;
pub mod store;
pub mod study;

pub use features::{Block, ClassTokenMode, Features, Pooling};
pub use pooling::{PoolingError, Windows, pool_into, pooled_width};
