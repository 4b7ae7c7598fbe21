//! From scores to selected columns (`spec/head2toe.md` section 3): a total order, of which every fraction takes a prefix, so
//! that selections are nested.

use std::cmp::Ordering;

use super::group_lasso::Optimum;
use super::panel::Panel;

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

/// Columns by descending score, ties to the lower index; columns that never vary are left out.
pub(super) fn rank_by_score(scores: &[f64], varies: impl Fn(usize) -> bool, most: usize) -> Vec<usize> {
    let columns = (0..scores.len()).filter(|&column| varies(column)).collect();
    top(columns, most, |a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)))
}

/// Columns in the order in which a group lasso holds them: nonzero rows by their norm, then zero rows by how close they are to
/// entering (norm of their gradient at the optimum), then by index. At most `most` of them.
pub(super) fn rank_by_optimum(optimum: &Optimum, panel: &Panel<'_>, most: usize) -> Vec<usize> {
    let mut active = optimum.active.clone();
    active.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut ranking: Vec<usize> = active.iter().map(|(column, _)| *column).collect();
    let mut is_active = vec![false; panel.columns()];
    ranking.iter().for_each(|&column| is_active[column] = true);
    let rest = (0..panel.columns()).filter(|&column| !is_active[column] && panel.varies(column)).collect();
    let norms = &optimum.gradient_norms;
    ranking
        .extend(top(rest, most.saturating_sub(ranking.len()), |a, b| norms[*b].total_cmp(&norms[*a]).then(a.cmp(b))));
    ranking.truncate(most);
    ranking
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
    use super::super::group_lasso::{row_norm, shrink_rows};
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
        assert_eq!(rank_by_score(&norms, |_| true, 4), [0, 2, 3, 1]);
        assert_eq!(rank_by_score(&squares, |_| true, 4), [0, 2, 3, 1]);
        assert_eq!(rank_by_score(&norms, |column| column != 2, 2), [0, 3]);
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
        let scores = [1.0, 3.0, 1.0, 3.0, 0.0, 2.0];
        let all = rank_by_score(&scores, |_| true, 6);
        assert_eq!(all, [1, 3, 5, 0, 2, 4]);
        for most in 0..6 {
            assert_eq!(rank_by_score(&scores, |_| true, most), all[..most]);
        }
    }
}
