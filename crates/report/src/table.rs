//! A table of text cells, printed with aligned columns or laid out as HTML. Cells are already formatted; the table adds no digits.

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Columns with a heading each, and rows of as many cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    #[must_use]
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self { columns: columns.iter().map(|(name, align)| ((*name).to_string(), *align)).collect(), rows: Vec::new() }
    }

    /// Appends a row; missing cells are left empty, cells beyond the last column are dropped.
    pub fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Headings and their sides.
    #[must_use]
    pub fn columns(&self) -> &[(String, Align)] {
        &self.columns
    }

    /// Rows of cells, each as long as [`Self::columns`].
    #[must_use]
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The table as lines of text, two spaces between columns, no spaces at the end of a line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let headings: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let widths = self.widths();
        let mut text = self.line(&headings, &widths);
        for row in &self.rows {
            text.push_str(&self.line(row, &widths));
        }
        text
    }

    /// Characters of the widest cell of each column.
    fn widths(&self) -> Vec<usize> {
        let width = |index: usize, heading: &String| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            cells.chain([heading]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(|(index, (name, _))| width(index, name)).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, (_, align)), width) in cells.iter().zip(&self.columns).zip(widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}")),
                Align::Right => line.push_str(&format!("{cell:>width$}")),
            }
        }
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let mut table = Table::new(&[("class", Align::Left), ("rows", Align::Right)]);
        table.push(["Äpfel", "7"]);
        table.push(["x", "1000"]);
        assert_eq!(table.to_text(), "class  rows\nÄpfel     7\nx      1000\n");
    }

    #[test]
    fn short_rows_are_filled_and_long_ones_cut() {
        let mut table = Table::new(&[("a", Align::Left), ("b", Align::Left)]);
        table.push(["1"]);
        table.push(["1", "2", "3"]);
        assert_eq!(table.rows(), [vec!["1".to_string(), String::new()], vec!["1".to_string(), "2".to_string()]]);
    }
}
