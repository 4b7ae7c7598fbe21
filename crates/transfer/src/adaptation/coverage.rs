//! How many target rows each class has to get.

use serde::{Deserialize, Serialize};

use super::AdaptationError;

/// Sums of proportions may miss 1 by this much.
const TOLERANCE: f64 = 1e-6;

/// What is known of the target's classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Nothing: every row goes to its nearest class, and classes may stay empty. Right where the target may lack classes.
    None,
    /// Every class has at least so many rows; EasyTL takes 1.
    AtLeast(usize),
    /// The share of each class, in class order. Counts are the shares of the rows, rounded so that they add up (largest remainder, the
    /// lower class first among equals).
    Proportions(Vec<f64>),
}

impl Coverage {
    /// Fewest rows of each class among `rows`.
    ///
    /// # Errors
    /// Proportions that are not one per class, negative, or do not add up to 1.
    pub fn minimum(&self, rows: usize, classes: usize) -> Result<Vec<usize>, AdaptationError> {
        match self {
            Self::None => Ok(vec![0; classes]),
            Self::AtLeast(count) => Ok(vec![*count; classes]),
            Self::Proportions(shares) => {
                check(shares, classes)?;
                Ok(largest_remainder(shares, rows))
            }
        }
    }
}

fn check(shares: &[f64], classes: usize) -> Result<(), AdaptationError> {
    let refuse = |reason: String| Err(AdaptationError::Proportions { reason });
    if shares.len() != classes {
        return refuse(format!("are {}; there are {classes} classes", shares.len()));
    }
    if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        return refuse(format!("hold {share}; each must lie between 0 and 1"));
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE { refuse(format!("add up to {sum}, not to 1")) } else { Ok(()) }
}

fn largest_remainder(shares: &[f64], rows: usize) -> Vec<usize> {
    let exact: Vec<f64> = shares.iter().map(|share| share * rows as f64).collect();
    // A share of 0.3 of 10 rows is 3 rows, whatever its binary form.
    let mut counts: Vec<usize> = exact.iter().map(|count| (count + TOLERANCE).floor() as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| (exact[b] - counts[b] as f64).total_cmp(&(exact[a] - counts[a] as f64)));
    let missing = rows.saturating_sub(counts.iter().sum());
    order.iter().cycle().take(missing).for_each(|&class| counts[class] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_to_the_rows() {
        let minimum = |shares: &[f64], rows| Coverage::Proportions(shares.to_vec()).minimum(rows, shares.len());
        assert_eq!(minimum(&[0.3, 0.7], 10), Ok(vec![3, 7]));
        assert_eq!(minimum(&[1.0 / 3.0; 3], 10), Ok(vec![4, 3, 3]));
        assert_eq!(minimum(&[0.05, 0.46, 0.49], 10), Ok(vec![0, 5, 5]));
        assert_eq!(Coverage::AtLeast(2).minimum(10, 3), Ok(vec![2; 3]));
        assert_eq!(Coverage::None.minimum(10, 3), Ok(vec![0; 3]));
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for shares in [&[0.5][..], &[0.5, 0.6], &[1.5, -0.5], &[f64::NAN, 1.0]] {
            assert!(matches!(
                Coverage::Proportions(shares.to_vec()).minimum(10, 2),
                Err(AdaptationError::Proportions { .. })
            ));
        }
    }
}
