//! What can go wrong between a name and a backbone. Every error names the file and the tensor, key or opcode at fault.

use std::fmt;
use std::path::PathBuf;

/// How many problems an error prints before it only counts.
const SHOWN: usize = 10;

/// One tensor that does not fit the architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The architecture needs it and the file lacks it.
    Missing {
        /// Checkpoint key.
        key: String,
        /// Shape the architecture needs.
        shape: Vec<usize>,
    },
    /// The file holds it and the architecture has no use for it.
    Extra {
        /// Checkpoint key.
        key: String,
        /// Shape in the file.
        shape: Vec<usize>,
    },
    /// Another shape than the architecture's.
    Shape {
        /// Checkpoint key.
        key: String,
        /// The architecture's shape.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A number type that cannot be a weight.
    Type {
        /// Checkpoint key.
        key: String,
        /// The type's name.
        found: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, shape } => write!(f, "'{key}' {shape:?} is missing"),
            Self::Extra { key, shape } => write!(f, "'{key}' {shape:?} is not part of the architecture"),
            Self::Shape { key, expected, found } => write!(f, "'{key}' has shape {found:?}, expected {expected:?}"),
            Self::Type { key, found } => write!(f, "'{key}' holds {found} values, expected f32, f16 or bf16"),
        }
    }
}

/// All tensors that do not fit; prints the first ten and the count of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// An error of the zoo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// Neither a path nor a name that the weight folders hold.
    #[error("no backbone called '{name}': it is not a path, and {}", searched_text(.searched, .found))]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Folders looked into.
        searched: Vec<PathBuf>,
        /// Names that those folders do hold.
        found: Vec<String>,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// A file that is not what its format promises.
    #[error("{}: not a valid {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format expected.
        format: &'static str,
        /// What is wrong, with the figures.
        reason: String,
    },
    /// A checkpoint that asks for more than tensors.
    #[error("{}: refused: {what}; only dictionaries of tensors are read, nothing is executed", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The global, opcode or limit, by name.
        what: String,
    },
    /// A PyTorch checkpoint written before version 1.6.
    #[error("{}: a PyTorch checkpoint in the legacy format (before 1.6), which is not read", path.display())]
    LegacyCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A kind of file that the zoo does not read.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is and what would be read.
        reason: String,
    },
    /// A description (sidecar or config.json) that contradicts itself or lacks something.
    #[error("{}: {reason}", path.display())]
    Description {
        /// The JSON file.
        path: PathBuf,
        /// Which field, and what is wrong with it.
        reason: String,
    },
    /// An architecture that the zoo cannot build.
    #[error("unknown architecture '{name}'; known: {}", .known.join(", "))]
    UnknownArchitecture {
        /// Name asked for.
        name: String,
        /// Names that can be built.
        known: Vec<String>,
    },
    /// Weights without a description whose tensors fit no architecture, or more than one.
    #[error("{}: no description beside it, and its tensors {}", path.display(), fits_text(.fits))]
    Unrecognised {
        /// The weight file.
        path: PathBuf,
        /// Architectures that fit, none or at least two.
        fits: Vec<String>,
        /// Where the description belongs.
        sidecar: PathBuf,
        /// A description to start from.
        example: String,
    },
    /// Weights that do not fit the architecture.
    #[error("{}: {} of its tensors do not fit {architecture}: {problems}", path.display(), problems.0.len())]
    Mismatch {
        /// The weight file.
        path: PathBuf,
        /// The architecture that was asked for.
        architecture: String,
        /// All that does not fit.
        problems: Problems,
    },
    /// A network that something asked for does not suit.
    #[error("{name}: {reason}")]
    Network {
        /// The network.
        name: String,
        /// What does not fit, with the figures.
        reason: String,
    },
    /// A name or pattern that no layer or parameter matches.
    #[error("no layer or parameter is called '{pattern}'{}", suggestion.as_ref().map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
    UnknownLayer {
        /// What was asked for.
        pattern: String,
        /// The nearest existing name.
        suggestion: Option<String>,
    },
    /// A weight that is not a number.
    #[error("{}: tensor '{key}' holds {count} values that are not finite (the first, {value}, at index {index})", path.display())]
    NotFinite {
        /// The weight file.
        path: PathBuf,
        /// Checkpoint key.
        key: String,
        /// Position of the first one in the tensor.
        index: usize,
        /// The first one.
        value: f32,
        /// How many.
        count: usize,
    },
}

impl ZooError {
    /// What the user can do about it, when there is something definite.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { .. } => Some(
                "give a path to a .safetensors or .pth file or to a timm folder, or fetch a public backbone".into(),
            ),
            Self::LegacyCheckpoint { .. } => {
                Some("convert it with PyTorch: torch.save(torch.load('OLD.pth', weights_only=True), 'NEW.pth')".into())
            }
            Self::Refused { .. } => Some(
                "save the bare weights with PyTorch: torch.save(model.state_dict(), 'NEW.pth'), or use safetensors"
                    .into(),
            ),
            Self::Unrecognised { sidecar, example, .. } => {
                Some(format!("write {} such as:\n{example}", sidecar.display()))
            }
            Self::Mismatch { .. } => {
                Some("check 'architecture' and 'classes' in the description of the weights".into())
            }
            _ => None,
        }
    }
}

fn searched_text(searched: &[PathBuf], found: &[String]) -> String {
    if searched.is_empty() {
        return "HEIRLOOM_DATA is not set".into();
    }
    let folders: Vec<String> = searched.iter().map(|folder| folder.display().to_string()).collect();
    let names = if found.is_empty() { "no weights".into() } else { found.join(", ") };
    format!("{} holds {names}", folders.join(" or "))
}

fn fits_text(fits: &[String]) -> String {
    match fits {
        [] => "fit no architecture known here".into(),
        many => format!("fit more than one architecture ({})", many.join(", ")),
    }
}
