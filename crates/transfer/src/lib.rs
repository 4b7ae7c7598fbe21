//! Features and their store, heads, model selection and the artifact.

pub mod artifact;
pub mod extract;
mod features;
pub mod fit;
pub mod heads;
mod near_duplicates;
mod pooling;
pub mod predictor;
pub mod store;

pub use features::{Block, ClassTokenMode, Features, Pooling};
pub use near_duplicates::{NearDuplicate, SAME_PICTURE, confirm_near_duplicates};
pub use pooling::{PoolingError, Windows, pool_into, pooled_width};
