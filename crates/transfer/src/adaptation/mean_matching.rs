//! Kernel mean matching (Huang, Smola, Gretton, Borgwardt, Schölkopf 2007, Correcting sample selection bias by unlabeled data, section 3.3;
//! `spec/regularisers-and-adaptation.md` section C2): weights of the source rows under which their mean in a kernel's space is that of
//! the target.
//!
//! ```text
//! minimise  b^T K b / 2 - k^T b     over 0 <= b_i <= B and |sum b_i - n_s| <= n_s e
//! K_ij = k(s_i, s_j),   k_i = n_s / n_t sum over target rows of k(s_i, t_j),   e = (sqrt(n_s) - 1) / sqrt(n_s)
//! ```
//!
//! Solved by accelerated projected gradients (Beck, Teboulle 2009) that begin anew where the objective rises (O'Donoghue, Candès 2015). How far the value is from the least one at
//! most is known exactly: a linear function over these bounds is made least by filling rows in the order of their slopes.

use heirloom_matrix::{Mat, MatRef, largest_eigenvalue, product};
use serde::{Deserialize, Serialize};

use super::AdaptationError;

/// Settings of kernel mean matching.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanMatching {
    /// `B`, the most that one row may weigh.
    pub bound: f64,
    /// `e`, how far the mean weight may be from 1; as in the paper unless given.
    pub slack: Option<f64>,
    /// The search ends where the objective is this close to the least one, as a share of its size.
    pub tolerance: f64,
    /// Steps at most.
    pub steps: usize,
}

impl Default for MeanMatching {
    /// `B` 1000 and the slack of the paper; to a millionth, in 5000 steps at most.
    fn default() -> Self {
        Self { bound: 1000.0, slack: None, tolerance: 1e-6, steps: 5000 }
    }
}

/// Weights of the source rows.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedWeights {
    /// One for each source row; their mean is near 1.
    pub weights: Vec<f64>,
    /// The objective at these weights.
    pub objective: f64,
    /// How far the objective is from the least one, at most.
    pub gap: f64,
    /// Steps that were made.
    pub steps: usize,
}

impl MatchedWeights {
    /// How many rows of equal weight would tell as much: `(sum b)^2 / sum b^2` (Kish 1965). Few of many rows: hardly any source row
    /// looks like the target.
    #[must_use]
    pub fn effective_rows(&self) -> f64 {
        let square: f64 = self.weights.iter().map(|weight| weight * weight).sum();
        self.weights.iter().sum::<f64>().powi(2) / square.max(f64::MIN_POSITIVE)
    }
}

impl MeanMatching {
    /// Weights of the source rows from `within`, the kernel between them `[source rows, source rows]`, and `towards`, the sum of the
    /// kernel between each of them and all target rows, times source rows by target rows (`k` above).
    ///
    /// ```
    /// use heirloom_transfer::adaptation::MeanMatching;
    /// use heirloom_matrix::Mat;
    /// // Two rows that are alike, and a third; the target is where the third is.
    /// let within = Mat::from_fn(3, 3, |row, column| if (row < 2) == (column < 2) { 1.0 } else { 0.0 });
    /// let found = MeanMatching { slack: Some(0.0), ..MeanMatching::default() }.weights(within.as_ref(), &[0.0, 0.0, 3.0])?;
    /// assert!(found.weights[2] > 2.999 && found.effective_rows() < 1.01);
    /// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
    /// ```
    ///
    /// # Errors
    /// Matrices that do not fit together, a setting outside its range, bounds under which rows cannot weigh 1 on average.
    pub fn weights(&self, within: MatRef<'_, f64>, towards: &[f64]) -> Result<MatchedWeights, AdaptationError> {
        let rows = towards.len();
        if within.nrows() != rows || within.ncols() != rows {
            return Err(AdaptationError::Length {
                what: "the kernel between source rows",
                expected: rows * rows,
                found: within.nrows() * within.ncols(),
            });
        }
        let bounds = self.bounds(rows)?;
        // Rows without weight at first would have no slope to begin from where all kernels vanish; 1 is always allowed.
        let mut search = Search::begin(within, towards, bounds)?;
        while search.gap > self.tolerance * search.objective.abs().max(f64::MIN_POSITIVE) && search.steps < self.steps {
            search.step();
        }
        let Search { weights, objective, gap, steps, .. } = search;
        Ok(MatchedWeights { weights, objective, gap, steps })
    }

