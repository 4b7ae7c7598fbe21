//! Features in memory: pooled tap values, one block of columns per tap and pooling target, one row per image.

use heirloom_data::FeatureTable;
use heirloom_engine::Shape;
use serde::{Deserialize, Serialize};

/// What happens to the class token (token 0) when a token sequence is pooled; `spec/head2toe.md` section 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassTokenMode {
    /// Averaged into the first window like any other token.
    #[default]
    Normal,
    /// The class token alone.
    Only,
    /// The class token kept whole, then the pooled rest.
    Apart,
}

/// How a tap's values become columns: the target size `T` and the class-token mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pooling {
    /// Upper goal for the pooled width, in features; 1 means the mean over all positions.
    pub target: usize,
    /// Class-token mode of token sequences; ignored by maps and vectors.
    pub class_token: ClassTokenMode,
}

impl Pooling {
    /// The mean over all positions.
    pub const MEAN: Self = Self::to(1);

    /// Pooling to `target` features, with the class token averaged like any other.
    #[must_use]
    pub const fn to(target: usize) -> Self {
        Self { target, class_token: ClassTokenMode::Normal }
    }
}

impl std::fmt::Display for Pooling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.class_token {
            ClassTokenMode::Normal => write!(f, "target {}", self.target),
            ClassTokenMode::Only => write!(f, "class token only"),
            ClassTokenMode::Apart => write!(f, "class token apart, target {}", self.target),
        }
    }
}

/// The columns of one tap under one pooling, before any normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Name of the tap.
    pub tap: String,
    /// Shape of the tap before pooling.
    pub shape: Shape,
    /// How it was pooled.
    pub pooling: Pooling,
    /// Columns.
    pub width: usize,
    /// Values `[rows, width]`, row-major.
    pub values: Vec<f32>,
}

impl Block {
    /// The same without values.
    pub(crate) fn empty(&self) -> Self {
        let Self { shape, pooling, width, .. } = *self;
        Self { tap: self.tap.clone(), shape, pooling, width, values: Vec::new() }
    }
}

/// Features of a table's rows: blocks side by side, all with the same rows. Row `i` of every block is the same image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// Number of rows.
    pub rows: usize,
    /// Column blocks in tap order (depth).
    pub blocks: Vec<Block>,
}

impl Features {
    /// Some rows of a table of features, in the order of `rows`.
    #[must_use]
    pub fn of_table(table: &FeatureTable, rows: &[usize]) -> Self {
        let block = |block: &heirloom_data::FeatureBlock| {
            let row = |&row: &usize| block.values.get(row * block.width..(row + 1) * block.width).unwrap_or_default();
            Block {
                tap: block.name.clone(),
                shape: Shape::Vector { channels: block.width },
                pooling: Pooling::MEAN,
                width: block.width,
                values: rows.iter().flat_map(|at| row(at).iter().copied()).collect(),
            }
        };
        Self { rows: rows.len(), blocks: table.blocks.iter().map(block).collect() }
    }

    /// Total number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.blocks.iter().map(|block| block.width).sum()
    }
}

/// Inner product in eight running sums, so that the compiler can keep them in one register.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
