//! Images that were decoded and brought to the network's input size once and lie in memory: an audit shows each of them to the model
//! many times, changed in another way each time.

use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_data::Preprocess;
use heirloom_transfer::extract::{Images, Prepared, Scratch, SkippedImage};
use heirloom_transfer::store::Digest;
use rayon::prelude::*;

/// Images that a thread reads together.
const BLOCK: usize = 4;

/// Images at a network's input size, u8 `[image, height, width, 3]`.
#[derive(Debug, Clone)]
pub struct PreparedImages {
    pixels: Vec<u8>,
    preprocess: Preprocess,
    /// Row of the table of each image.
    rows: Vec<usize>,
    locators: Vec<String>,
    digests: Vec<Digest>,
}

/// Why images cannot be held in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// They take more than they may.
    #[error(
        "{images} images at {height} x {width} pixels take {needed} bytes of memory, more than the {limit} bytes they may"
    )]
    Memory {
        /// Images.
        images: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Bytes they take.
        needed: u64,
        /// Bytes they may take.
        limit: u64,
    },
    /// The flag to stop was set.
    #[error("stopped while images were read")]
    Cancelled,
}

impl PreparedImages {
    /// Reads `rows` of `images`, in parallel; those that cannot be used are left out and named. `limit` bounds the bytes of all.
    ///
    /// # Errors
    /// More bytes than `limit`, or the flag to stop.
    pub fn read(
        images: &dyn Images,
        rows: &[usize],
        preprocess: &Preprocess,
        limit: u64,
        cancel: Option<&AtomicBool>,
    ) -> Result<(Self, Vec<SkippedImage>), PrepareError> {
        let length = preprocess.output_length().max(1);
        let needed = (length * rows.len()) as u64;
        if needed > limit {
            let [height, width] = preprocess.input_size;
            return Err(PrepareError::Memory { images: rows.len(), height, width, needed, limit });
        }
        let mut pixels = vec![0; length * rows.len()];
        let blocks = pixels.par_chunks_mut(length * BLOCK).zip(rows.par_chunks(BLOCK));
        let stopped = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        let read = blocks.map_init(Scratch::default, |scratch, (out, rows)| {
            if stopped() { Vec::new() } else { images.prepare(rows, preprocess, scratch, out) }
        });
        let read: Vec<Result<Prepared, String>> = read.flatten_iter().collect();
        if stopped() || read.len() != rows.len() {
            return Err(PrepareError::Cancelled);
        }
        Ok(Self::kept(images, rows, preprocess, pixels, read))
    }

    /// Moves the images that can be used to the front.
    fn kept(
        images: &dyn Images,
        rows: &[usize],
        preprocess: &Preprocess,
        mut pixels: Vec<u8>,
        read: Vec<Result<Prepared, String>>,
    ) -> (Self, Vec<SkippedImage>) {
        let length = preprocess.output_length().max(1);
        let mut kept = Self {
            pixels: Vec::new(),
            preprocess: preprocess.clone(),
            rows: Vec::new(),
            locators: Vec::new(),
            digests: Vec::new(),
        };
        let mut skipped = Vec::new();
        for (at, (row, outcome)) in rows.iter().zip(read).enumerate() {
            let usable = outcome.and_then(|prepared| match prepared.problem {
                Some(problem) => Err(problem),
                None => Ok(prepared.digest),
            });
            match usable {
                Ok(digest) => {
                    pixels.copy_within(at * length..(at + 1) * length, kept.rows.len() * length);
                    kept.rows.push(*row);
                    kept.locators.push(images.locator(*row));
                    kept.digests.push(digest);
                }
                Err(reason) => skipped.push(SkippedImage { row: *row, locator: images.locator(*row), reason }),
            }
        }
        pixels.truncate(kept.rows.len() * length);
        kept.pixels = pixels;
        (kept, skipped)
    }

    /// Some of the images, in the order named; numbers beyond the last are left out.
    #[must_use]
    pub fn only(&self, images: &[usize]) -> Self {
        let kept: Vec<usize> = images.iter().copied().filter(|image| *image < self.rows.len()).collect();
        Self {
            pixels: kept.iter().flat_map(|image| self.pixels(*image)).copied().collect(),
            preprocess: self.preprocess.clone(),
            rows: kept.iter().map(|image| self.rows[*image]).collect(),
            locators: kept.iter().map(|image| self.locators[*image].clone()).collect(),
            digests: kept.iter().map(|image| self.digests[*image]).collect(),
        }
    }

    /// Row of the table of each image.
    #[must_use]
    pub fn table_rows(&self) -> &[usize] {
        &self.rows
    }

    /// From an image to the network's input.
    #[must_use]
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Pixels of one image, `[height, width, 3]`; empty for one that does not exist.
    #[must_use]
    pub fn pixels(&self, image: usize) -> &[u8] {
        let length = self.preprocess.output_length().max(1);
        self.pixels.get(image * length..(image + 1) * length).unwrap_or_default()
    }
}

