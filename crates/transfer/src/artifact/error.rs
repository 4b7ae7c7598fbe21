//! What can be wrong with an artifact.

use std::path::PathBuf;

use crate::heads::HeadError;

/// An error of writing, reading or completing an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Two models between which there is no straight line.
    #[error("there is no straight line between the two models: {what} differ")]
    NoLine {
        /// What differs.
        what: &'static str,
    },
    /// A network that is no model by itself.
    #[error("{name} has no classifier `x W + b` on its features with a name for each class")]
    Classifier {
        /// The network.
        name: String,
    },
    /// A model that was rounded already.
    #[error("the model was compressed to {numbers} already; what was rounded stays so")]
    Compressed {
        /// The numbers it is kept in.
        numbers: &'static str,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Not a safetensors file, or half of one.
    #[error("{}: not a whole safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A safetensors file, but no artifact.
    #[error("{}: a safetensors file, but no Heirloom artifact: its metadata keys are {keys:?}, expected [\"heirloom\"]", path.display())]
    NotAnArtifact {
        /// The file.
        path: PathBuf,
        /// Metadata keys found.
        keys: Vec<String>,
    },
    /// Written by a later version of the program.
    #[error("{}: written in version {found} of the format, this program reads up to {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The latest version known.
        supported: u64,
    },
    /// The description cannot be read, or contradicts itself.
    #[error("{}: the artifact's description is broken: {reason}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that the description needs.
    #[error("{}: tensor '{name}' is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
    },
    /// A tensor that the description does not know.
    #[error("{}: tensor '{name}' belongs to nothing in the artifact", path.display())]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
    },
    /// A tensor of another type or shape.
    #[error("{}: tensor '{name}' is {found}, expected {expected}", path.display())]
    TensorForm {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// Type and shape found.
        found: String,
        /// Type and shape needed.
        expected: String,
    },
    /// The content is not the one that was written.
    #[error("{}: the content has changed since it was written: its digest is {found}, expected {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest stated.
        expected: String,
        /// Digest of the content.
        found: String,
    },
    /// An artifact that reads features and was to read images.
    #[error("the artifact was fitted on a table of features; it has no network to read images with")]
    NoNetwork,
    /// An artifact that reads images and was to read features.
    #[error("the artifact reads images through the network '{name}', not tables of features")]
    NeedsImages {
        /// The network.
        name: String,
    },
    /// A slim artifact whose backbone was not brought.
    #[error("the artifact is slim: it needs the backbone '{name}' with weights digest {digest}")]
    NeedsBackbone {
        /// Name of the backbone.
        name: String,
        /// Digest of its weights.
        digest: String,
    },
    /// Another backbone than the one a slim artifact was fitted on.
    #[error("the artifact was fitted on '{name}' with weights digest {expected}, '{given}' has {found}")]
    OtherBackbone {
        /// The backbone needed.
        name: String,
        /// Its digest.
        expected: String,
        /// The backbone given.
        given: String,
        /// Its digest.
        found: String,
    },
    /// A head that cannot be stored or read.
    #[error(transparent)]
    Head(#[from] HeadError),
}
