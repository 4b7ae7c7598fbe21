//! k nearest neighbours by cosine. The number of neighbours and their weighting are chosen by leave-one-out on the training
//! rows: a row never votes for itself.
//!
//! Votes: 1 each (`uniform`), or `exp((s - s_1) / 0.07)` with `s` the neighbour's cosine and `s_1` that of the nearest one
//! (`similarity`; the temperature is that of Wu et al. 2018, "Unsupervised feature learning via non-parametric instance
//! discrimination"). Rows tied with the last neighbour share the votes that are left, so that the order of the training rows
//! cannot matter. The logit of a class is `ln(votes + 1/classes)`.

use heirloom_matrix::{MatMut, MatRef, multiply};
use rayon::prelude::*;

use super::choice::{Setting, choose, settings};
use super::dense::Matrix;
use super::input::{Input, gather_training};
use super::normalization::{Normalization, unit_vector};
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Rows compared in one product when predicting; a shorter last piece is filled up with zeros, so that a row's bits do not depend on
/// how many others are asked about.
pub(super) const PIECE: usize = 64;
/// Rows compared in one product among the training rows: each product packs all of them anew, so it takes many at a time.
pub(super) const TRAINING_PIECE: usize = 256;
/// Training rows whose similarities are all held at once (at most 256 MiB), so that each pair is multiplied once.
const HELD_ROWS: usize = 8192;
/// Temperature of the similarity weighting.
const SIMILARITY_TEMPERATURE: f64 = 0.07;

/// How much a neighbour's vote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// One neighbour, one vote.
    Uniform,
    /// By cosine similarity.
    Similarity,
}

impl Weighting {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Similarity => "similarity",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Similarity].into_iter().find(|weighting| weighting.name() == name)
    }
}

/// Settings of `knn`.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnSettings {
    /// Numbers of neighbours to choose from; those not below the number of training rows are left out.
    pub neighbours: Vec<usize>,
    /// Weightings to choose from.
    pub weightings: Vec<Weighting>,
    /// Scaling of the features before the cosine is taken.
    pub normalization: Normalization,
}

impl Default for KnnSettings {
    fn default() -> Self {
        Self {
            neighbours: vec![1, 3, 5, 10, 20, 50],
            weightings: vec![Weighting::Uniform, Weighting::Similarity],
            normalization: Normalization::UnitVector,
        }
    }
}

/// The training rows (unit norm) with their labels, and how they vote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbours {
    pub rows: Matrix,
    pub labels: Vec<u32>,
    pub neighbours: usize,
    pub weighting: Weighting,
}

impl Neighbours {
    /// Logits `[rows, classes]`.
    pub fn logits(&self, queries: &Matrix, classes: usize) -> Vec<f32> {
        let vote = |_: usize, similarities: &[f32]| {
            let nearest = nearest(similarities, self.neighbours, None);
            vote(&nearest, &self.labels, self.neighbours, self.weighting, classes)
        };
        for_each_row(&unit_rows(queries), &self.rows, PIECE, vote).concat()
    }
}

