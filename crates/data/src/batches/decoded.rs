//! Images decoded once for many epochs: as many as a limit allows in memory, the others in one temporary file. An image that
//! cannot be decoded is left out by name before anything is trained; no other takes its place.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Arc;

use super::BatchError;
use super::spill::Spill;
use crate::augment::Augmentation;
use crate::intervention::Intervention;
use crate::parallel::blocks;
use crate::{Decoder, Image, Preprocess, Problem, Resampler, Table};

/// Kept images have at most this many times the training size on their shorter side: room for a crop.
pub const OVERSIZE: f64 = 1.15;

/// Images that a thread decodes before it hands them over.
const BLOCK: usize = 4;

/// What is kept of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// The network's input, for augmentation that starts from it. Exactly the evaluation pixels.
    Prepared(Preprocess),
    /// The whole image, for random crops: reduced by the network's own filter until the shorter side has this many pixels,
    /// the longer one in proportion, or as it is where it has no more.
    Reduced {
        /// Shorter side in pixels.
        shorter_side: usize,
        /// Filter and output size of the network.
        preprocess: Preprocess,
    },
}

impl Form {
    /// The form that `augmentation` starts from, with `oversize` times the training size for random crops.
    pub fn of(augmentation: &Augmentation, oversize: f64) -> Self {
        let preprocess = augmentation.preprocess.clone();
        let side = preprocess.input_size.into_iter().max().unwrap_or(0);
        match augmentation.crop {
            None => Form::Prepared(preprocess),
            Some(_) => Form::Reduced { shorter_side: (oversize.max(1.0) * side as f64).ceil() as usize, preprocess },
        }
    }

    /// Brings a decoded image to this form.
    fn bring(&self, resampler: &mut Resampler, image: &Image) -> Result<Image, String> {
        let (preprocess, height, width) = match self {
            Form::Prepared(preprocess) => (preprocess, preprocess.input_size[0], preprocess.input_size[1]),
            Form::Reduced { shorter_side, preprocess } => {
                let (width, height) = reduced(image.width(), image.height(), *shorter_side);
                if (width, height) == (image.width(), image.height()) {
                    return Ok(image.clone());
                }
                (preprocess, height, width)
            }
        };
        let mut pixels = vec![0; width * height * 3];
        let done = match self {
            Form::Prepared(_) => preprocess.apply_with(resampler, image, &mut pixels),
            Form::Reduced { .. } => resampler.resize(image, width, height, preprocess.interpolation, &mut pixels),
        };
        done.map_err(|error| error.to_string())?;
        Image::from_pixels(width, height, pixels).ok_or_else(|| format!("it would have {width} x {height} pixels"))
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Prepared(preprocess) => write!(formatter, "{}", preprocess.describe()),
            Form::Reduced { shorter_side, .. } => write!(formatter, "whole images, shorter side {shorter_side} pixels"),
        }
    }
}

/// Size of an image whose shorter side is brought down to at most `shorter_side`, `(width, height)`.
fn reduced(width: usize, height: usize, shorter_side: usize) -> (usize, usize) {
    let shorter = width.min(height);
    if shorter <= shorter_side {
        return (width, height);
    }
    let side = |side: usize| ((side * shorter_side) as f64 / shorter as f64).round() as usize;
    (side(width), side(height))
}

/// How to decode and where to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeOptions {
    /// Threads that decode.
    pub threads: usize,
    /// Bytes of pixels kept in memory; the rest goes to disk.
    pub memory_limit: u64,
    /// Folder of the temporary file.
    pub folder: PathBuf,
    /// Shorter side of images kept for random crops, in training sizes.
    pub oversize: f64,
}

impl Default for DecodeOptions {
    /// Every processor, 1 GiB, the system's folder for temporary files, [`OVERSIZE`].
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, memory_limit: 1 << 30, folder: std::env::temp_dir(), oversize: OVERSIZE }
    }
}

/// An image that cannot be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Row of the table.
    pub row: usize,
    /// Its path, or file and row.
    pub locator: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug)]
struct Kept {
    row: usize,
    label: usize,
    intervention: Option<Arc<Intervention>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Image),
    Disk { place: u64, width: usize, height: usize },
}

/// The decoded images of some rows of a table, in table order.
#[derive(Debug)]
pub struct DecodedImages {
    form: Form,
    kept: Vec<Kept>,
    left_out: Vec<LeftOut>,
    memory: u64,
    spill: Option<Spill>,
}

