//! All columns of one pooling target for the training rows, normalised per tap without a normalised copy: the factor of a row
//! in a tap is applied to the residuals instead, `(S X)^T R = X^T (S R)`.

use std::borrow::Cow;

use heirloom_matrix::{MatRef, product};
use rayon::prelude::*;

use super::super::HeadError;
use super::super::dense::{Matrix, transposed_product};
use super::super::input::{Input, check_size, not_finite};
use super::super::normalization::{Normalization, Normalizer, VARIANCE_FLOOR, unit_vector};
use super::penalty::Penalty;
use crate::{Block, Features};

/// Columns whose products are held at a time.
const PIECE: usize = 2048;
/// Columns whose products are held at a time in double precision.
const DOUBLE_PIECE: usize = 512;

/// One tap of a panel.
struct Tap<'a> {
    block: &'a Block,
    /// Values `[rows, width]` of the training rows.
    values: Cow<'a, [f32]>,
    /// Per row, what its values are multiplied by over *all* columns of the tap.
    factors: Vec<f32>,
    /// Index of the tap's first column among all columns.
    offset: usize,
}

/// Mean and factor of each column over the fitted rows, under [`Normalization::PerFeature`].
#[derive(Default)]
struct Statistics {
    means: Vec<f32>,
    factors: Vec<f32>,
}

/// The columns of one pooling target.
pub(super) struct Panel<'a> {
    taps: Vec<Tap<'a>>,
    rows: usize,
    columns: usize,
    normalization: Normalization,
    /// Columns that are not the same value in every training row.
    varying: Vec<bool>,
    /// Empty unless columns are scaled each by itself; see [`Panel::for_rows`].
    statistics: Statistics,
}

impl<'a> Panel<'a> {
    /// Checks and prepares the blocks of one pooling target.
    pub fn new(
        features: &'a Features,
        blocks: &[&'a Block],
        rows: &[usize],
        normalization: Normalization,
    ) -> Result<Self, HeadError> {
        let whole = rows.len() == features.rows && rows.iter().enumerate().all(|(position, &row)| position == row);
        let prepared = blocks.par_iter().map(|&block| prepare(features, block, rows, whole, normalization));
        let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
        let mut panel = Self {
            taps: vec![],
            rows: rows.len(),
            columns: 0,
            normalization,
            varying: vec![],
            statistics: Statistics::default(),
        };
        for (mut tap, varying) in prepared {
            tap.offset = panel.columns;
            panel.columns += tap.block.width;
            panel.varying.extend(varying);
            panel.taps.push(tap);
        }
        Ok(panel)
    }

    /// The panel whose columns are scaled by what `positions` say of them, where columns are scaled each by itself.
    pub fn for_rows(&self, positions: &[usize]) -> Panel<'_> {
        let taps = self.taps.iter().map(|tap| Tap {
            block: tap.block,
            values: Cow::Borrowed(&tap.values),
            factors: tap.factors.clone(),
            offset: tap.offset,
        });
        let mut statistics = Statistics::default();
        if self.normalization == Normalization::PerFeature {
            let by_tap: Vec<Statistics> = self.taps.par_iter().map(|tap| tap_statistics(tap, positions)).collect();
            statistics.means = by_tap.iter().flat_map(|tap| tap.means.iter().copied()).collect();
            statistics.factors = by_tap.iter().flat_map(|tap| tap.factors.iter().copied()).collect();
        }
        Panel { taps: taps.collect(), varying: self.varying.clone(), statistics, ..*self }
    }

    /// The scaling of a head that reads some columns (ascending).
    pub fn normalizer(&self, columns: &[usize]) -> Normalizer {
        let pick = |values: &[f32]| columns.iter().map(|&column| values[column]).collect();
        match self.normalization {
            Normalization::UnitVector => Normalizer::UnitVector,
            Normalization::None => Normalizer::None,
            Normalization::PerFeature => {
                Normalizer::PerFeature { mean: pick(&self.statistics.means), factor: pick(&self.statistics.factors) }
            }
        }
    }

    /// Number of columns, the `D` of the spec.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Number of training rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Whether a column takes more than one value.
    pub fn varies(&self, column: usize) -> bool {
        self.varying[column]
    }

    /// Number of columns that take more than one value.
    pub fn varying(&self) -> usize {
        self.varying.iter().filter(|varies| **varies).count()
    }

    /// Dual norm over classes of each column's product with `residuals` `[rows, classes]`; a constant column has 0.
    pub fn gradient_norms(&self, residuals: &[f64], classes: usize, penalty: Penalty) -> Vec<f32> {
        let mut norms = vec![0.0_f32; self.columns];
        let mut rest = norms.as_mut_slice();
        let mut parts = Vec::with_capacity(self.taps.len());
        for tap in &self.taps {
            let (own, others) = rest.split_at_mut(tap.block.width);
            parts.push((tap, own));
            rest = others;
        }
        parts.into_par_iter().for_each(|(tap, out)| self.tap_norms(tap, residuals, classes, penalty, out));
        norms.iter_mut().zip(&self.varying).filter(|(_, varies)| !**varies).for_each(|(norm, _)| *norm = 0.0);
        norms
    }