/// Fits `knn` with neighbours and weighting chosen by leave-one-out.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &KnnSettings,
) -> Result<Fitted, HeadError> {
    let grid = grid(settings_of, checked.rows.len())?;
    let (rows, normalizer) = gather_training(training.features, &inputs, &checked.rows, settings_of.normalization)?;
    let rows = unit_rows(&rows);
    let labels: Vec<u32> = checked.labels.iter().map(|&label| label as u32).collect();
    let held_out = leave_one_out(&rows, &labels, &grid, checked.classes);
    let named = grid.iter().map(|&(count, weighting)| {
        let weighting = Setting::Text(weighting.name().to_string());
        settings([("neighbours", Setting::Number(count as f64)), ("weighting", weighting)])
    });
    let choice = choose(checked, named.zip(held_out).collect());
    let (neighbours, weighting) = grid[choice.chosen];
    let rule = Rule::Neighbours(Neighbours { rows, labels, neighbours, weighting });
    let head = Head::new(Method::Knn, checked.classes, inputs, normalizer, rule);
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// Candidates, most neighbours first, uniform before weighted.
fn grid(settings_of: &KnnSettings, rows: usize) -> Result<Vec<(usize, Weighting)>, HeadError> {
    let mut counts: Vec<usize> = settings_of.neighbours.iter().copied().filter(|&k| k > 0 && k < rows).collect();
    counts.sort_unstable_by(|left, right| right.cmp(left));
    counts.dedup();
    let grid: Vec<_> = counts.iter().flat_map(|&k| settings_of.weightings.iter().map(move |&w| (k, w))).collect();
    if grid.is_empty() {
        let value = format!("{:?} with {} weightings", settings_of.neighbours, settings_of.weightings.len());
        let range = "one weighting and a number from 1 to the number of training rows less one are needed";
        return Err(HeadError::Setting { setting: "neighbours", value, range });
    }
    Ok(grid)
}

/// Logits `[rows, classes]` of every candidate, each row judged by the others.
fn leave_one_out(rows: &Matrix, labels: &[u32], grid: &[(usize, Weighting)], classes: usize) -> Vec<Vec<f32>> {
    let most = grid.iter().map(|(count, _)| *count).max().unwrap_or(1);
    let votes = |row: usize, similarities: &[f32]| {
        let nearest = nearest(similarities, most, Some(row));
        grid.iter().map(|&(count, weighting)| vote(&nearest, labels, count, weighting, classes)).collect::<Vec<_>>()
    };
    let by_row: Vec<_> = if rows.rows <= HELD_ROWS {
        let gram = rows.gram();
        (0..rows.rows).into_par_iter().map(|row| votes(row, gram.row(row))).collect()
    } else {
        for_each_row(rows, rows, TRAINING_PIECE, votes)
    };
    (0..grid.len()).map(|candidate| by_row.iter().flat_map(|row| row[candidate].iter().copied()).collect()).collect()
}

pub(super) fn unit_rows(rows: &Matrix) -> Matrix {
    let mut out = rows.clone();
    out.values.chunks_mut(rows.columns.max(1)).for_each(unit_vector);
    out
}

/// Calls `each(row, similarities to all of rows)` for every query, pieces of `size` in parallel, results in order.
pub(super) fn for_each_row<T: Send>(
    queries: &Matrix,
    rows: &Matrix,
    size: usize,
    each: impl Fn(usize, &[f32]) -> T + Sync,
) -> Vec<T> {
    let pieces = queries.rows.div_ceil(size);
    let by_piece = (0..pieces).into_par_iter().map(|piece| {
        let first = piece * size;
        let count = size.min(queries.rows - first);
        let mut block = vec![0.0_f32; size * queries.columns];
        let source = &queries.values[first * queries.columns..(first + count) * queries.columns];
        block[..source.len()].copy_from_slice(source);
        let mut similarities = vec![0.0_f32; size * rows.rows];
        let target = MatMut::from_row_major_slice_mut(&mut similarities, size, rows.rows);
        multiply(target, MatRef::from_row_major_slice(&block, size, queries.columns), rows.view().transpose());
        (0..count).map(|i| each(first + i, &similarities[i * rows.rows..(i + 1) * rows.rows])).collect::<Vec<_>>()
    });
    by_piece.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// The `count` nearest rows and all tied with the last of them, nearest first; `own` is left out.
fn nearest(similarities: &[f32], count: usize, own: Option<usize>) -> Vec<(f32, usize)> {
    let others = || similarities.iter().copied().enumerate().filter(|(row, _)| Some(*row) != own);
    let mut values = similarities.to_vec();
    own.iter().filter(|own| **own < similarities.len()).for_each(|own| {
        values.swap_remove(*own);
    });
    let mut last = f32::NEG_INFINITY;
    if count < values.len() {
        last = *values.select_nth_unstable_by(count - 1, |left, right| right.total_cmp(left)).1;
    }
    let mut all: Vec<(f32, usize)> =
        others().filter(|(_, similarity)| *similarity >= last).map(|(row, similarity)| (similarity, row)).collect();
    all.sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    all
}

/// Logits of one row from its nearest rows.
fn vote(nearest: &[(f32, usize)], labels: &[u32], count: usize, weighting: Weighting, classes: usize) -> Vec<f32> {
    let nothing = 1.0 / classes as f64;
    let mut votes = vec![nothing; classes];
    let first = nearest.first().map_or(0.0, |pair| f64::from(pair.0));
    let last = nearest.get(count.min(nearest.len()) - 1).map_or(0.0, |pair| pair.0);
    let above = nearest.iter().filter(|(similarity, _)| *similarity > last).count();
    let tied = nearest.iter().filter(|(similarity, _)| *similarity == last).count();
    let share = count.saturating_sub(above) as f64 / tied.max(1) as f64;
    for &(similarity, row) in nearest.iter().take_while(|(similarity, _)| *similarity >= last) {
        let weight = match weighting {
            Weighting::Uniform => 1.0,
            Weighting::Similarity => ((f64::from(similarity) - first) / SIMILARITY_TEMPERATURE).exp(),
        };
        votes[labels[row] as usize] += weight * if similarity > last { 1.0 } else { share.min(1.0) };
    }
    // Most classes have no vote; their logarithm is taken once.
    let without = nothing.ln() as f32;
    votes.iter().map(|&vote| if vote == nothing { without } else { vote.ln() as f32 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_votes_that_are_left() {
        let nearest = nearest(&[0.5, 0.9, 0.5, 0.1, 0.5], 2, None);
        assert_eq!(nearest, [(0.9, 1), (0.5, 0), (0.5, 2), (0.5, 4)]);
        let logits = vote(&nearest, &[0, 1, 1, 1, 0], 2, Weighting::Uniform, 2);
        assert!((logits[0].exp() - (0.5 + 2.0 / 3.0)).abs() < 1e-6);
        assert!((logits[1].exp() - (0.5 + 1.0 + 1.0 / 3.0)).abs() < 1e-6);
    }

    #[test]
    fn a_row_never_votes_for_itself() {
        let rows = Matrix { rows: 3, columns: 2, values: vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0] };
        let held_out = leave_one_out(&rows, &[0, 1, 0], &[(1, Weighting::Uniform)], 2);
        let chosen: Vec<bool> = held_out[0].chunks(2).map(|row| row[1] > row[0]).collect();
        assert_eq!(chosen, [true, false, true]);
    }
}
