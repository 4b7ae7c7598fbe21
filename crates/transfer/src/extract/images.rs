//! Where an extraction takes its images from: a table on disk, or anything else that can name, digest and prepare rows.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heirloom_data::intervention::{Intervention, Stamps};
use heirloom_data::{Decoder, DigestIndex, Image, Limits, Preprocess, Problem, Resampler, Row, Table};

use crate::store::Digest;

/// Images in a fixed order. Rows are indices into that order.
pub trait Images: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// What a message calls a row: its path, or file and row.
    fn locator(&self, row: usize) -> String;

    /// Digest of the content of each of `rows`; an error says why a row's bytes cannot be read.
    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>>;

    /// Prepares `rows`: image `i` of the result lies in `out` at `i * preprocess.output_length()`, u8 `[height, width, 3]`.
    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>>;

    /// Writes down what was learnt about digests, so that the next run opens fewer images. Failing costs only time.
    fn keep_digests(&self) {}

    /// What else than content and preprocessing decides which pixels a row gives; empty when nothing does. Part of the base
    /// of stored features.
    fn settings(&self) -> String {
        String::new()
    }
}

/// What became of a row whose bytes could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Digest of the bytes that were read just now.
    pub digest: Digest,
    /// Why they give no image, if they give none.
    pub problem: Option<String>,
}

/// Buffers for preparing images; one per thread.
#[derive(Debug, Default)]
pub struct Scratch {
    decoder: Decoder,
    limits: Limits,
    image: Image,
    resampler: Resampler,
    stamps: Stamps,
}

impl Scratch {
    /// Decodes `bytes` and brings them to the network's input size; `Some` says why that is impossible.
    pub(crate) fn prepare(
        &mut self,
        bytes: &[u8],
        limits: Limits,
        preprocess: &Preprocess,
        out: &mut [u8],
    ) -> Option<String> {
        if self.limits != limits {
            (self.decoder, self.limits) = (Decoder::new(limits), limits);
        }
        if let Err(problem) = self.decoder.decode_into(bytes, &mut self.image) {
            return Some(problem.to_string());
        }
        preprocess.apply_with(&mut self.resampler, &self.image, out).err().map(|error| error.to_string())
    }

    /// Puts on a prepared image what its row carries, and gives the digest of that.
    fn put_on(
        &mut self,
        carried: &Arc<Intervention>,
        preprocess: &Preprocess,
        out: &mut [u8],
    ) -> Result<Digest, String> {
        let (stamp, digest) = self.stamps.of(carried, preprocess.input_size).map_err(|error| error.to_string())?;
        stamp.apply(out);
        Ok(digest)
    }
}

/// Digest of an image that carries something: of its content and of that.
fn joined(content: &Digest, carried: &Digest) -> Digest {
    *blake3::hash([*content, *carried].as_flattened()).as_bytes()
}

/// Digests of images by their contents, with what their rows carry taken in.
fn with_carried(table: &Table, rows: &[usize], contents: Vec<Result<Digest, String>>) -> Vec<Result<Digest, String>> {
    // Rows share what they carry, and pictures are read once.
    let mut known = HashMap::<*const Intervention, Result<Digest, String>>::new();
    let mut carried = |row: &Row| {
        let carried = row.intervention.as_ref()?;
        let digest = || carried.digest().map_err(|error| error.to_string());
        Some(known.entry(Arc::as_ptr(carried)).or_insert_with(digest).clone())
    };
    let of_row = |(row, content): (&usize, Result<Digest, String>)| match table.rows.get(*row).and_then(&mut carried) {
        Some(carried) => Ok(joined(&content?, &carried?)),
        None => content,
    };
    rows.iter().zip(contents).map(of_row).collect()
}

