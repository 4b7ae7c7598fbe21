//! How alike two networks see the same images: centred kernel alignment of every tap of one with every tap of the other, beside a
//! floor (`spec/what-is-transferred.md` section 6).
//!
//! ```text
//! images, shuffled, in batches --left network--> Gram matrix per tap --+
//!                              --right network--> Gram matrix per tap --+--> alignment per pair, unbiased and biased
//!                              --right, images in another order ---------+--> the same of representations that have nothing in common
//! ```
//!
//! The biased form has a high floor where there are few images and many columns; that is why the unbiased one is the figure, and why the
//! floor stands beside both.

mod activations;
mod cka;
mod gram;

use heirloom_engine::Isa;
use heirloom_training::random::generator;
use heirloom_transfer::extract::Network;
use serde::{Deserialize, Serialize};

use super::DiffError;
use crate::{AuditWatch, PreparedImages};

use activations::Activations;
pub use cka::Alignment;
pub use gram::{Centring, Gram, LEAST};

/// One of the two networks with its images.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The network.
    pub network: Network<'a>,
    /// Taps to compare, from the input to the output.
    pub taps: &'a [String],
    /// The images at its input size, the same on both sides and in the same order.
    pub images: &'a PreparedImages,
}

impl<'a> Side<'a> {
    fn compile(&self, batch: usize, options: &SimilarityOptions) -> Result<Activations<'a>, DiffError> {
        let memory = options.memory / 4;
        Ok(Activations::new(&self.network, self.taps, self.images, batch, memory, options.isa)?)
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub struct SimilarityOptions {
    /// Images of a batch.
    pub batch: usize,
    /// Fixes which images make a batch, and the floor.
    pub seed: u64,
    /// Bytes that values and Gram matrices may take.
    pub memory: u64,
    /// Which kernels to use.
    pub isa: Isa,
}

/// Alignment of one tap with another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TapPair {
    /// Tap of the first network.
    pub first: String,
    /// Tap of the second.
    pub second: String,
    /// Unbiased alignment; none where a tap is the same for all images.
    pub unbiased: Option<f64>,
    /// Its standard error over batches; none with one batch.
    pub standard_error: Option<f64>,
    /// The same with the images of the second network in another order.
    pub floor: Option<f64>,
    /// Biased alignment.
    pub biased: Option<f64>,
    /// Its floor.
    pub biased_floor: Option<f64>,
}

/// How alike two networks see the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Images compared: those of whole batches.
    pub images: usize,
    /// Images of a batch.
    pub batch: usize,
    /// Batches.
    pub batches: usize,
    /// Taps of the first network.
    pub first: Vec<String>,
    /// Taps of the second.
    pub second: Vec<String>,
    /// Every tap of the first with every tap of the second, row by row.
    pub pairs: Vec<TapPair>,
}

/// Sums over batches of everything that is reported.
struct Alignments {
    unbiased: Alignment,
    floor: Alignment,
    biased: Alignment,
    biased_floor: Alignment,
}

/// Compares all taps of two networks.
///
/// # Errors
/// Too few images, images that differ between the sides, Gram matrices beyond the memory, a tap that is not there, or the flag to stop.
pub fn similarity(
    first: &Side<'_>,
    second: &Side<'_>,
    options: &SimilarityOptions,
    watch: AuditWatch<'_>,
) -> Result<Similarity, DiffError> {
    let images = first.images.table_rows().len();
    let batch = options.batch.min(images);
    check(first, second, batch, options)?;
    let mut order: Vec<usize> = (0..images).collect();
    generator(options.seed, "batches of images", &[]).shuffle(&mut order);
    let networks = [first.compile(batch, options)?, second.compile(batch, options)?];
    let mut sums = Alignments::new(first.taps.len(), second.taps.len());
    for (number, images) in order.chunks_exact(batch).enumerate() {
        watch.check()?;
        let [left, right] = [networks[0].grams(images)?, networks[1].grams(images)?];
        let mut turned: Vec<usize> = (0..batch).collect();
        generator(options.seed, "floor", &[number as u64]).shuffle(&mut turned);
        sums.add(&left, &right, &turned);
        watch.shown.iter().for_each(|shown| shown(batch));
    }
    Ok(sums.told([first.taps, second.taps], batch))
}

/// Images that [`similarity`] shows to both networks, of `images` in batches of `batch`.
#[must_use]
pub fn compared(images: usize, batch: usize) -> usize {
    let batch = batch.min(images).max(1);
    images / batch * batch
}

fn check(first: &Side<'_>, second: &Side<'_>, batch: usize, options: &SimilarityOptions) -> Result<(), DiffError> {
    if first.images.table_rows() != second.images.table_rows() {
        return Err(DiffError::OtherImages);
    }
    if batch < LEAST {
        return Err(DiffError::TooFew { images: batch, needed: LEAST });
    }
    // Gram matrices of both sides, and both sides and the floor centred, in double precision.
    let matrices = 2 * first.taps.len() + 3 * second.taps.len();
    let needed = 8 * (matrices * batch * batch) as u64;
    if needed > options.memory {
        let [first, second] = [first.taps.len(), second.taps.len()];
        return Err(DiffError::Memory { first, second, batch, needed, limit: options.memory });
    }
    Ok(())
}

impl Alignments {
    const fn new(first: usize, second: usize) -> Self {
        Self {
            unbiased: Alignment::new(first, second),
            floor: Alignment::new(first, second),
            biased: Alignment::new(first, second),
            biased_floor: Alignment::new(first, second),
        }
    }

    fn add(&mut self, left: &[Gram], right: &[Gram], turned: &[usize]) {
        let pairs = [
            (Centring::Unbiased, &mut self.unbiased, &mut self.floor),
            (Centring::Biased, &mut self.biased, &mut self.biased_floor),
        ];
        for (centring, alignment, floor) in pairs {
            let left: Vec<f64> = left.iter().flat_map(|gram| gram.centred(centring)).collect();
            let own: Vec<f64> = right.iter().flat_map(|gram| gram.centred(centring)).collect();
            alignment.add(&left, &own);
            let turned: Vec<f64> = right.iter().flat_map(|gram| gram.permuted(turned).centred(centring)).collect();
            floor.add(&left, &turned);
        }
    }

    fn told(&self, [first, second]: [&[String]; 2], batch: usize) -> Similarity {
        let places = (0..first.len()).flat_map(|row| (0..second.len()).map(move |column| (row, column)));
        let pair = |(row, column): (usize, usize)| TapPair {
            first: first[row].clone(),
            second: second[column].clone(),
            unbiased: self.unbiased.value(row, column),
            standard_error: self.unbiased.standard_error(row, column),
            floor: self.floor.value(row, column),
            biased: self.biased.value(row, column),
            biased_floor: self.biased_floor.value(row, column),
        };
        let batches = self.unbiased.batches();
        Similarity {
            images: batches * batch,
            batch,
            batches,
            first: first.to_vec(),
            second: second.to_vec(),
            pairs: places.map(pair).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
