//! The most memory that a frozen pass takes: what the network needs, and what decoding the images needs beside it.

use std::path::Path;

use heirloom_data::{Table, TableOptions, decoding_bytes};
use heirloom_report::{bytes, counted};

use crate::failure::Failure;

/// The program itself, and the images in hand: 10 to 24 MiB over six networks and six data sets.
const PROGRAM: u64 = 16 << 20;

/// A phone's photo, the example where no data set is given: 12 million pixels of three bytes, and as many encoded as is usual.
const PHOTO: u64 = 12_000_000 * 3 + 4_000_000;

/// Bytes a run takes.
pub struct Memory {
    /// As they were read, and as they are packed.
    pub weights: u64,
    /// One thread's intermediate values.
    pub workspace: u64,
    /// Threads that run the network.
    pub threads: u64,
    /// What the images take, where they are known.
    pub images: Option<ImageMemory>,
}

/// Bytes that the images of a data set take on their way to pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageMemory {
    /// Decoding the image that needs most, on one thread.
    pub decoding: u64,
    /// Reading, for all threads together.
    pub reading: u64,
}

impl ImageMemory {
    /// Looks at the header of every image of a data set.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let table = Table::open(path, &TableOptions::default())?;
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        // An image that cannot be read is skipped by the run, too.
        let needs = table.stream(&rows).filter_map(|encoded| decoding_bytes(&encoded.ok()?).ok());
        let decoding = needs.max().unwrap_or(0);
        let reading =
            table.reading_bytes().map_err(|problem| Failure::input(format!("{}: {problem}", path.display())))?;
        Ok(Self { decoding, reading })
    }
}

impl Memory {
    /// The sum.
    pub fn peak(&self) -> u64 {
        let ImageMemory { decoding, reading } = self.images.unwrap_or(ImageMemory { decoding: 0, reading: 0 });
        PROGRAM + self.weights + self.threads * (self.workspace + decoding) + reading
    }

    /// The sum and its parts, for blocks of `images` images.
    pub fn text(&self, images: usize) -> String {
        let parts = format!(
            "weights {}, {} of {} for blocks of {images} images",
            bytes(self.weights),
            counted(self.threads as usize, "thread"),
            bytes(self.workspace),
        );
        let photos = match self.images {
            None => format!("); a photo of 12 megapixels adds {} a thread (see --data)", bytes(PHOTO)),
            Some(ImageMemory { decoding, reading: 0 }) => format!(", {} a thread to decode)", bytes(decoding)),
            Some(ImageMemory { decoding, reading }) => {
                format!(", {} a thread to decode, {} to read)", bytes(decoding), bytes(reading))
            }
        };
        format!("{} ({parts}, the rest {}{photos}", bytes(self.peak()), bytes(PROGRAM))
    }
}
