//! Architectures, weight readers and preprocessing recipes: from a file on disk to a [`Backbone`], a graph with its values.
//!
//! [`open`] takes a path or a name. A weight file is only ever read as tensors; nothing in it is executed.

pub mod architectures;
mod backbone;
mod builder;
mod check;
mod demonstration;
mod error;
mod fitting;
mod keys;
mod known;
mod open;
mod readers;
mod recipe;
mod recognise;
mod sidecar;
mod sidecar_descriptive;
mod timm_config;

pub use backbone::{Backbone, weights_digest};
pub use demonstration::demonstration;
pub use error::{Problem, Problems, ZooError};
pub use keys::Layout;
pub use known::{Known, known};
pub use open::{local, open, open_path};
pub use readers::{Entry, Number, TensorFile};
pub use recipe::{Norm, Options, Recipe};
pub use sidecar::Sidecar;
