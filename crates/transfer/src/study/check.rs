//! Whether the figures that a recipe holds still come out.

use serde::Serialize;

/// A figure that is not as expected, in per cent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Of what: `amazon to dslr, coral`.
    pub what: String,
    /// What the recipe says.
    pub expected: f64,
    /// What was found; `None` where the data has no such pair.
    pub found: Option<f64>,
}

/// The comparison with the recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Figures compared.
    pub figures: usize,
    /// Largest difference allowed, in points.
    pub tolerance: f64,
    /// Those that differ by more.
    pub differences: Vec<Difference>,
}
