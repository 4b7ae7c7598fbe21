//! The shape of one image's activation, without the batch axis.

use serde::{Deserialize, Serialize};

/// Shape of an activation for one image; channels are the last, fastest axis in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A feature map `[height, width, channels]`.
    Map {
        /// Rows of pixels.
        height: usize,
        /// Pixels in a row.
        width: usize,
        /// Values in a pixel.
        channels: usize,
    },
    /// A token sequence `[tokens, channels]`.
    Tokens {
        /// Tokens, the class token included.
        tokens: usize,
        /// Values in a token.
        channels: usize,
    },
    /// A vector `[channels]`.
    Vector {
        /// Values.
        channels: usize,
    },
}

impl Shape {
    /// Values in the last axis.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Map { channels, .. } | Self::Tokens { channels, .. } | Self::Vector { channels } => channels,
        }
    }

    /// Pixels or tokens; 1 for a vector.
    #[must_use]
    pub const fn positions(self) -> usize {
        match self {
            Self::Map { height, width, .. } => height * width,
            Self::Tokens { tokens, .. } => tokens,
            Self::Vector { .. } => 1,
        }
    }

    /// Number of values.
    #[must_use]
    pub const fn len(self) -> usize {
        self.positions() * self.channels()
    }

    /// Whether it holds no value.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map { height, width, channels } => write!(f, "{height}x{width}x{channels}"),
            Self::Tokens { tokens, channels } => write!(f, "{tokens}x{channels}"),
            Self::Vector { channels } => write!(f, "{channels}"),
        }
    }
}
