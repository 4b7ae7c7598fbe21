//! A fence of wire in diamonds.

use super::grain;

/// Diamonds across the picture.
const DIAMONDS: f64 = 5.0;
/// Thickness of a wire, as a share of a diamond's side.
const WIRE: f64 = 0.16;

/// Galvanised wire, lighter in its middle; nothing between the wires.
pub(super) fn pixel(place: [f64; 2]) -> [u8; 4] {
    let [down, across] = place.map(|value| value * DIAMONDS);
    let (falling, rising) = (ridge(down + across), ridge(down - across));
    let height = falling.max(rising);
    if height <= 0.0 {
        return [0; 4];
    }
    // Where two wires cross, the upper one changes from crossing to crossing.
    let light = 70.0 + 150.0 * height.sqrt() + 20.0 * (grain(place) - 0.5);
    let grey = light.clamp(0.0, 255.0) as u8;
    [grey, grey, grey.saturating_add(6), 255]
}

/// How high a wire along whole numbers stands, 1 in its middle, 0 and less beside it.
fn ridge(value: f64) -> f64 {
    let from_middle = (value - value.round()).abs() / (WIRE / 2.0);
    1.0 - from_middle * from_middle
}