impl Images for PreparedImages {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn locator(&self, row: usize) -> String {
        self.locators.get(row).cloned().unwrap_or_else(|| format!("image {row}"))
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        rows.iter()
            .map(|row| self.digests.get(*row).copied().ok_or_else(|| format!("there is no image {row}")))
            .collect()
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        _: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        if *preprocess != self.preprocess {
            let reason = "these images were prepared for another network".to_owned();
            return rows.iter().map(|_| Err(reason.clone())).collect();
        }
        let digests = self.digests(rows);
        let length = preprocess.output_length().max(1);
        let copy = |((digest, row), out): ((Result<Digest, String>, &usize), &mut [u8])| {
            let digest = digest?;
            out.copy_from_slice(self.pixels(*row));
            Ok(Prepared { digest, problem: None })
        };
        digests.into_iter().zip(rows).zip(out.chunks_mut(length)).map(copy).collect()
    }
}

/// Prepared images that are changed on their way to the model.
pub struct ChangedImages<'a> {
    /// The images.
    pub images: &'a PreparedImages,
    /// What happens to an image of this number, `[height, width, 3]`.
    pub change: &'a (dyn Fn(usize, &mut [u8]) + Sync),
    /// Told how many more images went to the model.
    pub shown: &'a (dyn Fn(usize) + Sync),
}

impl Images for ChangedImages<'_> {
    fn rows(&self) -> usize {
        Images::rows(self.images)
    }

    fn locator(&self, row: usize) -> String {
        self.images.locator(row)
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        self.images.digests(rows)
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        let prepared = self.images.prepare(rows, preprocess, scratch, out);
        for (row, pixels) in rows.iter().zip(out.chunks_mut(preprocess.output_length().max(1))) {
            (self.change)(*row, pixels);
        }
        (self.shown)(rows.len());
        prepared
    }

    /// Nothing is ever stored of changed images, and nothing stored may be taken for theirs.
    fn settings(&self) -> String {
        "changed in memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use heirloom_data::{Interpolation, Resize, Table, TableOptions, World};

    use super::*;

    fn preprocess(side: usize) -> Preprocess {
        Preprocess {
            input_size: [side; 2],
            resize: Resize::Squeeze,
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.5; 3],
        }
    }

    /// A table of 12 images of which the fourth cannot be read.
    fn table() -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        World { side: 16, train: 1, test: 0, ..World::default() }.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        std::fs::write(table.rows[3].locator.to_string(), b"no image").unwrap();
        (folder, table)
    }

    #[test]
    fn images_are_those_of_the_table_and_broken_ones_are_named() {
        let (_folder, table) = table();
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        let (images, skipped) = PreparedImages::read(&table, &rows, &preprocess(16), 1 << 20, None).unwrap();
        assert_eq!(skipped.iter().map(|one| one.row).collect::<Vec<_>>(), [3]);
        assert_eq!(images.table_rows(), rows.iter().copied().filter(|row| *row != 3).collect::<Vec<_>>());
        let mut out = vec![0; 16 * 16 * 3];
        for (image, row) in images.table_rows().iter().enumerate() {
            let _prepared = table.prepare(&[*row], &preprocess(16), &mut Scratch::default(), &mut out);
            assert_eq!((images.pixels(image), images.locator(image)), (&out[..], Images::locator(&table, *row)));
        }
        let other = images.prepare(&[0], &preprocess(8), &mut Scratch::default(), &mut [0; 8 * 8 * 3]);
        assert!(other[0].is_err() && images.pixels(99).is_empty());
    }

    #[test]
    fn changes_reach_every_image_and_leave_the_prepared_ones_alone() {
        let (_folder, table) = table();
        let (images, _) = PreparedImages::read(&table, &[0, 1, 2], &preprocess(16), 1 << 20, None).unwrap();
        let shown = AtomicUsize::new(0);
        let change = |image: usize, pixels: &mut [u8]| pixels.fill(image as u8);
        let count = |more| {
            shown.fetch_add(more, Ordering::Relaxed);
        };
        let changed = ChangedImages { images: &images, change: &change, shown: &count };
        let mut out = vec![9; 2 * 16 * 16 * 3];
        let before = images.pixels(2).to_vec();
        assert!(changed.prepare(&[0, 2], &preprocess(16), &mut Scratch::default(), &mut out).iter().all(Result::is_ok));
        assert!(out[..768].iter().all(|value| *value == 0) && out[768..].iter().all(|value| *value == 2));
        assert_eq!((shown.into_inner(), images.pixels(2)), (2, &before[..]));
    }

    #[test]
    fn memory_is_bounded_and_reading_can_be_stopped() {
        let (_folder, table) = table();
        let refused = PreparedImages::read(&table, &[0, 1], &preprocess(16), 1535, None).unwrap_err();
        assert!(refused.to_string().contains("take 1536 bytes of memory, more than the 1535"), "{refused}");
        let stop = AtomicBool::new(true);
        let stopped = PreparedImages::read(&table, &[0, 1], &preprocess(16), 1 << 20, Some(&stop));
        assert_eq!(stopped.unwrap_err(), PrepareError::Cancelled);
    }
}