    fn bounds(&self, rows: usize) -> Result<Bounds, AdaptationError> {
        let refused =
            |setting, value: f64, range| AdaptationError::Setting { setting, value: value.to_string(), range };
        if self.bound.is_nan() || self.bound < 1.0 {
            return Err(refused("bound", self.bound, "at least 1 is needed, or the weights cannot have a mean of 1"));
        }
        if self.tolerance.is_nan() || self.tolerance <= 0.0 {
            return Err(refused("tolerance", self.tolerance, "a positive number is needed"));
        }
        let count = rows as f64;
        let slack = self.slack.unwrap_or((count.sqrt() - 1.0) / count.sqrt());
        if !(0.0..=1.0).contains(&slack) {
            return Err(refused("slack", slack, "0 to 1 is allowed"));
        }
        let most = (count * (1.0 + slack)).min(count * self.bound);
        Ok(Bounds { each: self.bound, sum: [count * (1.0 - slack), most] })
    }
}

/// Every weight from 0 to `each`, their sum within `sum`.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    each: f64,
    sum: [f64; 2],
}

impl Bounds {
    /// The nearest weights that are allowed: all lowered by one number, then cut off; the number by bisection.
    fn project(&self, weights: &[f64]) -> Vec<f64> {
        let lowered = |by: f64| weights.iter().map(move |weight| (weight - by).clamp(0.0, self.each));
        let free: f64 = lowered(0.0).sum();
        let wanted = free.clamp(self.sum[0], self.sum[1]);
        if wanted == free {
            return lowered(0.0).collect();
        }
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = weights.iter().copied().fold(f64::INFINITY, f64::min);
        let (mut low, mut high) = (smallest - self.each, largest);
        for _ in 0..100 {
            let middle = low.midpoint(high);
            if lowered(middle).sum::<f64>() > wanted { low = middle } else { high = middle }
        }
        lowered(low.midpoint(high)).collect()
    }

    /// The least value of `slope . b` over allowed `b`: rows are filled in the order of their slopes.
    fn least(&self, slope: &[f64]) -> f64 {
        let mut slope = slope.to_vec();
        slope.sort_unstable_by(f64::total_cmp);
        let (mut used, mut value) = (0.0, 0.0);
        for slope in slope {
            let room = if slope < 0.0 { self.sum[1] } else { self.sum[0] } - used;
            let take = room.clamp(0.0, self.each);
            used += take;
            value += take * slope;
        }
        value
    }
}

/// A search on its way.
struct Search<'a> {
    within: MatRef<'a, f64>,
    towards: &'a [f64],
    bounds: Bounds,
    /// The largest eigenvalue of the kernel: no step may be longer than one over it.
    curvature: f64,
    weights: Vec<f64>,
    /// Where the next slope is taken, and how far it runs ahead.
    ahead: Vec<f64>,
    momentum: f64,
    objective: f64,
    gap: f64,
    steps: usize,
}

impl<'a> Search<'a> {
    fn begin(within: MatRef<'a, f64>, towards: &'a [f64], bounds: Bounds) -> Result<Self, AdaptationError> {
        let rows = towards.len();
        let numerical = |_| AdaptationError::Numerical { routine: "the largest eigenvalue", rows, columns: rows };
        let curvature = largest_eigenvalue(within).map_err(numerical)?.max(f64::MIN_POSITIVE);
        let weights = bounds.project(&vec![1.0; rows]);
        let ahead = weights.clone();
        let mut search = Self {
            within,
            towards,
            bounds,
            curvature,
            weights,
            ahead,
            momentum: 1.0,
            objective: 0.0,
            gap: 0.0,
            steps: 0,
        };
        search.judge();
        Ok(search)
    }

    /// `K b - k`.
    fn slope(&self, at: &[f64]) -> Vec<f64> {
        let column = Mat::from_fn(at.len(), 1, |row, _| at[row]);
        let image = product(self.within, column.as_ref());
        self.towards.iter().enumerate().map(|(row, towards)| image[(row, 0)] - towards).collect()
    }

    /// Value and certified distance from the least value.
    fn judge(&mut self) {
        let slope = self.slope(&self.weights);
        let along = |other: &[f64]| self.weights.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let own = along(&slope);
        self.objective = (own - along(self.towards)) / 2.0;
        self.gap = (own - self.bounds.least(&slope)).max(0.0);
    }

    fn step(&mut self) {
        let slope = self.slope(&self.ahead);
        let moved: Vec<f64> = self.ahead.iter().zip(&slope).map(|(at, slope)| at - slope / self.curvature).collect();
        let found = self.bounds.project(&moved);
        let before = std::mem::replace(&mut self.weights, found);
        let (objective, momentum) = (self.objective, self.momentum);
        self.judge();
        self.momentum =
            if self.objective > objective { 1.0 } else { (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0 };
        let run = if self.momentum == 1.0 { 0.0 } else { (momentum - 1.0) / self.momentum };
        self.ahead = self.weights.iter().zip(&before).map(|(now, before)| now + run * (now - before)).collect();
        self.steps += 1;
    }
}

#[cfg(test)]
mod tests {
    use heirloom_training::random::generator;

    use super::*;

    fn gaussian(rows: &[f64], others: &[f64]) -> Mat<f64> {
        Mat::from_fn(rows.len(), others.len(), |row, other| (-(rows[row] - others[other]).powi(2)).exp())
    }

