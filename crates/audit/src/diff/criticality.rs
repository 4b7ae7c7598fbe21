//! How critical a module of a trained network is: how far it has to go from where it began towards where training ended, in units of the
//! noise that it then tolerates (Chatterji, Neyshabur, Sedghi, ICLR 2020, arXiv 1912.00528; `spec/what-is-transferred.md` section 9.2).
//!
//! ```text
//! at = (1 - a) start + a end,  u ~ N(0, s^2 I)        mu = min over a, s of ||at - start||^2 / s^2   where E error(at + u) <= limit
//! ```
//!
//! The way is the straight line, or goes through what the module was during training: then a is the share of checkpoints that were passed.
//! Zero where the module may be put back whole; nothing where no point of the grid keeps the error below the limit.

use serde::{Deserialize, Serialize};

/// Where to look.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalityGrid {
    /// Shares of the way, rising from 0 to 1.
    pub shares: Vec<f64>,
    /// Distance from the start at each of them.
    pub lengths: Vec<f64>,
    /// Standard deviations of the noise, rising.
    pub sigmas: Vec<f64>,
    /// Draws of the noise at every point.
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

/// The measure over a grid. `error` tells the error at a share and a noise, each by its place, for a draw; every place is asked for
/// once at most, and the same draw has to be the same noise everywhere, scaled. Along the noise it is taken for granted that more of it is
/// no better: a share is given up where the least noise that would lower the measure is too much.
///
/// # Errors
/// Those of `error`.
pub fn criticality<E>(
    limit: f64,
    grid: &CriticalityGrid,
    mut error: impl FnMut(usize, usize, usize) -> Result<f64, E>,
) -> Result<Criticality, E> {
    let mut best =
        Criticality { value: None, share: None, sigma: None, error: None, standard_error: None, looked_at: 0 };
    for (at, (share, length)) in grid.shares.iter().zip(&grid.lengths).enumerate() {
        let measure = |sigma: f64| length * length / (sigma * sigma);
        let better = |value: f64, best: &Criticality| best.value.is_none_or(|least| value < least);
        // Noise below this place cannot lower the measure.
        let first = grid.sigmas.partition_point(|sigma| !better(measure(*sigma), &best));
        let (mut known, mut too_much) = (None, grid.sigmas.len());
        let mut next = first;
        while next < too_much {
            let (mean, spread) = mean_error(at, next, grid.draws, &mut error)?;
            best.looked_at += 1;
            if mean <= limit {
                known = Some((next, mean, spread));
            } else if known.is_none() {
                break;
            } else {
                too_much = next;
            }
            // Where all may be put back, any noise will do.
            if *length == 0.0 {
                break;
            }
            let (low, _, _) = known.unwrap_or((next, mean, spread));
            next = low + (too_much - low).div_ceil(2);
        }
        if let Some((place, mean, spread)) = known {
            let sigma = grid.sigmas[place];
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
    Ok(best)
}

/// Mean over draws with its standard error.
fn mean_error<E>(
    share: usize,
    sigma: usize,
    draws: usize,
    error: &mut impl FnMut(usize, usize, usize) -> Result<f64, E>,
) -> Result<(f64, Option<f64>), E> {
    let values = (0..draws.max(1)).map(|draw| error(share, sigma, draw)).collect::<Result<Vec<f64>, E>>()?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Ok((mean, (values.len() > 1).then(|| (squares / (count * (count - 1.0))).sqrt())))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
        let spread = mean_error(0, 0, 3, &mut |share, sigma, draw| always(share, sigma, draw)).unwrap();
        assert_eq!(spread, (2.0, Some((1.0_f64 / 3.0).sqrt())));
    }
}
