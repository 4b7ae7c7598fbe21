//! What varies from image to image and tells nothing about the class.

/// How much each nuisance varies. Colours, hues and the waves of the background are always drawn afresh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nuisances {
    /// Position: how much of the room around the object is used, 0 (always in the middle) to 1.
    pub position: f32,
    /// Size: range of the object's radius, as a share of the image's side.
    pub size: [f32; 2],
    /// Turn: the outline is turned by at most this angle either way, in radians.
    pub turn: f32,
    /// Grain: range of the texture's period, as a share of the image's side.
    pub grain: [f32; 2],
    /// Light: largest change of brightness from the middle to an edge, as a share.
    pub light: f32,
    /// Clutter: most blots scattered over the background.
    pub clutter: usize,
    /// Occlusion: most strips of the background's colours that cross the object.
    pub strips: usize,
    /// Noise: range of the standard deviation of the noise on each value, as a share of the full range.
    pub noise: [f32; 2],
}

impl Default for Nuisances {
    /// Little: a clean object before a quiet background.
    fn default() -> Self {
        Self {
            position: 1.0,
            size: [0.24, 0.38],
            turn: 0.4,
            grain: [0.08, 0.13],
            light: 0.15,
            clutter: 0,
            strips: 0,
            noise: [0.005, 0.035],
        }
    }
}

impl Nuisances {
    /// Much: so much that a few images of a class do not show what matters.
    #[must_use]
    pub fn strong() -> Self {
        Self {
            position: 1.0,
            size: [0.24, 0.42],
            turn: 0.7,
            grain: [0.13, 0.22],
            light: 0.3,
            clutter: 4,
            strips: 1,
            noise: [0.01, 0.06],
        }
    }
}
