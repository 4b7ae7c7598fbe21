//! Why one image cannot be used. A row with a problem is named, counted and skipped; it never stops a run by itself.

use crate::decode::Format;

/// What is wrong with one row's image. The text states the fact; [`Problem::hint`] says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file or cell has no bytes.
    #[error("the file is empty (0 bytes)")]
    Empty,
    /// A table names a file that is not there.
    #[error("there is no such file")]
    Missing,
    /// The operating system refused to read it, or the table around it cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// The operating system's or the reader's own words.
        reason: String,
    },
    /// The row's image cell is null.
    #[error("the row holds no image bytes")]
    NoBytes,
    /// More encoded bytes than [`crate::Limits::encoded_bytes`].
    #[error("{bytes} encoded bytes, more than the limit of {limit}")]
    TooManyBytes {
        /// Encoded size in bytes.
        bytes: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// More pixels than [`crate::Limits::pixels`], known from the header before anything is allocated.
    #[error("{width} x {height} pixels, more than the limit of {limit} pixels")]
    TooManyPixels {
        /// Width the header claims, in pixels.
        width: usize,
        /// Height the header claims, in pixels.
        height: usize,
        /// Limit in pixels.
        limit: u64,
    },
    /// The content begins like no image format that is known here.
    #[error("not an image (begins with {start})")]
    NotAnImage {
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// An image, recognised by content, whose format is not read.
    #[error("{format} images are not supported")]
    Unsupported {
        /// The format found.
        format: Format,
    },
    /// The data ends before the image does.
    #[error("truncated {format} image: {reason}")]
    Truncated {
        /// The format found.
        format: Format,
        /// What is missing.
        reason: String,
    },
    /// The data contradicts the format's rules.
    #[error("broken {format} image: {reason}")]
    Broken {
        /// The format found.
        format: Format,
        /// What the decoder found.
        reason: String,
    },
}

impl Problem {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::Unsupported { format } => format.hint().map(str::to_owned),
            Problem::TooManyPixels { .. } => {
                Some("shrink it first: a backbone sees a few hundred pixels a side".to_owned())
            }
            Problem::Truncated { .. } => Some("copy or download the file again".to_owned()),
            Problem::NotAnImage { .. } => Some("JPEG, PNG, WebP and BMP are read, whatever the file's name".to_owned()),
            _ => None,
        }
    }

    /// A short constant name to count by: `truncated`, `unsupported-heic`, ...
    pub fn kind(&self) -> String {
        match self {
            Problem::Empty => "empty".to_owned(),
            Problem::Missing => "missing".to_owned(),
            Problem::Unreadable { .. } => "unreadable".to_owned(),
            Problem::NoBytes => "no-bytes".to_owned(),
            Problem::TooManyBytes { .. } => "too-many-bytes".to_owned(),
            Problem::TooManyPixels { .. } => "too-many-pixels".to_owned(),
            Problem::NotAnImage { .. } => "not-an-image".to_owned(),
            Problem::Unsupported { format } => format!("unsupported-{}", format.to_string().to_lowercase()),
            Problem::Truncated { .. } => "truncated".to_owned(),
            Problem::Broken { .. } => "broken".to_owned(),
        }
    }
}
