//! Images that stand in a table more than once: exactly, by digest of the encoded bytes, and nearly, by what they look like.

use std::collections::BTreeMap;

use crate::{Digest, Image, Interpolation, PreprocessError, Resampler, Split, Table};

/// Sets of rows whose encoded bytes are equal, each with at least two rows in rising order, by first row. `None` is a row
/// without a digest.
pub fn exact_duplicates(digests: &[Option<Digest>]) -> Vec<Vec<usize>> {
    let mut sets: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (row, digest) in digests.iter().enumerate() {
        if let Some(digest) = digest {
            sets.entry(*digest).or_default().push(row);
        }
    }
    let mut sets: Vec<Vec<usize>> = sets.into_values().filter(|set| set.len() > 1).collect();
    sets.sort();
    sets
}

/// What a set of duplicate rows does to a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DuplicateCounts {
    /// Sets of duplicates.
    pub sets: usize,
    /// Rows beyond the first of each set.
    pub extra_rows: usize,
    /// Sets with a row in the test or validation split and one in training: a leak.
    pub across_splits: usize,
    /// Test and validation rows that have a copy in training.
    pub leaked_rows: usize,
    /// Sets whose rows carry different labels.
    pub conflicting_labels: usize,
}

/// Counts over sets of duplicate rows (indices into the table).
pub fn count_duplicates(table: &Table, sets: &[Vec<usize>]) -> DuplicateCounts {
    let mut counts = DuplicateCounts { sets: sets.len(), ..DuplicateCounts::default() };
    for set in sets {
        let rows: Vec<_> = set.iter().filter_map(|row| table.rows.get(*row)).collect();
        let held = rows.iter().filter(|row| matches!(row.split, Some(Split::Test | Split::Validation))).count();
        counts.extra_rows += set.len().saturating_sub(1);
        if held > 0 && held < rows.len() {
            counts.across_splits += 1;
            counts.leaked_rows += held;
        }
        counts.conflicting_labels += usize::from(rows.windows(2).any(|pair| pair[0].label != pair[1].label));
    }
    counts
}

/// Side of the thumbnail that a [`Likeness`] keeps, in pixels.
const SIDE: usize = 16;

/// What an image looks like, small enough to compare tens of thousands: whether each of 8 x 8 places is darker than its
/// right and its lower neighbour (a difference hash both ways, 128 bits), and a 16 x 16 grey thumbnail.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    across: u64,
    down: u64,
    /// Grey levels 0 to 255, less their mean and divided by their norm; zeros for a flat image.
    thumbnail: [f32; SIDE * SIDE],
    mean: f32,
}

impl Likeness {
    /// The likeness of a decoded image.
    ///
    /// # Errors
    /// An image without pixels.
    pub fn of(resampler: &mut Resampler, image: &Image) -> Result<Likeness, PreprocessError> {
        let wide = grey(resampler, image, 9, 8)?;
        let tall = grey(resampler, image, 8, 9)?;
        let small = grey(resampler, image, SIDE, SIDE)?;
        let (mut across, mut down) = (0_u64, 0_u64);
        for place in 0..64 {
            let (y, x) = (place / 8, place % 8);
            across |= u64::from(wide[y * 9 + x] < wide[y * 9 + x + 1]) << place;
            down |= u64::from(tall[y * 8 + x] < tall[(y + 1) * 8 + x]) << place;
        }
        let mean = small.iter().sum::<f32>() / small.len() as f32;
        let norm = small.iter().map(|value| (value - mean).powi(2)).sum::<f32>().sqrt();
        let mut thumbnail = [0.0; SIDE * SIDE];
        for (to, from) in thumbnail.iter_mut().zip(&small) {
            *to = if norm > FLAT { (from - mean) / norm } else { 0.0 };
        }
        Ok(Likeness { across, down, thumbnail, mean })
    }

    /// Hamming distance of the hashes, 0 to 128 bits.
    pub fn distance(&self, other: &Likeness) -> u32 {
        (self.across ^ other.across).count_ones() + (self.down ^ other.down).count_ones()
    }

    /// Correlation of the thumbnails, -1 to 1; two flat images correlate fully, a flat one and any other not at all.
    pub fn correlation(&self, other: &Likeness) -> f32 {
        let product: f32 = self.thumbnail.iter().zip(&other.thumbnail).map(|(a, b)| a * b).sum();
        let is_flat = |likeness: &Likeness| likeness.thumbnail.iter().all(|value| *value == 0.0);
        if is_flat(self) && is_flat(other) { 1.0 } else { product }
    }
}

