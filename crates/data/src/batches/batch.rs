//! One batch, and the order of rows in an epoch.

use crate::augment::Draws;

/// Images that go through the network together. Parallel vectors; an empty one is a buffer waiting to be filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Pixels `[images, height, width, 3]`, eight bits a channel, not normalised.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<usize>,
    /// Table row of each image.
    pub rows: Vec<usize>,
}

impl Batch {
    /// Number of images.
    pub fn images(&self) -> usize {
        self.rows.len()
    }
}

/// `rows` in the random order of one epoch, fixed by seed and epoch.
pub fn epoch_order(rows: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
    let mut order = rows.to_vec();
    Draws::of_epoch(seed, epoch).shuffle(&mut order);
    order
}
