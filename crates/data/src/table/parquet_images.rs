//! The images of one parquet file, read through cursors that move forward. A cursor has a file handle of its own and holds
//! one page, which may be as large as all images of a row group: threads that read neighbouring rows share a cursor, and a
//! row behind it makes it start its row group again.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::basic::{Compression, PageType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::parquet::{guarded, values};
use crate::{Limits, Problem};

/// Rows within this distance of a cursor are read through it. Rows that it passes on the way are kept for whoever asks for
/// them a moment later; they lie in the cursor's page and cost nothing.
const REACH: usize = 64;

type Cell = Option<ByteArray>;

/// The images of one parquet file.
#[derive(Debug)]
pub(crate) struct ParquetImages {
    path: Arc<Path>,
    image_column: usize,
    /// First row of each row group, and the number of rows at the end.
    starts: Vec<usize>,
    shelf: Mutex<Vec<Slot>>,
}

/// A cursor with what is known of it while somebody reads through it.
#[derive(Debug)]
struct Slot {
    group: usize,
    /// The row after the last one that was asked for.
    next: usize,
    /// Threads that read through it or wait for it.
    readers: usize,
    cursor: Arc<Mutex<Cursor>>,
}

/// A position in the image column; `next` is the row that reading gives next.
#[derive(Default)]
struct Cursor {
    file: Option<SerializedFileReader<File>>,
    group: usize,
    next: usize,
    column: Option<ColumnReaderImpl<ByteArrayType>>,
    /// Rows that were passed and not asked for yet, the last of them `REACH` at most.
    passed: VecDeque<(usize, Cell)>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cursor {{ group: {}, next: {} }}", self.group, self.next)
    }
}

impl ParquetImages {
    /// `starts`: first row of each row group, then the number of rows.
    pub(super) fn new(path: Arc<Path>, image_column: usize, starts: Vec<usize>) -> Self {
        Self { path, image_column, starts, shelf: Mutex::new(Vec::new()) }
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Encoded bytes of one row.
    pub(crate) fn read(&self, row: usize, limits: &Limits) -> Result<Vec<u8>, Problem> {
        let group = self.starts.iter().skip(1).position(|end| row < *end).ok_or(Problem::Missing)?;
        let slot = self.reserve(group, row);
        let read = guarded(|| slot.lock().unwrap_or_else(PoisonError::into_inner).read(self, group, row));
        if let Some(slot) = self.shelf().iter_mut().find(|known| Arc::ptr_eq(&known.cursor, &slot)) {
            slot.readers -= 1;
        }
        let cell = read.map_err(|error| Problem::Unreadable { reason: error.to_string() })?;
        let bytes = cell.ok_or(Problem::NoBytes)?;
        limits.check_bytes(bytes.len() as u64)?;
        if bytes.is_empty() { Err(Problem::Empty) } else { Ok(bytes.data().to_vec()) }
    }

    /// Bytes of the largest page, as read and as unpacked, with its dictionary: what a cursor holds at most. Reads the whole
    /// column.
    pub(crate) fn largest_page(&self) -> Result<u64, Problem> {
        let read = guarded(|| {
            let mut cursor = Cursor::default();
            let file = cursor.file(self)?;
            let mut largest = 0;
            for group in 0..file.num_row_groups() {
                let group = file.get_row_group(group)?;
                let packed = group.metadata().column(self.image_column).compression() != Compression::UNCOMPRESSED;
                let mut pages = group.get_column_page_reader(self.image_column)?;
                let mut dictionary = 0;
                while let Some(page) = pages.get_next_page()? {
                    let bytes = page.buffer().len() as u64;
                    largest = largest.max(dictionary + if packed { 2 * bytes } else { bytes });
                    dictionary += if page.page_type() == PageType::DICTIONARY_PAGE { bytes } else { 0 };
                }
            }
            Ok(largest)
        });
        read.map_err(|error| Problem::Unreadable { reason: error.to_string() })
    }

    /// The cursor to read through: the nearest, else an idle one, else a new one.
    fn reserve(&self, group: usize, row: usize) -> Arc<Mutex<Cursor>> {
        let mut shelf = self.shelf();
        let near = |slot: &Slot| (slot.group == group).then(|| slot.next.abs_diff(row)).filter(|away| *away <= REACH);
        let nearest = (0..shelf.len()).filter_map(|at| Some((near(&shelf[at])?, at))).min();
        let idle = || shelf.iter().position(|slot| slot.readers == 0);
        let at = nearest.map(|(_, at)| at).or_else(idle).unwrap_or(shelf.len());
        if at == shelf.len() {
            shelf.push(Slot { group, next: row, readers: 0, cursor: Arc::default() });
        }
        let slot = &mut shelf[at];
        let next = if nearest.is_some() { slot.next.max(row + 1) } else { row + 1 };
        (slot.group, slot.next, slot.readers) = (group, next, slot.readers + 1);
        slot.cursor.clone()
    }

    fn shelf(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cursor {
    /// The cell of one row, which lies in `group`.
    fn read(&mut self, images: &ParquetImages, group: usize, row: usize) -> Result<Cell, ParquetError> {
        if self.group == group
            && let Some(at) = self.passed.iter().position(|(passed, _)| *passed == row)
        {
            return Ok(self.passed.remove(at).and_then(|(_, cell)| cell));
        }
        // The column comes back when all has gone well; else the next reader begins anew.
        let mut column = match self.column.take() {
            Some(column) if self.group == group && self.next <= row => column,
            _ => self.start(images, group)?,
        };
        let file = self.file(images)?;
        let level = file.metadata().file_metadata().schema_descr().column(images.image_column).max_def_level();
        let away = row - self.next;
        let skipped = column.skip_records(away.saturating_sub(REACH))?;
        let mut cells = values(&mut column, away - skipped + 1, level, ByteArray::clone)?;
        let cell = cells.pop().flatten();
        self.passed.extend((self.next + skipped..).zip(cells));
        self.passed.drain(..self.passed.len().saturating_sub(REACH));
        // The last row of a group lets go of its page: other files' turn may have come.
        let more = row + 1 < images.starts[group + 1];
        (self.next, self.column) = (row + 1, more.then_some(column));
        Ok(cell)
    }

    /// Goes to the first row of a group.
    fn start(&mut self, images: &ParquetImages, group: usize) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
        self.passed.clear();
        (self.group, self.next) = (group, images.starts[group]);
        match self.file(images)?.get_row_group(group)?.get_column_reader(images.image_column)? {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(reader),
            _ => Err(ParquetError::General("the image column is not binary".to_owned())),
        }
    }

    fn file(&mut self, images: &ParquetImages) -> Result<&SerializedFileReader<File>, ParquetError> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(SerializedFileReader::new(File::open(&images.path)?)?)),
        }
    }
}
