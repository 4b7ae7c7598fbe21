//! From scores to selected columns (`spec/head2toe.md` section 3): a total order, of which every fraction takes a prefix, so
//! that selections are nested.

use std::cmp::Ordering;

use super::group_lasso::Optimum;
use super::panel::Panel;
use super::scorer::Scorer;

/// Number of columns that a fraction keeps: `floor(fraction * columns)` in double precision, and one where that is 0.
///
/// ```
/// use heirloom_transfer::heads::kept_columns;
/// assert_eq!(kept_columns(0.2, 27816), 5563);
/// assert_eq!(kept_columns(0.29, 100), 28);
/// assert_eq!(kept_columns(0.0005, 1000), 1);
/// ```
#[must_use]
pub fn kept_columns(fraction: f64, columns: usize) -> usize {
    ((fraction * columns as f64).floor() as usize).clamp(1, columns.max(1))
}

/// Columns by the first key, ties by the next, the largest first, and at last by index; columns that never vary are left out. At
/// most `most` of them.
pub(super) fn rank(keys: &[Vec<f64>], varies: impl Fn(usize) -> bool, most: usize) -> Vec<usize> {
    let columns = (0..keys.first().map_or(0, Vec::len)).filter(|&column| varies(column)).collect();
    let order = |a: &usize, b: &usize| {
        let unequal = keys.iter().map(|key| key[*b].total_cmp(&key[*a])).find(|order| order.is_ne());
        unequal.unwrap_or(Ordering::Equal).then(a.cmp(b))
    };
    top(columns, most, order)
}

/// Columns in the order in which a group lasso holds them: nonzero rows by the size of their weights, then zero rows by how close they
/// are to entering (norm of their gradient at the optimum). Under [`Scorer::Layer`], whole taps by the size of theirs, each in that
/// order. Sizes are first pulled toward their tap's mean by the share that stands beside the scorer.
pub(super) fn rank_by_optimum(
    optimum: &Optimum,
    (scorer, shrink): (Scorer, f64),
    panel: &Panel<'_>,
    most: usize,
) -> Vec<usize> {
    let mut sizes = vec![0.0; panel.columns()];
    let classes = optimum.weights.len() / optimum.active.len().max(1);
    for ((column, _), row) in optimum.active.iter().zip(optimum.weights.chunks(classes.max(1))) {
        sizes[*column] = scorer.measure(row);
    }
    rank_by_sizes(sizes, vec![optimum.gradient_norms.clone()], (scorer, shrink), panel, most)
}

/// Columns by the size of their weights in a head on all of them, pulled toward their tap's mean by a share, then by `rest`.
pub(super) fn rank_by_sizes(
    sizes: Vec<f64>,
    rest: Vec<Vec<f64>>,
    (scorer, shrink): (Scorer, f64),
    panel: &Panel<'_>,
    most: usize,
) -> Vec<usize> {
    let sizes = panel.shrunk(sizes, shrink);
    let layer = (scorer == Scorer::Layer).then(|| panel.tap_sizes(&sizes));
    let keys: Vec<Vec<f64>> = layer.into_iter().chain([sizes]).chain(rest).collect();
    rank(&keys, |column| panel.varies(column), most)
}

/// The first `most` columns under `order`, sorted.
fn top(mut columns: Vec<usize>, most: usize, order: impl Fn(&usize, &usize) -> Ordering) -> Vec<usize> {
    if most == 0 {
        return vec![];
    }
    if most < columns.len() {
        columns.select_nth_unstable_by(most - 1, &order);
        columns.truncate(most);
    }
    columns.sort_unstable_by(&order);
    columns
}

#[cfg(test)]
mod tests {
    use super::super::group_lasso::row_norm;
    use super::super::penalty::shrink_rows;
    use super::*;

    /// T5 of `spec/head2toe.md`, and P4: norms and squared norms rank alike.
    #[test]
    fn norms_ranking_and_shrinkage_of_the_known_matrix() {
        let weights = [3.0, 4.0, 0.0, 0.0, 1.0, 2.0, -2.0, 0.0];
        let norms: Vec<f64> = weights.chunks(2).map(row_norm).collect();
        for (norm, expected) in norms.iter().zip([5.0, 0.0, 2.236_067_977_5, 2.0]) {
            assert!((norm - expected).abs() < 1e-9);
        }
        assert!((norms.iter().sum::<f64>() - 9.236_067_977_5).abs() < 1e-9);
        let squares: Vec<f64> = norms.iter().map(|norm| norm * norm).collect();
        assert_eq!(rank(std::slice::from_ref(&norms), |_| true, 4), [0, 2, 3, 1]);
        assert_eq!(rank(&[squares], |_| true, 4), [0, 2, 3, 1]);
        assert_eq!(rank(&[norms], |column| column != 2, 2), [0, 3]);
        let mut shrunk = weights.to_vec();
        shrink_rows(&mut shrunk, 2, 1.0);
        for (value, expected) in shrunk.iter().zip([2.4, 3.2, 0.0, 0.0, 0.552_786_404_5, 1.105_572_809, -1.0, 0.0]) {
            assert!((value - expected).abs() < 1e-9);
        }
    }

    /// T7 of `spec/head2toe.md`; where the floor is 0, one column is kept.
    #[test]
    fn fractions_keep_the_floor_in_double_precision() {
        for (fraction, columns, kept) in [(0.01, 27816, 278), (0.2, 27816, 5563), (0.29, 100, 28), (0.0005, 1000, 1)] {
            assert_eq!(kept_columns(fraction, columns), kept);
        }
    }

    #[test]
    fn ties_go_to_the_lower_index_and_prefixes_are_nested() {
        let scores = vec![1.0, 3.0, 1.0, 3.0, 0.0, 2.0];
        let all = rank(std::slice::from_ref(&scores), |_| true, 6);
        assert_eq!(all, [1, 3, 5, 0, 2, 4]);
        for most in 0..6 {
            assert_eq!(rank(std::slice::from_ref(&scores), |_| true, most), all[..most]);
        }
    }
}
