//! Whether two networks lie in one basin of the loss, and how wide it is (Neyshabur, Sedghi, Zhang 2020, definition 3.1;
//! `spec/what-is-transferred.md` section 8). `S` is the segment between the two, `mu` the mean loss on it. It is an (epsilon, delta)-basin where
//!
//! ```text
//! 1   E |l(w) - mu| <= epsilon                                w uniform on S
//! 2   E [l(f + v) - mu] >= 2 epsilon                          f the end of S seen from w1 through w2, v ~ N(0, delta^2 / n I)
//! 3   E [l(f + |v| (f - w1) / ||f - w1||) - mu] >= 2 epsilon  v ~ N(0, delta^2)
//! ```
//!
//! On a segment `f` is either end, each half of the time. Epsilon is what 1 gives; delta is doubled until 2 and 3 hold.

use heirloom_training::random::generator;
use serde::{Deserialize, Serialize};

/// Doublings of delta that are tried, the first of them at this share of the distance between the two networks.
const DOUBLINGS: i32 = 12;
const FIRST: f64 = 1.0 / 64.0;

/// Where a loss is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// On the line, 0 at the first network and 1 at the second; beyond them too.
    Line(f64),
    /// At an end, the second one or the first, with normal noise of this norm on all weights together, about.
    Noise {
        /// Whether it is the second.
        second: bool,
        /// Norm of the noise.
        delta: f64,
        /// Which draw of it; the same draw is the same noise, scaled.
        draw: usize,
    },
}

/// How much the loss rises at a distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// The distance.
    pub delta: f64,
    /// Mean rise with noise of that norm on an end; none where the network then computes no numbers.
    pub noise: Option<f64>,
    /// Mean rise beyond the ends.
    pub beyond: Option<f64>,
}

/// The basin of two networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basin {
    /// Mean loss between the two.
    pub loss: f64,
    /// How much the loss varies there, in nats.
    pub epsilon: f64,
    /// How far its edge is; none where no distance that was tried reaches it.
    pub delta: Option<f64>,
    /// Distance of the two networks.
    pub distance: f64,
    /// Draws behind every figure.
    pub draws: usize,
    /// Every distance that was tried.
    pub edges: Vec<Edge>,
}

/// Places that [`basin`] asks for, at most.
pub(super) const fn most_places(draws: usize) -> usize {
    draws * (1 + 2 * DOUBLINGS as usize)
}

/// The basin of two networks `distance` apart. `loss` is asked for at places and answers `None` where the network computes no numbers,
/// which is as high as a loss can be.
///
/// # Errors
/// Those of `loss`.
pub fn basin<E>(
    distance: f64,
    draws: usize,
    seed: u64,
    mut loss: impl FnMut(Place) -> Result<Option<f64>, E>,
) -> Result<Option<Basin>, E> {
    let draws = draws.max(1);
    let mut random = generator(seed, "basin", &[]);
    // One place in each of as many equal parts of the segment.
    let places: Vec<f64> = (0..draws).map(|part| (part as f64 + random.uniform()) / draws as f64).collect();
    let losses = places.iter().map(|share| loss(Place::Line(*share))).collect::<Result<Option<Vec<f64>>, E>>()?;
    let Some(losses) = losses else { return Ok(None) };
    let mean = losses.iter().sum::<f64>() / draws as f64;
    let epsilon = losses.iter().map(|loss| (loss - mean).abs()).sum::<f64>() / draws as f64;
    let steps: Vec<f64> = (0..draws).map(|_| random.normal().abs()).collect();
    let mut found = Basin { loss: mean, epsilon, delta: None, distance, draws, edges: Vec::new() };
    for doubling in 0..DOUBLINGS {
        let delta = distance * FIRST * 2.0_f64.powi(doubling);
        let noise = |draw: usize| Place::Noise { second: draw % 2 == 1, delta, draw };
        let beyond = |draw: usize| {
            let further = delta * steps[draw] / distance;
            Place::Line(if draw % 2 == 1 { 1.0 + further } else { -further })
        };
        let mut rise = |place: &dyn Fn(usize) -> Place| -> Result<Option<f64>, E> {
            let losses = (0..draws).map(|draw| loss(place(draw))).collect::<Result<Option<Vec<f64>>, E>>()?;
            Ok(losses.map(|losses| losses.iter().sum::<f64>() / draws as f64 - mean))
        };
        let edge = Edge { delta, noise: rise(&noise)?, beyond: rise(&beyond)? };
        found.edges.push(edge);
        let high = |rise: Option<f64>| rise.is_none_or(|rise| rise >= 2.0 * epsilon);
        if high(edge.noise) && high(edge.beyond) {
            found.delta = Some(delta);
            break;
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A bowl around the middle of the segment: `l = ((share - 1/2) distance)^2 / 2`, noise adds `delta^2 / 2`.
    fn bowl(place: Place) -> Result<Option<f64>, Infallible> {
        let at = |share: f64| (4.0 * (share - 0.5)).powi(2) / 2.0;
        Ok(Some(match place {
            Place::Line(share) => at(share),
            Place::Noise { second, delta, .. } => at(f64::from(u8::from(second))) + delta * delta / 2.0,
        }))
    }

    #[test]
    fn a_bowl_has_the_basin_that_can_be_computed() {
        let found = basin(4.0, 400, 1, bowl).unwrap().unwrap();
        // Of l = 8 (x - 1/2)^2, x uniform: mean 2/3, mean absolute deviation 8 / (9 sqrt 3).
        assert!((found.loss - 2.0 / 3.0).abs() < 2e-3, "{found:?}");
        assert!((found.epsilon - 8.0 / (9.0 * 3.0_f64.sqrt())).abs() < 2e-3, "{found:?}");
        // An end lies 4/3 above the mean, more than twice epsilon: the least distance is enough.
        assert_eq!(found.delta, Some(4.0 / 64.0));
    }

    #[test]
    fn a_plain_reaches_as_far_as_its_edge() {
        // Flat up to a distance of 3 beyond the ends, a wall there; on the flat the loss varies a little.
        let wall = |place: Place| -> Result<Option<f64>, Infallible> {
            let beyond = match place {
                Place::Line(share) => 4.0 * (share - share.clamp(0.0, 1.0)).abs(),
                Place::Noise { delta, .. } => delta,
            };
            let small = if let Place::Line(share) = place { 0.01 * share } else { 0.0 };
            Ok(Some(small + if beyond > 3.0 { 1.0 } else { 0.0 }))
        };
        let found = basin(4.0, 200, 1, wall).unwrap().unwrap();
        assert_eq!(found.delta, Some(4.0), "the first doubling beyond 3: {found:?}");
        assert!(found.edges.len() == 7 && found.edges[5].noise.unwrap() < 0.0, "{found:?}");
        assert_eq!(basin(4.0, 200, 1, wall).unwrap(), Some(found));
    }

    #[test]
    fn where_there_is_no_edge_none_is_named() {
        let flat = |place: Place| -> Result<Option<f64>, Infallible> {
            Ok(Some(if let Place::Line(share) = place { share.clamp(0.0, 1.0) } else { 0.5 }))
        };
        let found = basin(1.0, 9, 1, flat).unwrap().unwrap();
        assert_eq!((found.delta, found.edges.len()), (None, DOUBLINGS as usize));
        let broken = basin(1.0, 9, 1, |place| Ok::<_, Infallible>(matches!(place, Place::Noise { .. }).then_some(1.0)));
        assert_eq!(broken.unwrap(), None, "a segment without a loss");
    }
}
