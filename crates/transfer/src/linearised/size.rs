//! What a linearised fit takes, known before any work: it grows with the square of images times classes and with the parameters.

use heirloom_engine::{EngineError, Graph};

use super::jacobian::{BLOCK_BYTES, size_of_blocks};

/// Most rows of the Jacobian: the kernel and its centred copy take 16 bytes for each pair.
pub(crate) const MOST_ROWS: usize = 8000;
/// Most operations: about half an hour on two cores.
pub(crate) const MOST_OPERATIONS: f64 = 6e13;
/// Operations a second that two cores do about, at products and at passes of single images.
const RATE: f64 = 4e10;

/// The size of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Images whose rows are needed, those that choose the penalty included.
    pub images: usize,
    /// Classes.
    pub classes: usize,
    /// Parameters that move.
    pub parameters: usize,
    /// Blocks of columns that rows are computed in.
    pub blocks: usize,
    /// Operations of passes through the network.
    pub network_operations: f64,
    /// Operations of the kernel.
    pub kernel_operations: f64,
}

impl Size {
    /// Of `images` images through `graph` at this input size, by as many parameters.
    pub fn of(
        graph: &Graph,
        input_size: [usize; 2],
        logits: &str,
        (images, classes, parameters): (usize, usize, usize),
    ) -> Result<Self, EngineError> {
        let pass = graph.cost(input_size, &[logits.to_owned()])?.flops as f64;
        let rows = images * classes;
        let blocks = size_of_blocks(rows, parameters).1;
        Ok(Self {
            images,
            classes,
            parameters,
            blocks,
            // A pass forward and, for each class, one backward of twice its operations, for each block.
            network_operations: pass * (blocks * images) as f64 * (1 + 2 * classes) as f64,
            kernel_operations: (rows as f64).powi(2) * parameters as f64,
        })
    }

    /// Rows of the Jacobian.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.images * self.classes
    }

    /// All operations.
    #[must_use]
    pub const fn operations(&self) -> f64 {
        self.network_operations + self.kernel_operations
    }

    /// About how long it takes on two cores.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.operations() / RATE
    }

    /// Bytes of rows and kernels held at a time.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let rows = self.rows() as u64;
        (4 * rows * self.parameters as u64).min(BLOCK_BYTES as u64) + 16 * rows * rows
    }

    /// Whether the fit is small enough.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.rows() <= MOST_ROWS && self.operations() <= MOST_OPERATIONS
    }
}
