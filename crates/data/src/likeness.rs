//! What an image looks like, small enough to remember and to compare tens of thousands of times.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::index_file::{self, take};
use crate::{Decoder, Digest, Image, Interpolation, PreprocessError, Problem, Resampler, Table};

const MAGIC: &[u8; 16] = b"heirloom-likenes";

/// Side of the thumbnail, in pixels.
const SIDE: usize = 16;

/// Norm of a thumbnail's deviations from its mean below which an image counts as one flat colour: one grey level a pixel.
const FLAT: f32 = SIDE as f32;

/// Rows decoded by one thread at a time.
const BLOCK: usize = 16;

/// Whether each of 8 x 8 places is darker than its right and its lower neighbour (a difference hash both ways, 128 bits),
/// and a 16 x 16 grey thumbnail.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    across: u64,
    down: u64,
    grey: [u8; SIDE * SIDE],
    mean: f32,
    /// Norm of the grey levels less their mean.
    norm: f32,
}

impl Likeness {
    /// The likeness of a decoded image.
    ///
    /// # Errors
    /// An image without pixels.
    pub fn of(resampler: &mut Resampler, image: &Image) -> Result<Likeness, PreprocessError> {
        let mut small = [0; SIDE * SIDE];
        small.copy_from_slice(&grey(resampler, image, SIDE, SIDE)?);
        let wide = grey(resampler, image, 9, 8)?;
        let tall = grey(resampler, image, 8, 9)?;
        let (mut across, mut down) = (0_u64, 0_u64);
        for place in 0..64 {
            let (y, x) = (place / 8, place % 8);
            across |= u64::from(wide[y * 9 + x] < wide[y * 9 + x + 1]) << place;
            down |= u64::from(tall[y * 8 + x] < tall[(y + 1) * 8 + x]) << place;
        }
        Ok(Self::new(across, down, small))
    }

    fn new(across: u64, down: u64, grey: [u8; SIDE * SIDE]) -> Likeness {
        let count = grey.len() as f32;
        let sum: u32 = grey.iter().map(|value| u32::from(*value)).sum();
        let squares: u32 = grey.iter().map(|value| u32::from(*value).pow(2)).sum();
        let mean = sum as f32 / count;
        // Integer sums keep the variance of a nearly flat thumbnail exact.
        let deviations = u64::from(squares) * grey.len() as u64 - u64::from(sum).pow(2);
        Likeness { across, down, grey, mean, norm: (deviations as f32 / count).sqrt() }
    }

    /// Mean grey level, 0 to 255.
    pub fn mean(&self) -> f32 {
        self.mean
    }

    /// Hamming distance of the hashes, 0 to 128 bits.
    pub fn distance(&self, other: &Likeness) -> u32 {
        (self.across ^ other.across).count_ones() + (self.down ^ other.down).count_ones()
    }

    /// Whether the hashes lie within `radius` bits: most pairs are told apart by the first half alone.
    pub(crate) fn is_within(&self, other: &Likeness, radius: u32) -> bool {
        (self.across ^ other.across).count_ones() <= radius && self.distance(other) <= radius
    }

    /// Correlation of the thumbnails, -1 to 1; two flat images correlate fully, a flat one and any other not at all.
    pub fn correlation(&self, other: &Likeness) -> f32 {
        match (self.norm > FLAT, other.norm > FLAT) {
            (false, false) => 1.0,
            (true, true) => {
                let product: u32 = self.grey.iter().zip(&other.grey).map(|(a, b)| u32::from(*a) * u32::from(*b)).sum();
                let means = f64::from(self.mean) * f64::from(other.mean) * self.grey.len() as f64;
                ((f64::from(product) - means) / (f64::from(self.norm) * f64::from(other.norm))) as f32
            }
            _ => 0.0,
        }
    }
}

