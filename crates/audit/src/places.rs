//! Where hiding a part of the image breaks answers: a patch of the image's own pixels in disorder at every place of a grid. A model
//! that looks at its object suffers most where objects are; one that reads a mark in a corner suffers there.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use crate::{AuditError, Difference, Fill, Halves, Level, Patch, Shape, Subject, paired_difference};

/// Side of the patch, as a share of the image's shorter side.
pub const SIDE: f64 = 0.25;

/// The grid of places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceMeasures {
    /// Places down and across.
    pub grid: usize,
    /// Attack success rate at each place, by row; undefined without a right answer.
    pub success: Vec<Share>,
    /// Mean of the four corners less the mean of all other places, on the same images.
    pub corners: Option<Difference>,
    /// Mean of all places at an edge less the mean of the others.
    pub edges: Option<Difference>,
    /// What the two intervals are adjusted for.
    pub level: Level,
}

/// Hides every place of the grid on the screening images.
///
/// # Errors
/// A model that cannot answer, or the flag to stop.
pub fn places(subject: &Subject<'_>, grid: usize, halves: &Halves) -> Result<PlaceMeasures, AuditError> {
    let mut broken = Vec::with_capacity(grid * grid);
    for place in 0..grid * grid {
        let share = |step: usize| step as f64 / grid.saturating_sub(1).max(1) as f64;
        let shape = Shape::Tile { side: SIDE, at: [share(place / grid), share(place % grid)] };
        let patch = Patch { shape, fill: Fill::OwnPixels { draw: place as u64 } };
        broken.push(subject.broken(&halves.screening, &subject.patched(&halves.screening, &patch)?));
    }
    let level = Level::of(2);
    let against = |inside: &dyn Fn(usize, usize) -> bool| {
        let (first, second): (Vec<usize>, Vec<usize>) =
            (0..grid * grid).partition(|place| inside(place / grid, place % grid));
        paired_difference(&differences(&broken, &first, &second), level, subject.seed)
    };
    let last = grid.saturating_sub(1);
    let at_end = |step: usize| step == 0 || step == last;
    Ok(PlaceMeasures {
        grid,
        success: broken.iter().map(|one| share_of(one)).collect(),
        corners: against(&|row, column| at_end(row) && at_end(column)),
        edges: against(&|row, column| at_end(row) || at_end(column)),
        level,
    })
}

fn share_of(broken: &[f64]) -> Share {
    Share::of(broken.iter().filter(|one| **one > 0.0).count(), broken.len())
}

/// For each image the mean over some places less that over others.
fn differences(broken: &[Vec<f64>], first: &[usize], second: &[usize]) -> Vec<f64> {
    let images = broken.first().map_or(0, Vec::len);
    let mean = |places: &[usize], image: usize| {
        places.iter().map(|place| broken[*place][image]).sum::<f64>() / places.len().max(1) as f64
    };
    (0..images).map(|image| mean(first, image) - mean(second, image)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_of_means_over_places() {
        let broken = [vec![1.0, 0.0], vec![1.0, 1.0], vec![0.0, 0.0], vec![0.0, 1.0]];
        assert_eq!(differences(&broken, &[0, 1], &[2, 3]), [1.0, 0.0]);
        assert_eq!(differences(&[], &[], &[]), Vec::<f64>::new());
    }
}
