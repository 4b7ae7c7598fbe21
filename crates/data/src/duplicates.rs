//! Images that stand in a table more than once: exactly, by digest of the encoded bytes, and nearly, by what they look like.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Digest, Likeness, Split, Table};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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
    order.sort_by(|a, b| a.1.mean().total_cmp(&b.1.mean()).then(a.0.cmp(&b.0)));
    let mut found = NearDuplicates::default();
    'rows: for (at, (row, likeness)) in order.iter().enumerate() {
        let window = order[at + 1..].iter().take_while(|(_, other)| other.mean() - likeness.mean() <= settings.mean);
        for (other_row, other) in window {
            if !likeness.is_within(other, settings.radius) || likeness.correlation(other) < settings.correlation {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Resampler};

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
