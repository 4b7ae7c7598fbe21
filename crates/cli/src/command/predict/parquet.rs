//! Predictions as a parquet table: the columns of the CSV, one row group for each batch of lines.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::line::{Line, Ranked, columns};
use super::writer::WriteError;

/// Writes parquet.
pub struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    top: usize,
}

/// The values of one column; what is missing is null.
enum Column {
    Text(Vec<Option<String>>),
    Number(Vec<Option<f32>>),
    Truth(Vec<Option<bool>>),
}

impl<W: Write + Send> Parquet<W> {
    /// Begins the file.
    pub fn new(out: W, top: usize) -> Result<Self, WriteError> {
        let writer = SerializedFileWriter::new(out, schema(top)?, Arc::new(WriterProperties::builder().build()))?;
        Ok(Self { writer, top })
    }

    /// Appends lines as one row group.
    pub fn write(&mut self, lines: &[Line]) -> Result<(), WriteError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in table(lines, self.top) {
            let Some(mut writer) = group.next_column()? else { break };
            match column {
                Column::Text(values) => {
                    let (levels, values) = split(values);
                    let bytes: Vec<ByteArray> = values.iter().map(|text| text.as_str().into()).collect();
                    writer.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None)?;
                }
                Column::Number(values) => {
                    let (levels, values) = split(values);
                    writer.typed::<FloatType>().write_batch(&values, Some(&levels), None)?;
                }
                Column::Truth(values) => {
                    let (levels, values) = split(values);
                    writer.typed::<BoolType>().write_batch(&values, Some(&levels), None)?;
                }
            };
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file and gives the output back.
    pub fn finish(self) -> Result<W, WriteError> {
        Ok(self.writer.into_inner()?)
    }
}

/// Definition levels (1 where there is a value) and the values there are.
fn split<T>(values: Vec<Option<T>>) -> (Vec<i16>, Vec<T>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.into_iter().flatten().collect())
}

fn table(lines: &[Line], top: usize) -> Vec<Column> {
    let text = |get: &dyn Fn(&Line) -> Option<String>| Column::Text(lines.iter().map(get).collect());
    let mut columns = vec![
        text(&|line| Some(line.image.clone())),
        text(&|line| Some(line.class.clone())),
        Column::Number(lines.iter().map(|line| Some(line.probability)).collect()),
        Column::Truth(lines.iter().map(|line| line.unfamiliar).collect()),
    ];
    for rank in 1..top {
        let ranked = |line: &Line| -> Option<Ranked> { line.top.get(rank).cloned() };
        columns.push(text(&|line| ranked(line).map(|ranked| ranked.class)));
        columns.push(Column::Number(lines.iter().map(|line| ranked(line).map(|ranked| ranked.probability)).collect()));
    }
    columns
}

fn schema(top: usize) -> Result<TypePtr, WriteError> {
    let fields: Result<Vec<TypePtr>, _> = columns(top).iter().map(|name| field(name).map(Arc::new)).collect();
    Ok(Arc::new(Type::group_type_builder("predictions").with_fields(fields?).build()?))
}

fn field(name: &str) -> Result<Type, parquet::errors::ParquetError> {
    let physical = match name {
        "unfamiliar" => Physical::BOOLEAN,
        name if name.starts_with("probability") => Physical::FLOAT,
        _ => Physical::BYTE_ARRAY,
    };
    let text = if physical == Physical::BYTE_ARRAY { ConvertedType::UTF8 } else { ConvertedType::NONE };
    Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL).with_converted_type(text).build()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn what_is_written_is_read_back_by_the_reader() {
        let line = |image: &str, probability| Line {
            image: image.into(),
            class: "oak".into(),
            probability,
            unfamiliar: Some(probability < 0.5),
            top: vec![Ranked { class: "oak".into(), probability }],
        };
        let file = tempfile::tempfile().unwrap();
        let mut writer = Parquet::new(file, 2).unwrap();
        writer.write(&[line("a.jpg", 0.75), line("b.jpg", 0.25)]).unwrap();
        writer.write(&[line("c.jpg", 1.0)]).unwrap();
        let reader = SerializedFileReader::new(writer.finish().unwrap()).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].contains("\"b.jpg\"") && rows[1].contains("unfamiliar: true"), "{}", rows[1]);
        assert!(rows[1].contains("class_2: null"), "{}", rows[1]);
    }
}