/// Grey levels (the luma of ITU-R BT.601, rounded) of the image squeezed to `width` x `height`.
fn grey(resampler: &mut Resampler, image: &Image, width: usize, height: usize) -> Result<Vec<u8>, PreprocessError> {
    let mut pixels = vec![0; width * height * 3];
    resampler.resize(image, width, height, Interpolation::Bilinear, &mut pixels)?;
    let luma = |p: &[u8]| (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000;
    Ok(pixels.chunks_exact(3).map(|pixel| luma(pixel) as u8).collect())
}

/// The remembered likenesses of one data set, by content digest, so that a second run decodes no image for them.
#[derive(Debug)]
pub struct LikenessIndex {
    path: PathBuf,
    entries: HashMap<Digest, Likeness>,
    changed: bool,
}

impl LikenessIndex {
    /// The index of `table` below the cache folder, `<cache>/likeness-v1/`; empty when missing or damaged.
    pub fn open(cache: &Path, table: &Table) -> LikenessIndex {
        let path = index_file::path_for(cache, "likeness-v1", table);
        let entries = index_file::read(&path, MAGIC).and_then(|body| parse(&body)).unwrap_or_default();
        LikenessIndex { path, entries, changed: false }
    }

    /// An index that is never written.
    pub fn in_memory() -> LikenessIndex {
        LikenessIndex { path: PathBuf::new(), entries: HashMap::new(), changed: false }
    }

    /// Likenesses of `rows` (indices into the table) in their order; `digests` are theirs, `None` for a row without one,
    /// which is decoded every time. What is not remembered is decoded on `threads` threads.
    pub fn likenesses(
        &mut self,
        table: &Table,
        rows: &[usize],
        digests: &[Option<Digest>],
        threads: usize,
    ) -> Vec<Result<Likeness, Problem>> {
        let digest = |position: usize| digests.get(position).copied().flatten();
        let unknown: Vec<usize> = (0..rows.len())
            .filter(|position| digest(*position).is_none_or(|digest| !self.entries.contains_key(&digest)))
            .collect();
        let to_read: Vec<usize> = unknown.iter().map(|position| rows[*position]).collect();
        let mut made =
            crate::parallel::blocks(to_read.len(), BLOCK, threads, |block| of_rows(table, &to_read[block])).into_iter();
        let mut unknown = unknown.into_iter().peekable();
        let mut found = Vec::with_capacity(rows.len());
        for position in 0..rows.len() {
            if unknown.next_if_eq(&position).is_none() {
                let known = digest(position).and_then(|digest| self.entries.get(&digest)).cloned();
                found.push(known.ok_or(Problem::Missing));
                continue;
            }
            let likeness = made.next().unwrap_or(Err(Problem::Missing));
            if let (Some(digest), Ok(likeness)) = (digest(position), &likeness) {
                self.entries.insert(digest, likeness.clone());
                self.changed = true;
            }
            found.push(likeness);
        }
        found
    }

    /// Writes what was learnt, if anything.
    ///
    /// # Errors
    /// The operating system's refusal; the index in memory stays usable.
    pub fn save(&mut self) -> std::io::Result<()> {
        if !self.changed || self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<_> = self.entries.iter().collect();
        sorted.sort_by_key(|(digest, _)| **digest);
        let mut body = Vec::with_capacity(sorted.len() * RECORD);
        for (digest, likeness) in sorted {
            body.extend_from_slice(digest);
            body.extend_from_slice(&likeness.across.to_le_bytes());
            body.extend_from_slice(&likeness.down.to_le_bytes());
            body.extend_from_slice(&likeness.grey);
        }
        let written = index_file::write(&self.path, MAGIC, &body);
        self.changed = written.is_err();
        written
    }
}

/// Bytes of one remembered likeness: digest, two hashes, thumbnail.
const RECORD: usize = 32 + 8 + 8 + SIDE * SIDE;

fn parse(body: &[u8]) -> Option<HashMap<Digest, Likeness>> {
    let records = body.chunks_exact(RECORD);
    if !records.remainder().is_empty() {
        return None;
    }
    records
        .map(|mut record| {
            let digest = take::<32>(&mut record)?;
            let across = u64::from_le_bytes(take(&mut record)?);
            let down = u64::from_le_bytes(take(&mut record)?);
            Some((digest, Likeness::new(across, down, take(&mut record)?)))
        })
        .collect()
}

fn of_rows(table: &Table, rows: &[usize]) -> Vec<Result<Likeness, Problem>> {
    let (mut decoder, mut resampler, mut image) = (Decoder::new(table.limits()), Resampler::new(), Image::default());
    let mut one = |bytes: Result<Vec<u8>, Problem>| {
        decoder.decode_into(&bytes?, &mut image)?;
        Likeness::of(&mut resampler, &image).map_err(|error| Problem::Unreadable { reason: error.to_string() })
    };
    table.stream(rows).map(&mut one).collect()
}
