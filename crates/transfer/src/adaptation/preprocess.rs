//! Preprocessing of rows and columns before anything is compared (`spec/easytl.md` sections 2.1 and 4.2). It is never a silent
//! default: what was done stands in the record, and whether statistics of the target took part.

use serde::{Deserialize, Serialize};

use super::Samples;

/// What happens to each row on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowScaling {
    /// Nothing.
    None,
    /// Divided by the sum of its absolute values; for counts and other values that are not negative that is their plain sum. A row
    /// of zeros stays one.
    L1,
    /// Divided by its Euclidean length; a row of zeros stays one.
    L2,
}

impl RowScaling {
    /// Scales one row in place.
    pub fn apply(self, row: &mut [f64]) {
        let size = match self {
            Self::None => return,
            Self::L1 => row.iter().map(|value| value.abs()).sum::<f64>(),
            Self::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
        };
        if size > 0.0 {
            row.iter_mut().for_each(|value| *value /= size);
        }
    }
}

/// What happens to each column, after the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnScaling {
    /// Nothing.
    None,
    /// Both domains lose the source's mean and are divided by its standard deviation.
    SourceZScore,
    /// Each domain loses its own mean and is divided by its own standard deviation: transductive, and already an alignment of means
    /// and scales.
    DomainZScore,
}

/// Mean and standard deviation (divisor `rows`) of each column; 0 marks a constant column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStatistics {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Standard deviation of each column, exactly 0 where all rows are equal.
    pub deviation: Vec<f64>,
}

impl ColumnStatistics {
    /// Takes the statistics of some samples.
    #[must_use]
    pub fn of(samples: &Samples) -> Self {
        let mean = samples.column_means();
        let mut squares = vec![0.0; samples.columns()];
        let mut varies = vec![false; samples.columns()];
        for row in 0..samples.rows() {
            let (first, row) = (samples.row(0), samples.row(row));
            for column in 0..row.len() {
                squares[column] += (row[column] - mean[column]).powi(2);
                varies[column] |= row[column] != first[column];
            }
        }
        let rows = samples.rows().max(1) as f64;
        let deviation = |(square, varies): (f64, bool)| if varies { (square / rows).sqrt() } else { 0.0 };
        Self { mean, deviation: squares.into_iter().zip(varies).map(deviation).collect() }
    }

    /// `(x - mean) / deviation`, column by column; a column that was constant becomes 0.
    pub fn apply(&self, samples: &mut Samples) {
        for row in 0..samples.rows() {
            let statistics = self.mean.iter().zip(&self.deviation);
            for (value, (mean, deviation)) in samples.row_mut(row).iter_mut().zip(statistics) {
                *value = if *deviation > 0.0 { (*value - mean) / deviation } else { 0.0 };
            }
        }
    }
}

/// Rows, then columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// What happens to each row.
    pub rows: RowScaling,
    /// What happens to each column.
    pub columns: ColumnScaling,
}

impl Preprocessing {
    /// EasyTL as released: L1 rows, each column standardised within its domain.
    pub const EASYTL: Self = Self { rows: RowScaling::L1, columns: ColumnScaling::DomainZScore };

    /// Preprocesses both domains; with them comes what the target's columns were scaled by, the statistics that a predictor for
    /// single target rows has to keep.
    #[must_use]
    pub fn apply(self, source: &Samples, target: &Samples) -> (Samples, Samples, Option<ColumnStatistics>) {
        let (mut source, mut target) = (self.scale_rows(source), self.scale_rows(target));
        let of_source = ColumnStatistics::of(&source);
        let of_target = match self.columns {
            ColumnScaling::None => return (source, target, None),
            ColumnScaling::SourceZScore => of_source.clone(),
            ColumnScaling::DomainZScore => ColumnStatistics::of(&target),
        };
        of_source.apply(&mut source);
        of_target.apply(&mut target);
        (source, target, Some(of_target))
    }

    fn scale_rows(self, samples: &Samples) -> Samples {
        let mut out = samples.clone();
        (0..out.rows()).for_each(|row| self.rows.apply(out.row_mut(row)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rows: &[[f64; 3]]) -> Samples {
        Samples::new(rows.len(), 3, rows.concat()).unwrap()
    }

    /// TV3 of `spec/easytl.md`.
    #[test]
    fn rows_are_scaled_then_columns_standardised() {
        let all = [[1., 3., 0.], [2., 2., 0.], [6., 1., 1.]];
        let (scaled, other, statistics) = Preprocessing::EASYTL.apply(&samples(&all), &samples(&all[..2]));
        let half = 0.5_f64.sqrt();
        let expected = [
            [-1.224_744_871_392, 1.135_549_947_915, -half],
            [0., 0.162_221_421_131, -half],
            [1.224_744_871_392, -1.297_771_369_046, 2.0_f64.sqrt()],
        ];
        for (found, expected) in scaled.values().iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(statistics.unwrap().deviation[2], 0.0);
        assert_eq!([other.row(0)[2], other.row(1)[2]], [0.0, 0.0], "a constant column is exactly 0");
        let rows = Preprocessing { rows: RowScaling::L1, columns: ColumnScaling::None };
        let (scaled, _, none) = rows.apply(&samples(&all), &samples(&all));
        assert_eq!(scaled.values(), [[0.25, 0.75, 0.], [0.5, 0.5, 0.], [0.75, 0.125, 0.125]].concat());
        assert!(none.is_none());
    }

    #[test]
    fn a_constant_that_no_binary_number_holds_becomes_zero() {
        let constant = Samples::new(7, 1, vec![0.1; 7]).unwrap();
        let (scaled, _, _) =
            Preprocessing { rows: RowScaling::None, ..Preprocessing::EASYTL }.apply(&constant, &constant);
        assert_eq!(scaled.values(), [0.0; 7]);
    }

    #[test]
    fn source_statistics_serve_both_domains() {
        let scaling = Preprocessing { rows: RowScaling::None, columns: ColumnScaling::SourceZScore };
        let (source, target) = (Samples::new(2, 1, vec![0., 2.]).unwrap(), Samples::new(1, 1, vec![5.]).unwrap());
        let (source, target, _) = scaling.apply(&source, &target);
        assert_eq!((source.values(), target.values()), (&[-1.0, 1.0][..], &[4.0][..]));
    }

    #[test]
    fn zero_rows_stay_and_negative_values_count_by_size() {
        let mut row = [3.0, -4.0];
        RowScaling::L2.apply(&mut row);
        assert_eq!(row, [0.6, -0.8]);
        let mut row = [1.0, -3.0];
        RowScaling::L1.apply(&mut row);
        assert_eq!(row, [0.25, -0.75]);
        let mut zero = [0.0, 0.0];
        RowScaling::L1.apply(&mut zero);
        assert_eq!(zero, [0.0, 0.0]);
    }
}
