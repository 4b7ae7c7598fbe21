//! What the source's own classifier says of the rows.

use super::RankingError;

/// Probabilities of the source's classes and the answers they amount to, made once and read by every score of the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    probabilities: Vec<f32>,
    classes: usize,
    answers: Vec<usize>,
}

impl Source {
    /// From `[rows, classes]` probabilities, row by row.
    ///
    /// ```
    /// use heirloom_transfer::ranking::Source;
    ///
    /// let source = Source::new(vec![0.2, 0.7, 0.1, 0.5, 0.2, 0.3], 3)?;
    /// assert_eq!(source.answers(), [1, 0]);
    /// assert!(Source::new(vec![0.5, f32::NAN], 2).is_err());
    /// # Ok::<(), heirloom_transfer::ranking::RankingError>(())
    /// ```
    ///
    /// # Errors
    /// No classes, rows of different lengths, or a probability that is not finite.
    pub fn new(probabilities: Vec<f32>, classes: usize) -> Result<Self, RankingError> {
        if classes == 0 || !probabilities.len().is_multiple_of(classes) {
            return Err(RankingError::Undefined("probabilities that are no rows of equal length"));
        }
        if !probabilities.iter().fold(true, |all, value| all & value.is_finite()) {
            return Err(RankingError::Undefined("a probability that is not finite"));
        }
        let answers = probabilities.chunks(classes).map(largest).collect();
        Ok(Self { probabilities, classes, answers })
    }

    /// Number of the source's classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The probabilities, row by row.
    #[must_use]
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The most probable class of every row, the first of equals.
    #[must_use]
    pub fn answers(&self) -> &[usize] {
        &self.answers
    }
}

fn largest(row: &[f32]) -> usize {
    let mut best = (f32::NEG_INFINITY, 0);
    for (class, value) in row.iter().enumerate() {
        if *value > best.0 {
            best = (*value, class);
        }
    }
    best.1
}