impl DecodedImages {
    /// Decodes `rows` of `table` into what `augmentation` starts from. `watch` is told (done, total) now and then and may
    /// stop the work.
    ///
    /// # Errors
    /// Settings that make no sense, a row without a label, no image that can be read, a full disk.
    pub fn new(
        table: &Table,
        rows: &[usize],
        augmentation: &Augmentation,
        options: &DecodeOptions,
        watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, BatchError> {
        augmentation.check()?;
        let form = Form::of(augmentation, options.oversize);
        let labelled = labelled(table, rows)?;
        let mut images = Self { form, kept: Vec::new(), left_out: Vec::new(), memory: 0, spill: None };
        let step = options.threads.max(1) * 4 * BLOCK;
        for (number, some) in labelled.chunks(step).enumerate() {
            let decoded = blocks(some.len(), BLOCK, options.threads, |range| decode(table, some, range, &images.form));
            for ((row, label), decoded) in some.iter().zip(decoded) {
                images.keep(table, *row, *label, decoded, options)?;
            }
            let done = number * step + some.len();
            if watch(done, labelled.len()).is_break() {
                return Err(BatchError::Cancelled { done, total: labelled.len() });
            }
        }
        images.check(labelled.len())
    }

    fn keep(
        &mut self,
        table: &Table,
        row: usize,
        label: usize,
        decoded: Result<Image, String>,
        options: &DecodeOptions,
    ) -> Result<(), BatchError> {
        let image = match decoded {
            Ok(image) => image,
            Err(reason) => {
                self.left_out.push(LeftOut { row, locator: table.rows[row].locator.to_string(), reason });
                return Ok(());
            }
        };
        let bytes = image.pixels().len() as u64;
        let place = if self.spill.is_none() && self.memory + bytes <= options.memory_limit {
            self.memory += bytes;
            Place::Memory(image)
        } else {
            let spill = match &mut self.spill {
                Some(spill) => spill,
                none => none.insert(Spill::new(&options.folder)?),
            };
            Place::Disk { place: spill.add(image.pixels())?, width: image.width(), height: image.height() }
        };
        self.kept.push(Kept { row, label, intervention: table.rows[row].intervention.clone(), place });
        Ok(())
    }

    /// Refuses to go on with no image at all.
    fn check(self, rows: usize) -> Result<Self, BatchError> {
        match self.left_out.first() {
            Some(first) if self.kept.is_empty() => {
                let (locator, reason) = (first.locator.clone(), first.reason.clone());
                Err(BatchError::NoImages { rows, locator, reason })
            }
            _ => Ok(self),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none, as for no rows.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Table rows of the images, rising.
    pub fn rows(&self) -> Vec<usize> {
        self.kept.iter().map(|kept| kept.row).collect()
    }

    /// Rows asked for that cannot be trained on, rising.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What is kept of each image.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Bytes of pixels in memory and on disk.
    pub fn bytes(&self) -> (u64, u64) {
        (self.memory, self.spill.as_ref().map_or(0, Spill::length))
    }

    /// Where a table row stands among the images.
    pub(super) fn position(&self, row: usize) -> Result<usize, BatchError> {
        let images = self.kept.len();
        self.kept.binary_search_by_key(&row, |kept| kept.row).map_err(|_| BatchError::NotDecoded { row, images })
    }

    /// Table row and label of an image.
    pub(super) fn labelled(&self, position: usize) -> (usize, usize) {
        (self.kept[position].row, self.kept[position].label)
    }

    /// What an image carries.
    pub(super) fn intervention(&self, position: usize) -> Option<&Arc<Intervention>> {
        self.kept[position].intervention.as_ref()
    }

    /// What images carry, each as often as it is carried.
    pub(super) fn interventions(&self) -> impl Iterator<Item = &Arc<Intervention>> {
        self.kept.iter().filter_map(|kept| kept.intervention.as_ref())
    }

    /// One image; `scratch` holds it when it comes from disk.
    pub(super) fn image<'a>(&'a self, position: usize, scratch: &'a mut Image) -> Result<&'a Image, BatchError> {
        match (&self.kept[position].place, &self.spill) {
            (Place::Memory(image), _) => Ok(image),
            (Place::Disk { place, width, height }, spill) => {
                let pixels = scratch.reshape(*width, *height);
                spill.as_ref().map_or(Ok(()), |spill| spill.read(*place, pixels))?;
                Ok(scratch)
            }
        }
    }
}

/// `rows` in table order, each once, with their labels.
fn labelled(table: &Table, rows: &[usize]) -> Result<Vec<(usize, usize)>, BatchError> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows.dedup();
    let label = |row: usize| {
        let known = table.rows.get(row).ok_or(BatchError::Row { row, rows: table.rows.len() })?;
        let label = known.label.ok_or_else(|| BatchError::Unlabelled { locator: known.locator.to_string() })?;
        Ok((row, label))
    };
    rows.into_iter().map(label).collect()
}

/// Decodes a few rows on the calling thread.
fn decode(table: &Table, rows: &[(usize, usize)], range: Range<usize>, form: &Form) -> Vec<Result<Image, String>> {
    let rows: Vec<usize> = rows[range].iter().map(|(row, _)| *row).collect();
    let (mut decoder, mut resampler, mut image) = (Decoder::new(table.limits()), Resampler::new(), Image::default());
    let mut one = |bytes: Result<Vec<u8>, Problem>| {
        let decoded = bytes.and_then(|bytes| decoder.decode_into(&bytes, &mut image));
        decoded.map_err(|problem| problem.to_string())?;
        form.bring(&mut resampler, &image)
    };
    table.stream(&rows).map(&mut one).collect()
}
