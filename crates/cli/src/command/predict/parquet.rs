//! Predictions as a parquet table: the columns of the CSV, one row group for each batch of lines.

use std::io::Write;

use parquet::file::writer::SerializedFileWriter;

use super::line::{Layout, Line, Ranked, columns};
use super::writer::WriteError;
use crate::command::columns::{self, Column, Kind};

/// Writes parquet.
pub struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    layout: Layout,
}

impl<W: Write + Send> Parquet<W> {
    /// Begins the file.
    pub fn new(out: W, layout: Layout) -> Result<Self, WriteError> {
        let named: Vec<(String, Kind)> = columns(layout).iter().map(|name| (name.to_string(), kind(name))).collect();
        Ok(Self { writer: columns::writer(out, "predictions", &named)?, layout })
    }

    /// Appends lines as one row group.
    pub fn write(&mut self, lines: &[Line]) -> Result<(), WriteError> {
        if lines.is_empty() {
            return Ok(());
        }
        Ok(columns::append(&mut self.writer, table(lines, self.layout))?)
    }

    /// Ends the file and gives the output back.
    pub fn finish(self) -> Result<W, WriteError> {
        Ok(self.writer.into_inner()?)
    }
}

fn table(lines: &[Line], layout: Layout) -> Vec<Column> {
    let text = |get: &dyn Fn(&Line) -> Option<String>| Column::Text(lines.iter().map(get).collect());
    let mut columns = vec![text(&|line| Some(line.image.clone()))];
    if layout.tasks {
        columns.push(text(&|line| line.task.clone()));
    }
    columns.extend([
        text(&|line| Some(line.class.clone())),
        Column::Number(lines.iter().map(|line| Some(line.probability)).collect()),
        Column::Truth(lines.iter().map(|line| line.unfamiliar).collect()),
    ]);
    for rank in 1..layout.top {
        let ranked = |line: &Line| -> Option<Ranked> { line.top.get(rank).cloned() };
        columns.push(text(&|line| ranked(line).map(|ranked| ranked.class)));
        columns.push(Column::Number(lines.iter().map(|line| ranked(line).map(|ranked| ranked.probability)).collect()));
    }
    columns
}

fn kind(name: &str) -> Kind {
    match name {
        "unfamiliar" => Kind::Truth,
        name if name.starts_with("probability") => Kind::Number,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn what_is_written_is_read_back_by_the_reader() {
        let line = |image: &str, probability| Line {
            task: None,
            image: image.into(),
            class: "oak".into(),
            probability,
            unfamiliar: Some(probability < 0.5),
            top: vec![Ranked { class: "oak".into(), probability }],
        };
        let file = tempfile::tempfile().unwrap();
        let mut writer = Parquet::new(file, Layout { top: 2, tasks: false }).unwrap();
        writer.write(&[line("a.jpg", 0.75), line("b.jpg", 0.25)]).unwrap();
        writer.write(&[line("c.jpg", 1.0)]).unwrap();
        let reader = SerializedFileReader::new(writer.finish().unwrap()).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].contains("\"b.jpg\"") && rows[1].contains("unfamiliar: true"), "{}", rows[1]);
        assert!(rows[1].contains("class_2: null"), "{}", rows[1]);
    }
}
