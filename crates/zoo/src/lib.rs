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
mod from_scratch;
mod head;
mod initialize;
mod keys;
mod known;
mod layers;
mod load;
mod open;
mod parameters;
mod position;
mod readers;
mod recipe;
mod recognise;
mod rewire;
mod save;
mod select;
mod sidecar;
mod sidecar_descriptive;
mod stored_network;
mod suggest;
mod timm_config;
mod unfold;
mod write;

pub use backbone::{Backbone, weights_digest};
pub use demonstration::demonstration;
pub use error::{Problem, Problems, ZooError};
pub use head::{HeadStart, NewHead, replace_head};
pub use initialize::{Initialization, initialize};
pub use keys::Layout;
pub use known::{Known, known};
pub use layers::{ParameterGroup, parameter_groups};
pub use open::{local, open, open_path};
pub use readers::{Entry, Number, TensorFile};
pub use recipe::{Norm, Options, Recipe};
pub use select::{parameters_from, parameters_matching};
pub use sidecar::Sidecar;
pub use stored_network::StoredNetwork;
pub use unfold::{ChannelStatistics, folded_convolutions, unfold_batch_norms};