    fn towards(source: &[f64], target: &[f64]) -> Vec<f64> {
        let between = gaussian(source, target);
        let scale = source.len() as f64 / target.len() as f64;
        (0..source.len()).map(|row| scale * (0..target.len()).map(|other| between[(row, other)]).sum::<f64>()).collect()
    }

    /// Two rows can be solved by hand: with the sum held at 2 one number is left, at which the slope vanishes.
    #[test]
    fn two_rows_by_hand() {
        let within = Mat::from_fn(2, 2, |row, column| if row == column { 1.0 } else { 0.5 });
        let method = MeanMatching { slack: Some(0.0), tolerance: 1e-12, ..MeanMatching::default() };
        let found = method.weights(within.as_ref(), &[1.7, 1.4]).unwrap();
        // b = (1 + d, 1 - d): the objective is d^2 / 2 - 0.3 d + constant.
        assert!((found.weights[0] - 1.3).abs() < 1e-6 && (found.weights[1] - 0.7).abs() < 1e-6, "{found:?}");
        let bounded = MeanMatching { bound: 1.1, ..method }.weights(within.as_ref(), &[1.7, 1.4]).unwrap();
        assert!((bounded.weights[0] - 1.1).abs() < 1e-6 && (bounded.weights[1] - 0.9).abs() < 1e-6, "{bounded:?}");
    }

    /// Weights are allowed, no neighbour that is allowed is better, and the gap says so.
    #[test]
    fn nothing_allowed_is_better() {
        let mut random = generator(3, "mean matching", &[]);
        for slack in [None, Some(0.1)] {
            let source: Vec<f64> = (0..40).map(|_| 2.0 * random.normal()).collect();
            let target: Vec<f64> = (0..25).map(|_| 1.5 + 0.5 * random.normal()).collect();
            let (within, towards) = (gaussian(&source, &source), towards(&source, &target));
            let method = MeanMatching { slack, bound: 6.0, ..MeanMatching::default() };
            let found = method.weights(within.as_ref(), &towards).unwrap();
            let bounds = method.bounds(40).unwrap();
            let sum: f64 = found.weights.iter().sum();
            assert!(found.weights.iter().all(|weight| (0.0..=6.0).contains(weight)));
            assert!(sum >= bounds.sum[0] - 1e-6 && sum <= bounds.sum[1] + 1e-6, "{sum}");
            assert!(found.gap <= 1e-6 * found.objective.abs(), "{found:?}");
            let value = |weights: &[f64]| {
                let column = Mat::from_fn(40, 1, |row, _| weights[row]);
                let image = product(within.as_ref(), column.as_ref());
                (0..40).map(|row| weights[row] * (image[(row, 0)] / 2.0 - towards[row])).sum::<f64>()
            };
            assert!((value(&found.weights) - found.objective).abs() < 1e-9 * found.objective.abs());
            for _ in 0..200 {
                let other: Vec<f64> = found.weights.iter().map(|weight| weight + 0.3 * random.normal()).collect();
                assert!(value(&bounds.project(&other)) >= found.objective - found.gap - 1e-9);
            }
            let [near, far] = [1.5, -1.5].map(|place: f64| {
                let some = source.iter().zip(&found.weights).filter(|(at, _)| (*at - place).abs() < 0.8);
                let some: Vec<f64> = some.map(|(_, weight)| *weight).collect();
                some.iter().sum::<f64>() / some.len().max(1) as f64
            });
            assert!(near > 2.0 * far, "rows where the target is weigh more: {near} {far}");
        }
    }

    #[test]
    fn a_target_that_is_the_source_leaves_weights_at_one() {
        let source = [0.0, 0.4, 1.1, 3.0];
        let within = gaussian(&source, &source);
        let method = MeanMatching { tolerance: 1e-12, steps: 100_000, ..MeanMatching::default() };
        let found = method.weights(within.as_ref(), &towards(&source, &source)).unwrap();
        assert!(found.weights.iter().all(|weight| (weight - 1.0).abs() < 1e-4), "{found:?}");
        assert!((found.effective_rows() - 4.0).abs() < 1e-6);
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let within = gaussian(&[0.0, 1.0], &[0.0, 1.0]);
        let usual = MeanMatching::default();
        for (method, setting) in [
            (MeanMatching { bound: 0.5, ..usual }, "bound"),
            (MeanMatching { slack: Some(1.5), ..usual }, "slack"),
            (MeanMatching { tolerance: f64::NAN, ..usual }, "tolerance"),
        ] {
            let refused = method.weights(within.as_ref(), &[1.0, 1.0]).unwrap_err();
            assert!(
                matches!(refused, AdaptationError::Setting { setting: found, .. } if found == setting),
                "{refused}"
            );
        }
        assert!(matches!(usual.weights(within.as_ref(), &[1.0]), Err(AdaptationError::Length { .. })));
    }
}