/// One row of a table whose bytes were read.
fn prepare_row(
    table: &Table,
    row: usize,
    bytes: Result<Vec<u8>, Problem>,
    preprocess: &Preprocess,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Result<Prepared, String> {
    let bytes = bytes.map_err(|problem| problem.to_string())?;
    let problem = scratch.prepare(&bytes, table.limits(), preprocess, out);
    let content = *blake3::hash(&bytes).as_bytes();
    let digest = match table.rows.get(row).and_then(|row| row.intervention.as_ref()) {
        Some(carried) => joined(&content, &scratch.put_on(carried, preprocess, out)?),
        None => content,
    };
    Ok(Prepared { digest, problem })
}

impl Images for Table {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn locator(&self, row: usize) -> String {
        self.rows.get(row).map_or_else(|| format!("row {row}"), |row| row.locator.to_string())
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        let digest = |bytes: Vec<u8>| *blake3::hash(&bytes).as_bytes();
        let contents = self.stream(rows).map(|row| row.map(digest).map_err(|problem| problem.to_string())).collect();
        with_carried(self, rows, contents)
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        let images = out.chunks_mut(preprocess.output_length().max(1));
        let read = self.stream(rows).zip(rows).zip(images);
        read.map(|((bytes, row), out)| prepare_row(self, *row, bytes, preprocess, scratch, out)).collect()
    }

    fn settings(&self) -> String {
        let limits = self.limits();
        if limits == Limits::default() { String::new() } else { format!("{limits:?}") }
    }
}

/// A table whose content digests are remembered in a cache folder, so that a row whose features are stored is not opened.
///
/// ```no_run
/// use heirloom_transfer::{extract::TableImages, store::Store};
///
/// let table = heirloom_data::Table::open("photos".as_ref(), &Default::default())?;
/// let images = TableImages::new(&table, Store::open_default()?.cache());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TableImages<'t> {
    table: &'t Table,
    index: Mutex<DigestIndex>,
}

impl<'t> TableImages<'t> {
    /// `table` with the digests remembered in the folder `cache`.
    #[must_use]
    pub fn new(table: &'t Table, cache: &Path) -> Self {
        Self { table, index: Mutex::new(DigestIndex::open(cache, table)) }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &'t Table {
        self.table
    }

    fn index(&self) -> MutexGuard<'_, DigestIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images that had to be opened for their digests so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.index().rows_read()
    }
}

impl Images for TableImages<'_> {
    fn rows(&self) -> usize {
        Images::rows(self.table)
    }

    fn locator(&self, row: usize) -> String {
        Images::locator(self.table, row)
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        let digests = self.index().digests(self.table, rows);
        let contents = digests.into_iter().map(|digest| digest.map_err(|problem| problem.to_string())).collect();
        with_carried(self.table, rows, contents)
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        self.table.prepare(rows, preprocess, scratch, out)
    }

    fn keep_digests(&self) {
        // The index is a shortcut: where it cannot be written, the next run reads the images once more.
        let _unsaved = self.index().save();
    }

    fn settings(&self) -> String {
        self.table.settings()
    }
}

/// The distinct rows of `rows`, in rising order.
pub(super) fn in_table_order(rows: &[usize]) -> Vec<usize> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows.dedup();
    rows
}

#[cfg(test)]
mod tests {
    use heirloom_data::{Interpolation, Resize, TableOptions, World};

    use super::*;

    #[test]
    fn prepared_pixels_are_those_of_the_images_with_what_they_carry_on_them() {
        let folder = tempfile::tempdir().unwrap();
        World { side: 16, train: 1, test: 0, ..World::default() }.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        let stamped = table.carrying(&"square:side=0.5,colour=010203".parse().unwrap());
        for side in [16, 8] {
            let preprocess = Preprocess {
                input_size: [side; 2],
                resize: Resize::Squeeze,
                interpolation: Interpolation::Bilinear,
                mean: [0.5; 3],
                std: [0.5; 3],
            };
            let pixels = |images: &dyn Images| {
                let mut out = vec![0; 2 * side * side * 3];
                let prepared = images.prepare(&[0, 5], &preprocess, &mut Scratch::default(), &mut out);
                let digests: Vec<Digest> = prepared.into_iter().map(|row| row.unwrap().digest).collect();
                (out, digests)
            };
            let ((plain, before), (changed, after)) = (pixels(&table), pixels(&stamped));
            for (at, (now, before)) in changed.chunks(3).zip(plain.chunks(3)).enumerate() {
                let inside = at % (side * side) / side < side / 2 && at % side < side / 2;
                assert_eq!(now, if inside { &[1, 2, 3] } else { before }, "pixel {at}");
            }
            assert!(before.iter().zip(&after).all(|(before, after)| before != after));
            let named: Vec<Digest> = stamped.digests(&[0, 5]).into_iter().map(Result::unwrap).collect();
            assert_eq!(after, named, "the digest of what was read is the one it was asked for by");
        }
    }
}