/// Norm of a thumbnail's deviations below which an image counts as one flat colour: one grey level a pixel.
const FLAT: f32 = SIDE as f32;

/// When two images count as near-duplicates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicateSettings {
    /// Largest Hamming distance of the hashes, in bits of 128.
    pub radius: u32,
    /// Smallest correlation of the thumbnails.
    pub correlation: f32,
    /// Largest difference of mean grey, in levels of 255.
    pub mean: f32,
    /// Stop after this many pairs.
    pub pairs: usize,
}

impl Default for NearDuplicateSettings {
    /// Copies that were re-encoded, rescaled or slightly brightened; not crops, mirrors or other photographs of the scene.
    fn default() -> Self {
        Self { radius: 12, correlation: 0.985, mean: 10.0, pairs: 1_000_000 }
    }
}

/// Candidate near-duplicates among some rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NearDuplicates {
    /// Pairs `(a, b)` with `a < b`, sorted.
    pub pairs: Vec<(usize, usize)>,
    /// Whether the search was stopped at the limit of pairs.
    pub stopped: bool,
}

/// Pairs of rows that look alike; `None` is a row that could not be decoded. Rows are sorted by mean grey and compared
/// within a window, so 50 000 rows take seconds at most. Exact duplicates are found as well: collapse them before.
pub fn near_duplicates(likenesses: &[Option<Likeness>], settings: NearDuplicateSettings) -> NearDuplicates {
    let mut order: Vec<(usize, &Likeness)> =
        likenesses.iter().enumerate().filter_map(|(row, likeness)| Some((row, likeness.as_ref()?))).collect();
    order.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean).then(a.0.cmp(&b.0)));
    let mut found = NearDuplicates::default();
    'rows: for (at, (row, likeness)) in order.iter().enumerate() {
        let window = order[at + 1..].iter().take_while(|(_, other)| other.mean - likeness.mean <= settings.mean);
        for (other_row, other) in window {
            if likeness.distance(other) > settings.radius || likeness.correlation(other) < settings.correlation {
                continue;
            }
            if found.pairs.len() == settings.pairs {
                found.stopped = true;
                break 'rows;
            }
            found.pairs.push((*row.min(other_row), *row.max(other_row)));
        }
    }
    found.pairs.sort_unstable();
    found
}

/// Grey levels (the luma of ITU-R BT.601) of the image squeezed to `width` x `height`.
fn grey(resampler: &mut Resampler, image: &Image, width: usize, height: usize) -> Result<Vec<f32>, PreprocessError> {
    let mut pixels = vec![0; width * height * 3];
    resampler.resize(image, width, height, Interpolation::Bilinear, &mut pixels)?;
    let luma = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    Ok(pixels.chunks_exact(3).map(luma).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_digests_make_sets_in_the_order_of_their_first_rows() {
        let [a, b, c] = [[1; 32], [2; 32], [0; 32]];
        let digests = [Some(b), Some(a), None, Some(c), Some(a), None, Some(b), Some(b)];
        assert_eq!(exact_duplicates(&digests), [vec![0, 6, 7], vec![1, 4]]);
    }

    #[test]
    fn flat_images_of_one_grey_are_alike_and_a_flat_and_a_textured_one_are_not() {
        let image = |pixel: &dyn Fn(usize) -> u8| {
            Image::from_pixels(40, 30, (0..40 * 30 * 3).map(|at| pixel(at / 3)).collect()).unwrap()
        };
        let mut resampler = Resampler::new();
        let mut likeness = |pixel: &dyn Fn(usize) -> u8| Likeness::of(&mut resampler, &image(pixel)).ok();
        let rows =
            [likeness(&|_| 90), likeness(&|_| 91), likeness(&|_| 200), likeness(&|at| (at % 40 * 6) as u8), None];
        let found = near_duplicates(&rows, NearDuplicateSettings::default());
        assert_eq!(found.pairs, [(0, 1)]);
        let stopped = near_duplicates(&rows, NearDuplicateSettings { pairs: 0, ..NearDuplicateSettings::default() });
        assert!(stopped.stopped && stopped.pairs.is_empty());
    }
}
