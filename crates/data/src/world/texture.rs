//! What covers the object.

/// What covers the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Texture {
    /// One colour, shaded.
    Smooth,
    /// Parallel stripes of two colours.
    Stripes,
    /// A chequerboard of two colours.
    Checks,
    /// Dots on a ground.
    Dots,
    /// Zigzag lines.
    Zigzag,
}

impl Texture {
    /// How much of the second colour a place shows, 0 to 1: `at` in periods of the texture, `place` within the outline.
    pub(super) fn second_colour(self, [x, y]: [f32; 2], place: [f32; 2]) -> f32 {
        let half = |value: f32| value.rem_euclid(1.0) < 0.5;
        match self {
            Texture::Smooth => (0.18 * (place[0] - place[1]) + 0.12).clamp(0.0, 0.35),
            Texture::Stripes => f32::from(u8::from(half(x))),
            Texture::Checks => f32::from(u8::from(half(x / 1.4) == half(y / 1.4))),
            Texture::Dots => {
                let from_centre = |value: f32| value.rem_euclid(1.0) - 0.5;
                f32::from(u8::from(from_centre(x / 1.2).hypot(from_centre(y / 1.2)) < 0.31))
            }
            Texture::Zigzag => {
                let along = (y / 2.0).rem_euclid(1.0);
                f32::from(u8::from(half(x + 2.0 * (along - 0.5).abs())))
            }
        }
    }
}
