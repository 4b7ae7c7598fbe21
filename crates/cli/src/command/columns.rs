//! Columns of a parquet table: what is missing is null, text is UTF-8.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

/// The values of one column.
pub enum Column {
    /// Text.
    Text(Vec<Option<String>>),
    /// Single-precision numbers.
    Number(Vec<Option<f32>>),
    /// Double-precision numbers.
    Double(Vec<Option<f64>>),
    /// Whole numbers.
    Whole(Vec<Option<i64>>),
    /// Yes or no.
    Truth(Vec<Option<bool>>),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Single-precision numbers.
    Number,
    /// Double-precision numbers.
    Double,
    /// Whole numbers.
    Whole,
    /// Yes or no.
    Truth,
}

/// Begins a table called `name` with these columns.
pub fn writer<W: Write + Send>(
    out: W,
    name: &str,
    columns: &[(String, Kind)],
) -> Result<SerializedFileWriter<W>, ParquetError> {
    let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder(name).with_fields(fields).build()?;
    SerializedFileWriter::new(out, Arc::new(schema), Arc::new(WriterProperties::builder().build()))
}

/// Appends rows, given as columns in the order of the table's.
pub fn append<W: Write + Send>(writer: &mut SerializedFileWriter<W>, columns: Vec<Column>) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        match column {
            Column::Text(values) => {
                let bytes = |text: String| ByteArray::from(text.into_bytes());
                put::<ByteArrayType, W>(&mut group, values.into_iter().map(|value| value.map(bytes)).collect())?;
            }
            Column::Number(values) => put::<FloatType, W>(&mut group, values)?,
            Column::Double(values) => put::<DoubleType, W>(&mut group, values)?,
            Column::Whole(values) => put::<Int64Type, W>(&mut group, values)?,
            Column::Truth(values) => put::<BoolType, W>(&mut group, values)?,
        }
    }
    group.close()?;
    Ok(())
}

fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else { return Ok(()) };
    // Definition levels: 1 where there is a value.
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    writer.typed::<T>().write_batch(&values, Some(&levels), None)?;
    writer.close()
}

fn field(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let physical = match kind {
        Kind::Text => Physical::BYTE_ARRAY,
        Kind::Number => Physical::FLOAT,
        Kind::Double => Physical::DOUBLE,
        Kind::Whole => Physical::INT64,
        Kind::Truth => Physical::BOOLEAN,
    };
    let text = if kind == Kind::Text { ConvertedType::UTF8 } else { ConvertedType::NONE };
    Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL).with_converted_type(text).build()
}
