//! Columns of a parquet file that hold numbers, one or a list of them in each row.

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::schema::types::ColumnDescriptor;

use super::TableError;
use super::parquet::{ParquetFile, guarded};

/// One entry of a column of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// Whether it begins a row.
    pub first: bool,
    /// The number; `None` for a null or an empty list.
    pub value: Option<f32>,
}

impl ParquetFile {
    /// Whether the file has numbers to learn from and no images.
    pub(super) fn holds_features(&self) -> Result<bool, TableError> {
        Ok(!self.has_images() && !self.number_columns().is_empty())
    }

    /// Names of the columns of numbers in file order, and whether each row holds a list of them.
    pub(super) fn number_columns(&self) -> Vec<(String, bool)> {
        let columns = self.schema().columns().iter().filter(|column| is_number(column));
        columns.map(|column| (root(column), column.max_rep_level() == 1)).collect()
    }

    /// Everything in a column of numbers.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<Entry>, TableError> {
        let columns = self.schema().columns().iter();
        let Some(index) = columns.into_iter().position(|column| is_number(column) && root(column) == name) else {
            return Ok(Vec::new());
        };
        guarded(|| self.read_numbers(index)).map_err(|error| TableError::parquet(self.path(), error))
    }

    fn read_numbers(&self, index: usize) -> Result<Vec<Entry>, ParquetError> {
        let mut out = Vec::new();
        let (reader, level) = (self.reader(), self.schema().column(index).max_def_level());
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            match group.get_column_reader(index)? {
                ColumnReader::FloatColumnReader(mut r) => out.extend(entries(&mut r, rows, level, |v| *v)?),
                ColumnReader::DoubleColumnReader(mut r) => out.extend(entries(&mut r, rows, level, |v| *v as f32)?),
                ColumnReader::Int32ColumnReader(mut r) => out.extend(entries(&mut r, rows, level, |v| *v as f32)?),
                ColumnReader::Int64ColumnReader(mut r) => out.extend(entries(&mut r, rows, level, |v| *v as f32)?),
                _ => return Err(ParquetError::General("an unexpected type of column".to_owned())),
            }
        }
        Ok(out)
    }
}

/// Name of the whole column; that of a list's entries goes on (`embedding.list.element`).
fn root(column: &ColumnDescriptor) -> String {
    column.path().parts().first().cloned().unwrap_or_default()
}

fn is_number(column: &ColumnDescriptor) -> bool {
    let number = matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE | Type::INT32 | Type::INT64);
    let parts = column.path().parts().len();
    number && (column.max_rep_level() == 1 && parts <= 3 || column.max_rep_level() == 0 && parts == 1)
}

fn entries<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    level: i16,
    convert: impl Fn(&T::T) -> f32,
) -> Result<Vec<Entry>, ParquetError> {
    let (mut levels, mut starts, mut present) = (Vec::new(), Vec::new(), Vec::new());
    let (read, _, _) = reader.read_records(rows, Some(&mut levels), Some(&mut starts), &mut present)?;
    if read != rows {
        return Err(ParquetError::EOF(format!("{read} of {rows} rows")));
    }
    let count = if level == 0 { present.len() } else { levels.len() };
    let mut present = present.iter();
    let entry = |at: usize| {
        let first = starts.get(at).is_none_or(|start| *start == 0);
        let there = level == 0 || levels.get(at) == Some(&level);
        Entry { first, value: if there { present.next().map(&convert) } else { None } }
    };
    Ok((0..count).map(entry).collect())
}
