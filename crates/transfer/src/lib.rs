//! Features and their store, heads, model selection and the artifact.

mod features;

pub use features::{Block, ClassTokenMode, Features, Pooling};
