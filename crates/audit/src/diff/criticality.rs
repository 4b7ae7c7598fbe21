//! How critical a module of a trained network is: how far it has to go from where it began towards where training ended, in units of the
//! noise that it then tolerates (Chatterji, Neyshabur, Sedghi, ICLR 2020, arXiv 1912.00528; `spec/what-is-transferred.md` section 9.2).
//!
//! ```text
//! at = (1 - a) start + a end,  u ~ N(0, s^2 I)        mu = min over a, s of ||at - start||^2 / s^2   where E error(at + u) <= limit
//! ```
//!
//! The way is the straight line, or goes through what the module was during training: then a is the share of checkpoints that were passed.
//! Zero where the module may be put back whole; nothing where no point of the grid keeps the error below the limit.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Draws at the border of what is tolerated, for each draw elsewhere.
pub const BORDER: usize = 4;

/// Where to look.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalityGrid {
    /// Shares of the way, rising from 0 to 1.
    pub shares: Vec<f64>,
    /// Distance from the start at each of them.
    pub lengths: Vec<f64>,
    /// Standard deviations of the noise, rising.
    pub sigmas: Vec<f64>,
    /// Draws of the noise at every point; [`BORDER`] times as many decide at the border.
    pub draws: usize,
}

/// The least critical point of a module's way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Criticality {
    /// The measure; none where the error stays above the limit everywhere.
    pub value: Option<f64>,
    /// Share of the way there.
    pub share: Option<f64>,
    /// Noise there.
    pub sigma: Option<f64>,
    /// Mean error there, over draws.
    pub error: Option<f64>,
    /// Standard error of that mean.
    pub standard_error: Option<f64>,
    /// Points that were looked at.
    pub looked_at: usize,
}

impl Criticality {
    /// What the module adds to the complexity in the bound of the generalisation error that the measure comes from, in nats:
    /// `k / 4 log(1 + mu / k)` for `k` parameters (`spec/what-is-transferred.md` section 9.2, recalled there; further terms do not depend
    /// on the module).
    #[must_use]
    pub fn complexity(&self, parameters: usize) -> Option<f64> {
        let k = parameters.max(1) as f64;
        self.value.map(|value| k / 4.0 * (value / k).ln_1p())
    }
}

/// The measure over a grid. `error` tells the error at a share and a noise, each by its place, for a draw; every draw of a place is asked
/// for once at most, and the same draw has to be the same noise everywhere, scaled. Along the noise it is taken for granted that more of it
/// is no better: a share is given up where the least noise that would lower the measure is too much. Which noise is the most that is
/// tolerated is found by halving with few draws, and settled by [`BORDER`] times as many.
///
/// # Errors
/// Those of `error`.
pub fn criticality<E>(
    limit: f64,
    grid: &CriticalityGrid,
    error: impl FnMut(usize, usize, usize) -> Result<f64, E>,
) -> Result<Criticality, E> {
    let mut looks = Looks { error, share: 0, seen: BTreeMap::new(), limit, looked_at: 0 };
    let mut best =
        Criticality { value: None, share: None, sigma: None, error: None, standard_error: None, looked_at: 0 };
    for (at, (share, length)) in grid.shares.iter().zip(&grid.lengths).enumerate() {
        let measure = |sigma: f64| length * length / (sigma * sigma);
        let better = |value: f64| best.value.is_none_or(|least| value < least);
        // Noise below this place cannot lower the measure; where all may be put back, any noise will do.
        let first = grid.sigmas.partition_point(|sigma| !better(measure(*sigma)));
        let end = if *length == 0.0 { grid.sigmas.len().min(first + 1) } else { grid.sigmas.len() };
        (looks.share, looks.seen) = (at, BTreeMap::new());
        if let Some(place) = looks.most_tolerated(first..end, grid.draws.max(1))? {
            let sigma = grid.sigmas[place];
            let (mean, spread) = looks.mean(place);
            best = Criticality {
                value: Some(measure(sigma)),
                share: Some(*share),
                sigma: Some(sigma),
                error: Some(mean),
                standard_error: spread,
                ..best
            };
        }
        // Nothing is less than nothing.
        if best.value == Some(0.0) {
            break;
        }
    }
    Ok(Criticality { looked_at: looks.looked_at, ..best })
}

/// Errors seen at a share, by the place of the noise.
struct Looks<F> {
    error: F,
    share: usize,
    seen: BTreeMap<usize, Vec<f64>>,
    limit: f64,
    looked_at: usize,
}

