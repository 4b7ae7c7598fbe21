//! A tennis ball.

use super::grain;

/// Radius, as a share of the picture's side.
const RADIUS: f64 = 0.33;
/// Half the width of the seam, as a share of the radius.
const SEAM: f64 = 0.055;

/// Felt of a greenish yellow, lit from the upper left, with a white seam; nothing beside it.
pub(super) fn pixel(place: [f64; 2]) -> [u8; 4] {
    let [down, across] = place.map(|value| (value - 0.5) / RADIUS);
    let from_middle = down.hypot(across);
    if from_middle > 1.0 {
        return [0; 4];
    }
    let up = (1.0 - from_middle * from_middle).sqrt();
    let light = (0.45 + 0.55 * (0.75 * up - 0.45 * down - 0.35 * across).max(0.0)) + 0.22 * (grain(place) - 0.5);
    let felt = if on_seam(down, across) { [245.0, 245.0, 235.0] } else { [212.0, 232.0, 62.0] };
    let [red, green, blue] = felt.map(|value: f64| (value * light).clamp(0.0, 255.0) as u8);
    [red, green, blue, 255]
}

/// The two arcs in which a seam shows from the side.
fn on_seam(down: f64, across: f64) -> bool {
    let arc = |middle: [f64; 2]| {
        let from_middle = (down - middle[0]).hypot(across - middle[1]);
        (from_middle - 0.95).abs() < SEAM
    };
    arc([-0.95, -0.75]) || arc([0.95, 0.75])
}
