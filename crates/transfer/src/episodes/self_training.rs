//! Self-training: answers to unlabelled rows taken for labels, the surest first.
//!
//! ```text
//! head on the labelled rows
//! round r of 5: the r fifths of the unlabelled rows with the surest answers, of each answer alike, join the labelled ones; a new head
//! ```
//!
//! As many rows of each answer join, so that a class that is answered too often does not take over. Each round begins from the labelled rows
//! alone: an answer that is no longer among the surest leaves again.

use super::EpisodeError;
use super::learner::logistic;
use crate::fit::most_probable;
use crate::heads::{Affine, Matrix, probabilities};

/// Rounds.
const ROUNDS: usize = 5;

/// The head after the last round.
pub(super) fn self_trained(
    support: &Matrix,
    labels: &[usize],
    unlabelled: &Matrix,
    ways: usize,
) -> Result<Affine, EpisodeError> {
    let mut rule = logistic(support.clone(), labels, ways)?;
    for round in 1..=ROUNDS {
        let said = probabilities(&rule.logits(unlabelled), ways, 1.0);
        let joined = surest(&said, ways, round);
        let mut rows = support.clone();
        let mut all = labels.to_vec();
        for (row, class) in joined {
            rows.values.extend_from_slice(unlabelled.row(row));
            rows.rows += 1;
            all.push(class);
        }
        rule = logistic(rows, &all, ways)?;
    }
    Ok(rule)
}

/// The surest answers, `round` fifths of the rows in all, as many of each answer as it has, up to the same number.
fn surest(said: &[f32], ways: usize, round: usize) -> Vec<(usize, usize)> {
    let mut of_class: Vec<Vec<(f32, usize)>> = vec![Vec::new(); ways];
    for (row, shares) in said.chunks(ways.max(1)).enumerate() {
        let class = most_probable(shares);
        of_class[class].push((shares[class], row));
    }
    let rows = said.len() / ways.max(1);
    let each = (rows * round).div_ceil(ROUNDS * ways.max(1));
    let mut joined = Vec::new();
    for (class, mut rows) in of_class.into_iter().enumerate() {
        rows.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        joined.extend(rows.into_iter().take(each).map(|(_, row)| (row, class)));
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_of_each_answer_join_first() {
        let said = [0.9, 0.1, 0.6, 0.4, 0.8, 0.2, 0.3, 0.7, 0.55, 0.45];
        // Five rows, two classes: one of each in the first two rounds, then two, then three.
        assert_eq!(surest(&said, 2, 1), [(0, 0), (3, 1)]);
        assert_eq!(surest(&said, 2, 3), [(0, 0), (2, 0), (3, 1)]);
        assert_eq!(surest(&said, 2, 5), [(0, 0), (2, 0), (1, 0), (3, 1)]);
    }
}