impl<E, F: FnMut(usize, usize, usize) -> Result<f64, E>> Looks<F> {
    /// The largest of some places of the noise that is tolerated.
    fn most_tolerated(&mut self, places: Range<usize>, draws: usize) -> Result<Option<usize>, E> {
        let Some(mut place) = self.halved(places.clone(), draws)? else { return Ok(None) };
        let all = BORDER * draws;
        if self.tolerated(place, all)? {
            while place + 1 < places.end && self.tolerated(place + 1, all)? {
                place += 1;
            }
            return Ok(Some(place));
        }
        while place > places.start {
            place -= 1;
            if self.tolerated(place, all)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The same by a few draws and halving.
    fn halved(&mut self, places: Range<usize>, draws: usize) -> Result<Option<usize>, E> {
        if places.is_empty() || !self.tolerated(places.start, draws)? {
            return Ok(None);
        }
        let (mut known, mut too_much) = (places.start, places.end);
        while known + 1 < too_much {
            let middle = known + (too_much - known) / 2;
            if self.tolerated(middle, draws)? {
                known = middle;
            } else {
                too_much = middle;
            }
        }
        Ok(Some(known))
    }

    /// Whether so many draws keep the mean error below the limit.
    fn tolerated(&mut self, place: usize, draws: usize) -> Result<bool, E> {
        let seen = self.seen.entry(place).or_default();
        self.looked_at += usize::from(seen.is_empty());
        for draw in seen.len()..draws {
            seen.push((self.error)(self.share, place, draw)?);
        }
        Ok(self.mean(place).0 <= self.limit)
    }

    /// Mean over draws with its standard error.
    fn mean(&self, place: usize) -> (f64, Option<f64>) {
        mean_error(self.seen.get(&place).map_or(&[], Vec::as_slice))
    }
}

fn mean_error(values: &[f64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (count * (count - 1.0))).sqrt()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use heirloom_training::random::generator;
    use proptest::prelude::*;

    use super::*;

    fn even(steps: usize) -> Vec<f64> {
        (0..=steps).map(|step| step as f64 / steps as f64).collect()
    }

    fn grid(steps: usize) -> CriticalityGrid {
        let sigmas = even(steps).into_iter().map(|sigma| sigma.max(1e-16)).collect();
        CriticalityGrid { shares: even(steps), lengths: even(steps), sigmas, draws: 1 }
    }

    /// The quadratic valley of T10: `(k/2) ((1 - a)^2 d^2 + p s^2)`.
    fn valley(k: f64, squared: f64, p: f64, limit: f64, grid: &CriticalityGrid) -> Criticality {
        let error = |share: usize, sigma: usize, _: usize| {
            let (share, sigma) = (grid.shares[share], grid.sigmas[sigma]);
            Ok::<f64, Infallible>(k / 2.0 * ((1.0 - share).powi(2) * squared + p * sigma * sigma))
        };
        let lengths = grid.shares.iter().map(|share| share * squared.sqrt()).collect();
        criticality(limit, &CriticalityGrid { lengths, ..grid.clone() }, error).unwrap()
    }

    #[test]
    fn vector_t10() {
        let coarse = valley(1.0, 4.0, 10.0, 0.5, &grid(10));
        assert!((coarse.value.unwrap() - 36.0).abs() < 1e-9, "{coarse:?}");
        assert!((coarse.share.unwrap() - 0.9).abs() < 1e-12 && (coarse.sigma.unwrap() - 0.3).abs() < 1e-12);
        let fine = valley(1.0, 4.0, 10.0, 0.5, &grid(4000));
        assert!((fine.value.unwrap() - 30.0).abs() < 0.05, "{fine:?}");
        // mu / p at e = 0.05, 0.25, 0.5, 0.9 is (1 - e) / e; e >= 1 gives 0.
        for (e, expected) in [(0.05, 19.0), (0.25, 3.0), (0.5, 1.0), (0.9, 0.111_111_1)] {
            let found = valley(1.0, 4.0, 10.0, e * 2.0, &grid(4000)).value.unwrap() / 10.0;
            assert!((found - expected).abs() < 0.01 * expected, "{e}: {found}");
        }
        assert_eq!(valley(1.0, 4.0, 10.0, 2.0001, &grid(10)).value, Some(0.0));
    }

    proptest! {
        /// P10: not rising with the limit, zero where the start is good enough, no higher on a finer grid.
        #[test]
        fn more_room_is_never_more_critical(k in 0.1..3.0_f64, squared in 0.1..9.0_f64, p in 1.0..50.0_f64, limit in 0.01..2.0_f64) {
            let infinite = |found: Criticality| found.value.unwrap_or(f64::INFINITY);
            let (tight, loose) = (valley(k, squared, p, limit, &grid(20)), valley(k, squared, p, 1.5 * limit, &grid(20)));
            prop_assert!(infinite(loose) <= infinite(tight));
            prop_assert!(infinite(valley(k, squared, p, limit, &grid(40))) <= infinite(tight));
            prop_assert_eq!(tight.value == Some(0.0), k / 2.0 * squared <= limit);
        }

        /// What is skipped could not have been the least: the same as looking everywhere, with fewer looks.
        #[test]
        fn skipping_finds_what_looking_everywhere_finds(k in 0.1..3.0_f64, squared in 0.1..9.0_f64, p in 1.0..50.0_f64, limit in 0.01..2.0_f64) {
            let grid = grid(15);
            let found = valley(k, squared, p, limit, &grid);
            let mut least = f64::INFINITY;
            for share in &grid.shares {
                for sigma in &grid.sigmas {
                    if k / 2.0 * ((1.0 - share).powi(2) * squared + p * sigma * sigma) <= limit {
                        least = least.min(share * share * squared / (sigma * sigma));
                    }
                }
            }
            let found_least = found.value.unwrap_or(f64::INFINITY);
            prop_assert!(found_least == least || (found_least - least).abs() < 1e-9 * least, "{found_least} {least}");
            prop_assert!(found.looked_at < 16 * 8);
        }
    }

    #[test]
    fn an_error_that_stays_too_large_has_no_measure() {
        let always = |_: usize, _: usize, draw: usize| Ok::<f64, Infallible>(1.0 + draw as f64);
        let found = criticality(0.5, &CriticalityGrid { draws: 3, ..grid(4) }, always).unwrap();
        assert_eq!((found.value, found.share, found.looked_at), (None, None, 5));
        assert_eq!(mean_error(&[1.0, 2.0, 3.0]), (2.0, Some((1.0_f64 / 3.0).sqrt())));
    }

    /// What few draws take for tolerated is taken back, and what they take for too much is let through, where more draws say so.
    #[test]
    fn the_border_is_settled_by_more_draws() {
        let grid =
            CriticalityGrid { shares: vec![1.0], lengths: vec![1.0], sigmas: vec![0.1, 0.2, 0.4, 0.8], draws: 1 };
        let of = |early: [f64; 4], late: [f64; 4]| {
            let error = |_: usize, sigma: usize, draw: usize| {
                Ok::<f64, Infallible>(if draw == 0 { early[sigma] } else { late[sigma] })
            };
            criticality(0.5, &grid, error).unwrap()
        };
        let taken_back = of([0.0, 0.4, 0.4, 1.0], [0.0, 0.1, 0.8, 1.0]);
        assert_eq!((taken_back.sigma, taken_back.looked_at), (Some(0.2), 4));
        let let_through = of([0.0, 0.4, 0.6, 1.0], [0.0, 0.1, 0.2, 1.0]);
        assert_eq!(let_through.sigma, Some(0.4));
        assert!((let_through.error.unwrap() - 0.3).abs() < 1e-12 && let_through.standard_error.is_some());
    }

    /// T10: the term of the bound at the optimum of the valley, and the constraint there by normal noise.
    #[test]
    fn vector_t10_bound_and_noise() {
        let at = Criticality {
            value: Some(0.75_f64.powi(2) * 4.0 / 0.075),
            share: Some(0.75),
            sigma: Some(0.075_f64.sqrt()),
            error: None,
            standard_error: None,
            looked_at: 1,
        };
        assert!((at.complexity(10).unwrap() - 3.465_735_902_8).abs() < 1e-9);
        assert_eq!(Criticality { value: None, ..at }.complexity(10), None);
        let mut random = generator(0, "valley", &[]);
        let draws = 200_000;
        let mut total = 0.0;
        for _ in 0..draws {
            // The first coordinate is the way: what is left of it is (1 - 0.75) 2.
            let noise: Vec<f64> = (0..10).map(|_| random.normal() * 0.075_f64.sqrt()).collect();
            let off = |(at, noise): (usize, &f64)| (noise - if at == 0 { 0.5 } else { 0.0 }).powi(2);
            total += 0.5 * noise.iter().enumerate().map(off).sum::<f64>();
        }
        // Five standard errors of the mean, whose variance is ((p s^4) / 2 + s^2 / 4) / draws.
        assert!((total / f64::from(draws) - 0.5).abs() < 5.0 * (0.046_9_f64 / f64::from(draws)).sqrt());
    }
}
