//! Predictions as comma-separated values: a heading, then one image a line.

use std::io::Write;

use super::line::{Layout, Line, columns};
use super::writer::WriteError;

/// Writes CSV.
pub struct Csv<W: Write> {
    writer: csv::Writer<W>,
    layout: Layout,
}

impl<W: Write> Csv<W> {
    /// Writes the heading.
    pub fn new(out: W, layout: Layout) -> Result<Self, WriteError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns(layout)).map_err(error)?;
        Ok(Self { writer, layout })
    }

    /// Appends lines.
    pub fn write(&mut self, lines: &[Line]) -> Result<(), WriteError> {
        for line in lines {
            self.writer.write_record(record(line, self.layout)).map_err(error)?;
        }
        self.writer.flush().map_err(WriteError::Io)
    }

    /// Gives the output back, everything written.
    pub fn finish(self) -> Result<W, WriteError> {
        self.writer.into_inner().map_err(|error| WriteError::Io(error.into_error()))
    }
}

fn error(error: csv::Error) -> WriteError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => WriteError::Io(error),
        other => WriteError::Format(format!("{other:?}")),
    }
}

fn record(line: &Line, layout: Layout) -> Vec<String> {
    let unfamiliar = line.unfamiliar.map(|unfamiliar| unfamiliar.to_string()).unwrap_or_default();
    let mut cells = vec![line.image.clone()];
    if layout.tasks {
        cells.push(line.task.clone().unwrap_or_default());
    }
    cells.extend([line.class.clone(), format!("{:.6}", line.probability), unfamiliar]);
    for rank in 1..layout.top {
        let ranked = line.top.get(rank);
        cells.push(ranked.map(|ranked| ranked.class.clone()).unwrap_or_default());
        cells.push(ranked.map(|ranked| format!("{:.6}", ranked.probability)).unwrap_or_default());
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::predict::line::Ranked;

    #[test]
    fn names_with_commas_and_quotes_are_quoted() {
        let ranked = |class: &str, probability| Ranked { class: class.into(), probability };
        let line = Line {
            task: None,
            image: "a,\"b\".jpg".into(),
            class: "oak".into(),
            probability: 0.75,
            unfamiliar: Some(false),
            top: vec![ranked("oak", 0.75), ranked("beech", 0.25)],
        };
        let mut csv = Csv::new(Vec::new(), Layout { top: 3, tasks: false }).unwrap();
        csv.write(&[line]).unwrap();
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        assert_eq!(
            text,
            "image,class,probability,unfamiliar,class_2,probability_2,class_3,probability_3\n\
             \"a,\"\"b\"\".jpg\",oak,0.750000,false,beech,0.250000,,\n"
        );
    }
}