    /// As [`Panel::gradient_norms`], in double precision, from residuals `[rows, classes]` of `rows` alone and the columns as
    /// [`Panel::gather`] gives them.
    pub fn exact_gradient_norms(
        &self,
        residuals: &[f64],
        rows: &[usize],
        classes: usize,
        penalty: Penalty,
    ) -> Vec<f64> {
        let mut norms = vec![0.0_f64; self.columns];
        let right = MatRef::from_row_major_slice(residuals, rows.len(), classes);
        norms.par_chunks_mut(DOUBLE_PIECE).enumerate().for_each(|(piece, out)| {
            let columns: Vec<usize> = (piece * DOUBLE_PIECE..piece * DOUBLE_PIECE + out.len()).collect();
            let values: Vec<f64> = self.gather(&columns, rows).values.into_iter().map(f64::from).collect();
            let products = product(MatRef::from_row_major_slice(&values, rows.len(), out.len()).transpose(), right);
            for (column, norm) in out.iter_mut().enumerate().filter(|(column, _)| self.varying[columns[*column]]) {
                let row: Vec<f64> = (0..classes).map(|class| products[(column, class)]).collect();
                *norm = penalty.dual_norm(&row);
            }
        });
        norms
    }

    /// Some columns (ascending) of some rows, scaled by the factors of the *whole* taps, `[rows, columns]`.
    pub fn gather(&self, columns: &[usize], rows: &[usize]) -> Matrix {
        let mut out = Matrix::zeros(rows.len(), columns.len());
        let mut offset = 0;
        for (tap, local) in self.by_tap(columns) {
            for (position, &row) in rows.iter().enumerate() {
                let start = position * out.columns + offset;
                self.copy_scaled(tap, row, &local, tap.factors[row], &mut out.values[start..start + local.len()]);
            }
            offset += local.len();
        }
        out
    }

    /// The selected columns (ascending) of all rows, renormalised over the selection, tap by tap.
    pub fn selected_by_tap(&self, columns: &[usize]) -> impl Iterator<Item = Matrix> {
        self.by_tap(columns).into_iter().map(move |(tap, local)| {
            let mut out = Matrix::zeros(self.rows, local.len());
            for (row, target) in out.values.chunks_mut(local.len()).enumerate() {
                self.copy_scaled(tap, row, &local, 1.0, target);
                if self.normalization == Normalization::UnitVector {
                    unit_vector(target);
                }
            }
            out
        })
    }

    /// The selected columns (ascending) of all rows, renormalised, side by side.
    pub fn selected(&self, columns: &[usize]) -> Matrix {
        let mut out = Matrix::zeros(self.rows, columns.len());
        let mut offset = 0;
        for part in self.selected_by_tap(columns) {
            for row in 0..self.rows {
                let start = row * out.columns + offset;
                out.values[start..start + part.columns].copy_from_slice(part.row(row));
            }
            offset += part.columns;
        }
        out
    }

    /// Number of columns of each tap.
    pub fn widths(&self) -> Vec<usize> {
        self.taps.iter().map(|tap| tap.block.width).collect()
    }

    /// The inputs of a head that reads all columns.
    pub fn whole_inputs(&self) -> Vec<Input> {
        self.taps.iter().map(|tap| Input::whole(tap.block)).collect()
    }

