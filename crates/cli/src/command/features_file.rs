//! Features in a file of their own, in the forms that `fit` reads (`docs/formats/feature-tables.md`).

use std::collections::HashMap;
use std::path::Path;

use heirloom_data::{Split, Table};
use heirloom_transfer::Block;
use heirloom_transfer::extract::Extracted;
use safetensors::tensor::{Dtype, TensorView};

use super::columns::{self, Column, Kind};
use crate::failure::Failure;

/// Rows of a row group.
const GROUP: usize = 4096;

/// A form by the ending of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A tensor for each layer, labels by number, their names in the metadata.
    Safetensors,
    /// A column for each value, labels by name, splits.
    Parquet,
    /// The same as text.
    Csv,
}

impl Form {
    /// The form of a file's name.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("parquet") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Failure::input(format!("{}: features are not written in this form", path.display()))
                .hint("give a name that ends in .safetensors, .parquet or .csv")),
        }
    }

    /// The file's bytes.
    pub fn bytes(self, extracted: &Extracted, table: &Table) -> Result<Vec<u8>, Failure> {
        let rows = Rows { extracted, table };
        match self {
            Self::Safetensors => rows.safetensors(),
            Self::Parquet => rows.parquet(),
            Self::Csv => rows.csv(),
        }
    }
}

/// Features with what the table says of their rows.
struct Rows<'a> {
    extracted: &'a Extracted,
    table: &'a Table,
}

impl Rows<'_> {
    fn blocks(&self) -> &[Block] {
        &self.extracted.features.blocks
    }

    fn labels(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        self.extracted.rows.iter().map(|row| self.table.rows.get(*row).and_then(|row| row.label))
    }

    /// `layer@width`, or the layer alone where it is asked for once.
    fn name(&self, block: &Block) -> String {
        let alike = self.blocks().iter().filter(|other| other.tap == block.tap).count();
        if alike > 1 { format!("{}@{}", block.tap, block.pooling.target) } else { block.tap.clone() }
    }

    fn safetensors(&self) -> Result<Vec<u8>, Failure> {
        let count = self.extracted.rows.len();
        let none = |label: Option<usize>| label.and_then(|label| i64::try_from(label).ok()).unwrap_or(-1);
        let labels: Vec<u8> = self.labels().flat_map(|label| none(label).to_le_bytes()).collect();
        let bytes = |block: &Block| block.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let values: Vec<(String, usize, Vec<u8>)> =
            self.blocks().iter().map(|block| (self.name(block), block.width, bytes(block))).collect();
        let mut tensors = vec![("label".to_owned(), view(Dtype::I64, vec![count], &labels)?)];
        for (name, width, bytes) in &values {
            tensors.push((name.clone(), view(Dtype::F32, vec![count, *width], bytes)?));
        }
        let classes = serde_json::to_string(&self.table.classes).map_err(Failure::internal)?;
        let metadata = Some(HashMap::from([("classes".to_owned(), classes)]));
        safetensors::serialize(tensors, metadata).map_err(|error| Failure::internal(error.to_string()))
    }

    /// Names of the columns of numbers.
    fn columns(&self) -> Vec<String> {
        let of = |block: &Block| {
            let name = self.name(block);
            (0..block.width).map(|column| format!("{name}.{column}")).collect::<Vec<String>>()
        };
        self.blocks().iter().flat_map(of).collect()
    }

    /// What stands before the numbers: where the row comes from, its class, its split.
    fn told(&self) -> [(&'static str, Vec<Option<String>>); 3] {
        let of = |value: &dyn Fn(usize) -> Option<String>| self.extracted.rows.iter().map(|row| value(*row)).collect();
        let row = |row: usize| self.table.rows.get(row);
        let class = |at: usize| self.table.classes.get(row(at)?.label?).cloned();
        let split = |at: usize| {
            Some(match row(at)?.split? {
                Split::Train => "train".to_owned(),
                Split::Validation => "validation".to_owned(),
                Split::Test => "test".to_owned(),
            })
        };
        [("id", of(&|at| Some(row(at)?.locator.to_string()))), ("label", of(&class)), ("split", of(&split))]
    }

    /// The numbers of a row, all layers one after the other.
    fn numbers(&self, row: usize) -> impl Iterator<Item = f32> + '_ {
        self.blocks().iter().flat_map(move |block| {
            block.values.get(row * block.width..(row + 1) * block.width).unwrap_or_default().iter().copied()
        })
    }

    fn parquet(&self) -> Result<Vec<u8>, Failure> {
        let failed = |error: parquet::errors::ParquetError| Failure::internal(error.to_string());
        let (told, numbers) = (self.told(), self.columns());
        let texts = told.iter().map(|(name, _)| ((*name).to_owned(), Kind::Text));
        let named: Vec<(String, Kind)> = texts.chain(numbers.iter().map(|name| (name.clone(), Kind::Number))).collect();
        let mut writer = columns::writer(Vec::new(), "features", &named).map_err(failed)?;
        let all: Vec<usize> = (0..self.extracted.rows.len()).collect();
        for rows in all.chunks(GROUP) {
            let text = |(_, values): &(&str, Vec<Option<String>>)| {
                Column::Text(rows.iter().map(|row| values.get(*row).cloned().flatten()).collect())
            };
            let mut turned = vec![Vec::with_capacity(rows.len()); numbers.len()];
            for row in rows {
                turned.iter_mut().zip(self.numbers(*row)).for_each(|(column, value)| column.push(Some(value)));
            }
            let columns = told.iter().map(text).chain(turned.into_iter().map(Column::Number)).collect();
            columns::append(&mut writer, columns).map_err(failed)?;
        }
        writer.into_inner().map_err(failed)
    }

    fn csv(&self) -> Result<Vec<u8>, Failure> {
        let failed = |error: csv::Error| Failure::internal(error.to_string());
        let told = self.told();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let headings = told.iter().map(|(name, _)| (*name).to_owned()).chain(self.columns());
        writer.write_record(headings).map_err(failed)?;
        for row in 0..self.extracted.rows.len() {
            let texts = told.iter().map(|(_, values)| values.get(row).cloned().flatten().unwrap_or_default());
            writer.write_record(texts.chain(self.numbers(row).map(|value| value.to_string()))).map_err(failed)?;
        }
        writer.into_inner().map_err(|error| Failure::internal(error.to_string()))
    }
}

fn view(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> Result<TensorView<'_>, Failure> {
    TensorView::new(dtype, shape, bytes).map_err(|error| Failure::internal(error.to_string()))
}
