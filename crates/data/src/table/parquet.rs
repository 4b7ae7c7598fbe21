//! One parquet file: its columns, and images read through cursors that move forward. A cursor has a file handle of its own
//! and holds one page; a row behind it makes it start its row group again.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::TableError;
use crate::{Limits, Problem};

/// Cursors kept for later; more exist only while more threads read at once.
const IDLE_CURSORS: usize = 16;

/// Names of the image column, the first that exists is taken.
const IMAGE_COLUMNS: [&str; 2] = ["image", "img"];

/// Whether a file begins as parquet files do.
pub(super) fn is_parquet(path: &Path) -> Result<bool, TableError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|error| TableError::io(path, error))?;
    file.take(4).read_to_end(&mut head).map_err(|error| TableError::io(path, error))?;
    Ok(head == b"PAR1")
}

/// Values of one column that is not an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalars {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
}

/// The images of one parquet file.
#[derive(Debug)]
pub(crate) struct ParquetImages {
    path: Arc<Path>,
    image_column: usize,
    /// First row of each row group, and the number of rows at the end.
    starts: Vec<usize>,
    idle: Mutex<Vec<Cursor>>,
}

/// A position in the image column; `next` is the row that reading gives next.
struct Cursor {
    file: SerializedFileReader<File>,
    group: usize,
    next: usize,
    column: Option<ColumnReaderImpl<ByteArrayType>>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cursor {{ group: {}, next: {} }}", self.group, self.next)
    }
}

/// A parquet file opened for its schema, metadata and scalar columns.
pub(super) struct ParquetFile {
    path: Arc<Path>,
    reader: SerializedFileReader<File>,
}

/// Runs a reader that may panic on a file that breaks the format's rules.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("the reader gave up on it".to_owned())))
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<ParquetFile, TableError> {
        let file = File::open(path).map_err(|error| TableError::io(path, error))?;
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(|error| TableError::parquet(path, error))?;
        Ok(ParquetFile { path: Arc::from(path), reader })
    }

    pub(super) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    fn schema(&self) -> &SchemaDescriptor {
        self.reader.metadata().file_metadata().schema_descr()
    }

    /// The text under a metadata key.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        let pairs = self.reader.metadata().file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
    }

    /// Names of the columns that hold one number or text a row, in file order.
    pub(super) fn scalar_columns(&self) -> Vec<String> {
        let image = self.image_column().ok();
        let columns = self.schema().columns().iter().enumerate();
        let scalar = columns.filter(|(index, column)| Some(*index) != image && is_scalar(column));
        scalar.map(|(_, column)| column.name().to_owned()).collect()
    }

    fn image_column(&self) -> Result<usize, TableError> {
        let names: Vec<String> = self.schema().columns().iter().map(|column| column.path().string()).collect();
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let by_name = IMAGE_COLUMNS.iter().find_map(|name| find(&format!("{name}.bytes")).or_else(|| find(name)));
        let Some(index) = by_name else {
            let found = format!("columns: {}", super::options::list(&names));
            return Err(TableError::NoColumn { path: self.path.to_path_buf(), column: "image".to_owned(), found });
        };
        let column = self.schema().column(index);
        if column.physical_type() != Type::BYTE_ARRAY || column.max_rep_level() > 0 {
            return Err(TableError::ColumnType {
                path: self.path.to_path_buf(),
                column: names[index].clone(),
                kind: column.physical_type().to_string(),
                expected: "one encoded image a row (binary, or a struct with binary `bytes`)",
            });
        }
        Ok(index)
    }

    /// Number of rows, and the images, ready to be read by any thread.
    pub(super) fn images(&self) -> Result<ParquetImages, TableError> {
        let mut starts = vec![0];
        for group in self.reader.metadata().row_groups() {
            let rows = usize::try_from(group.num_rows())
                .map_err(|_| TableError::parquet(&self.path, format!("a row group of {} rows", group.num_rows())))?;
            starts.push(starts.last().copied().unwrap_or(0) + rows);
        }
        let image_column = self.image_column()?;
        Ok(ParquetImages { path: self.path.clone(), image_column, starts, idle: Mutex::new(Vec::new()) })
    }

    /// All values of a scalar column; `None` when there is no such column.
    pub(super) fn scalars(&self, name: &str) -> Result<Option<Scalars>, TableError> {
        let position = self.schema().columns().iter().position(|column| column.path().string() == name);
        let Some(index) = position else { return Ok(None) };
        let column = self.schema().column(index);
        if !is_scalar(&column) {
            return Err(TableError::ColumnType {
                path: self.path.to_path_buf(),
                column: name.to_owned(),
                kind: column.physical_type().to_string(),
                expected: "one whole number or text a row",
            });
        }
        guarded(|| self.read_scalars(index)).map(Some).map_err(|error| TableError::parquet(&self.path, error))
    }

    fn read_scalars(&self, index: usize) -> Result<Scalars, ParquetError> {
        let level = self.schema().column(index).max_def_level();
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(group)?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            match group.get_column_reader(index)? {
                ColumnReader::BoolColumnReader(mut r) => {
                    numbers.extend(values(&mut r, rows, level, |v| i64::from(*v))?)
                }
                ColumnReader::Int32ColumnReader(mut r) => {
                    numbers.extend(values(&mut r, rows, level, |v| i64::from(*v))?)
                }
                ColumnReader::Int64ColumnReader(mut r) => numbers.extend(values(&mut r, rows, level, |v| *v)?),
                ColumnReader::ByteArrayColumnReader(mut r) => {
                    texts.extend(values(&mut r, rows, level, |v| String::from_utf8_lossy(v.data()).into_owned())?);
                }
                _ => return Err(ParquetError::General("an unexpected type of column".to_owned())),
            }
        }
        let is_text = self.schema().column(index).physical_type() == Type::BYTE_ARRAY;
        Ok(if is_text { Scalars::Texts(texts) } else { Scalars::Numbers(numbers) })
    }
}

