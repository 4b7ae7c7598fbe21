//! What every format comes down to: named arrays, in the order of the file.

/// Values of an array.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Numbers that may be features.
    Floats(Vec<f32>),
    /// Whole numbers of a list: labels, domains, groups.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Values {
    /// What they are, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Floats(_) => "numbers",
            Self::Integers(_) => "whole numbers",
            Self::Texts(_) => "texts",
        }
    }
}

/// A named array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub name: String,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Values,
    /// Names of the columns, where the file gives each one.
    pub columns: Vec<String>,
}

impl Array {
    pub fn new(name: &str, shape: Vec<usize>, values: Values) -> Self {
        Self { name: name.to_owned(), shape, values, columns: Vec::new() }
    }

    pub fn texts(name: &str, values: Vec<String>) -> Self {
        Self::new(name, vec![values.len()], Values::Texts(values))
    }

    /// Column `column` as a person would look for it.
    pub fn column_name(&self, column: usize) -> String {
        self.columns.get(column).cloned().unwrap_or_else(|| format!("{column} of `{}`", self.name))
    }
}

/// Everything that a file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Content {
    pub arrays: Vec<Array>,
    /// Class names by label number, where given apart from the arrays.
    pub classes: Option<Vec<String>>,
    /// Domain names by number, where given apart from the arrays.
    pub domains: Option<Vec<String>>,
}
