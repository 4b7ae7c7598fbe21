//! One parquet file: its schema and its columns of numbers and texts, read whole.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::TableError;
use super::parquet_images::ParquetImages;

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

/// A parquet file opened for its schema, metadata and scalar columns.
pub(super) struct ParquetFile {
    path: Arc<Path>,
    reader: SerializedFileReader<File>,
}

/// Runs a reader that may panic on a file that breaks the format's rules.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
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

    pub(super) fn reader(&self) -> &SerializedFileReader<File> {
        &self.reader
    }

    pub(super) fn schema(&self) -> &SchemaDescriptor {
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

    /// Whether there is a column that images are taken from, by its name.
    pub(super) fn has_images(&self) -> bool {
        let names = self.schema().columns().iter().map(|column| column.path().string());
        names
            .into_iter()
            .any(|name| IMAGE_COLUMNS.iter().any(|image| name == *image || name == format!("{image}.bytes")))
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
        Ok(ParquetImages::new(self.path.clone(), image_column, starts))
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
pub(super) fn values<T: DataType, V>(
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