fn is_scalar(column: &ColumnDescriptor) -> bool {
    let read = matches!(column.physical_type(), Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::BYTE_ARRAY);
    read && column.max_rep_level() == 0 && column.path().parts().len() == 1
}

/// The next `rows` values of a column without repetition, null where the definition level is below `level`.
fn values<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    level: i16,
    convert: impl Fn(&T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let (mut levels, mut present) = (Vec::new(), Vec::new());
    let (read, _, _) = reader.read_records(rows, Some(&mut levels), None, &mut present)?;
    if read != rows {
        return Err(ParquetError::EOF(format!("{read} of {rows} rows")));
    }
    let mut present = present.iter();
    if level == 0 {
        return Ok(present.map(|value| Some(convert(value))).collect());
    }
    Ok(levels.iter().map(|l| if *l == level { present.next().map(&convert) } else { None }).collect())
}

impl ParquetImages {
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Encoded bytes of `count` rows from `first` on.
    pub(crate) fn read(&self, first: usize, count: usize, limits: &Limits) -> Vec<Result<Vec<u8>, Problem>> {
        let mut images = Vec::with_capacity(count);
        while images.len() < count {
            let row = first + images.len();
            let Some(group) = self.starts.iter().skip(1).position(|end| row < *end) else {
                images.resize_with(count, || Err(Problem::Missing));
                break;
            };
            let rows = (count - images.len()).min(self.starts[group + 1] - row);
            match guarded(|| self.read_within(group, row, rows)) {
                Ok(cells) => images.extend(cells.into_iter().map(|cell| checked(cell, limits))),
                Err(error) => {
                    let reason = error.to_string();
                    images.extend((0..rows).map(|_| Err(Problem::Unreadable { reason: reason.clone() })));
                }
            }
        }
        images
    }

    fn read_within(&self, group: usize, row: usize, rows: usize) -> Result<Vec<Option<ByteArray>>, ParquetError> {
        let mut cursor = self.cursor(group, row)?;
        let level = cursor.file.metadata().file_metadata().schema_descr().column(self.image_column).max_def_level();
        if cursor.group != group || cursor.next > row || cursor.column.is_none() {
            cursor.column = match cursor.file.get_row_group(group)?.get_column_reader(self.image_column)? {
                ColumnReader::ByteArrayColumnReader(reader) => Some(reader),
                _ => return Err(ParquetError::General("the image column is not binary".to_owned())),
            };
            (cursor.group, cursor.next) = (group, self.starts[group]);
        }
        let Some(column) = cursor.column.as_mut() else { return Err(ParquetError::General("no column".to_owned())) };
        let skipped = column.skip_records(row - cursor.next)?;
        if skipped != row - cursor.next {
            return Err(ParquetError::EOF(format!("row {row} lies behind the end of row group {group}")));
        }
        let cells = values(column, rows, level, ByteArray::clone)?;
        cursor.next = row + rows;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CURSORS {
            idle.push(cursor);
        }
        Ok(cells)
    }

    /// The idle cursor closest before `row` in its group, else any, else a new one.
    fn cursor(&self, group: usize, row: usize) -> Result<Cursor, ParquetError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |cursor: &Cursor| cursor.group == group && cursor.next <= row;
        let best = (0..idle.len()).filter(|at| fits(&idle[*at])).max_by_key(|at| idle[*at].next);
        if let Some(at) = best.or(idle.len().checked_sub(1)) {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        let file = SerializedFileReader::new(File::open(&self.path)?)?;
        Ok(Cursor { file, group: 0, next: 0, column: None })
    }
}

fn checked(cell: Option<ByteArray>, limits: &Limits) -> Result<Vec<u8>, Problem> {
    let bytes = cell.ok_or(Problem::NoBytes)?;
    limits.check_bytes(bytes.len() as u64)?;
    if bytes.is_empty() { Err(Problem::Empty) } else { Ok(bytes.data().to_vec()) }
}