    /// Norm of `sizes` over the tap of each column.
    pub fn tap_sizes(&self, sizes: &[f64]) -> Vec<f64> {
        let of_tap = |tap: &Tap<'_>| {
            let own = &sizes[tap.offset..tap.offset + tap.block.width];
            let norm = own.iter().map(|size| size * size).sum::<f64>().sqrt();
            vec![norm; own.len()]
        };
        self.taps.iter().flat_map(of_tap).collect()
    }

    /// `(1 - share) s_i + share mean_tap(s)` for each of `scores`; as they are at a share of 0.
    pub fn shrunk(&self, mut scores: Vec<f64>, share: f64) -> Vec<f64> {
        for tap in self.taps.iter().filter(|_| share > 0.0) {
            let own = &mut scores[tap.offset..tap.offset + tap.block.width];
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            own.iter_mut().for_each(|score| *score = (1.0 - share) * *score + share * mean);
        }
        scores
    }

    /// The inputs of a head that reads the selected columns (ascending).
    pub fn inputs(&self, columns: &[usize]) -> Vec<Input> {
        let by_tap = self.by_tap(columns).into_iter().map(|(tap, local)| Input {
            columns: Some(local.iter().map(|&column| column as u32).collect()),
            ..Input::whole(tap.block)
        });
        by_tap.collect()
    }

    /// Some columns of one row of a tap, times `factor`, each scaled where columns are scaled by themselves.
    fn copy_scaled(&self, tap: &Tap<'_>, row: usize, columns: &[usize], factor: f32, out: &mut [f32]) {
        let width = tap.block.width;
        let values = &tap.values[row * width..(row + 1) * width];
        out.iter_mut().zip(columns).for_each(|(out, &column)| *out = values[column] * factor);
        if self.normalization == Normalization::PerFeature {
            let Statistics { means, factors } = &self.statistics;
            for (out, column) in out.iter_mut().zip(columns) {
                *out = (*out - means[tap.offset + column]) * factors[tap.offset + column];
            }
        }
    }

    fn tap_norms(&self, tap: &Tap<'_>, residuals: &[f64], classes: usize, penalty: Penalty, out: &mut [f32]) {
        let rows = tap.factors.len();
        let scaled: Vec<f32> = residuals
            .chunks(classes)
            .zip(&tap.factors)
            .flat_map(|(row, &factor)| row.iter().map(move |value| (value * f64::from(factor)) as f32))
            .collect();
        let mut sums = vec![0.0_f64; classes];
        residuals.chunks(classes).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
        let matrix = MatRef::from_row_major_slice(&tap.values, rows, tap.block.width);
        out.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| {
            let first = piece * PIECE;
            let mut products = transposed_product(matrix.subcols(first, out.len()), &scaled, classes);
            if self.normalization == Normalization::PerFeature {
                self.standardise(&mut products, tap.offset + first, &sums);
            }
            for product in products.chunks(out.len()) {
                match penalty {
                    Penalty::Rows => out.iter_mut().zip(product).for_each(|(norm, value)| *norm += value * value),
                    Penalty::Entries => {
                        out.iter_mut().zip(product).for_each(|(norm, value)| *norm = norm.max(value.abs()))
                    }
                }
            }
            if penalty == Penalty::Rows {
                out.iter_mut().for_each(|norm| *norm = norm.sqrt());
            }
        });
    }

    /// Products `[classes][columns]` of raw columns, from `first` on, with residuals that add up to `sums`, made those of the scaled
    /// columns.
    fn standardise(&self, products: &mut [f32], first: usize, sums: &[f64]) {
        let width = products.len() / sums.len();
        let Statistics { means, factors } = &self.statistics;
        for (product, &sum) in products.chunks_mut(width).zip(sums) {
            for (value, (mean, factor)) in product.iter_mut().zip(means[first..].iter().zip(&factors[first..])) {
                *value = (*value - mean * sum as f32) * factor;
            }
        }
    }

    /// Splits ascending columns by tap, renumbered within it; taps without a column are left out.
    fn by_tap(&self, columns: &[usize]) -> Vec<(&Tap<'a>, Vec<usize>)> {
        let mut out = Vec::new();
        let mut rest = columns;
        for tap in &self.taps {
            let (own, others) = rest.split_at(rest.partition_point(|&column| column < tap.offset + tap.block.width));
            if !own.is_empty() {
                out.push((tap, own.iter().map(|column| column - tap.offset).collect()));
            }
            rest = others;
        }
        out
    }
}

/// Mean and factor of each column of a tap over some rows.
fn tap_statistics(tap: &Tap<'_>, positions: &[usize]) -> Statistics {
    let (width, count) = (tap.block.width, positions.len() as f64);
    let row_of = |position: &usize| &tap.values[position * width..(position + 1) * width];
    let mut means = vec![0.0_f64; width];
    for row in positions.iter().map(row_of) {
        means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value) / count);
    }
    let mut variances = vec![0.0_f64; width];
    for row in positions.iter().map(row_of) {
        let columns = variances.iter_mut().zip(&means).zip(row);
        columns.for_each(|((variance, mean), &value)| *variance += (f64::from(value) - mean).powi(2) / count);
    }
    Statistics {
        means: means.iter().map(|&mean| mean as f32).collect(),
        factors: variances.iter().map(|variance| (variance + VARIANCE_FLOOR).sqrt().recip() as f32).collect(),
    }
}

/// Takes the training rows of a block, refuses what is not finite, and finds factors and varying columns.
fn prepare<'a>(
    features: &Features,
    block: &'a Block,
    rows: &[usize],
    whole: bool,
    normalization: Normalization,
) -> Result<(Tap<'a>, Vec<bool>), HeadError> {
    check_size(features, block)?;
    let width = block.width;
    let row_of = |row: usize| &block.values[row * width..(row + 1) * width];
    let first = rows.first().map_or(&[][..], |&row| row_of(row));
    let mut varying = vec![false; width];
    let mut factors = Vec::with_capacity(rows.len());
    for &row in rows {
        let values = row_of(row);
        if let Some(column) = values.iter().position(|value| !value.is_finite()) {
            return Err(not_finite(block, row, column, values[column]));
        }
        varying.iter_mut().zip(values.iter().zip(first)).for_each(|(varies, (a, b))| *varies |= a != b);
        factors.push(factor(values, normalization));
    }
    let values = if whole {
        Cow::Borrowed(block.values.as_slice())
    } else {
        Cow::Owned(rows.iter().flat_map(|&row| row_of(row).iter().copied()).collect())
    };
    Ok((Tap { block, values, factors, offset: 0 }, varying))
}

fn factor(values: &[f32], normalization: Normalization) -> f32 {
    if normalization != Normalization::UnitVector {
        return 1.0;
    }
    let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    if square > 0.0 { (1.0 / square.sqrt()) as f32 } else { 0.0 }
}
