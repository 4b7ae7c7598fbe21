//! Outlines of the object.

use std::f32::consts::{PI, TAU};

/// Outline of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A filled circle.
    Disc,
    /// A square.
    Square,
    /// An equilateral triangle.
    Triangle,
    /// A five-pointed star.
    Star,
    /// A circle with a hole.
    Ring,
    /// A plus sign.
    Cross,
    /// A moon: a circle less another.
    Crescent,
    /// A heart.
    Heart,
    /// Half a circle.
    Bowl,
    /// A narrow rectangle.
    Bar,
}

impl Shape {
    /// Whether a place lies inside the outline, whose farthest point is 1 from the centre.
    pub(super) fn holds(self, [x, y]: [f32; 2]) -> bool {
        let distance = x.hypot(y);
        match self {
            Shape::Disc => distance < 0.85,
            Shape::Square => x.abs().max(y.abs()) < 0.72,
            Shape::Triangle => [0.0, 1.0, 2.0].iter().all(|side| {
                let turn = side * TAU / 3.0 + PI / 2.0;
                x * turn.cos() + y * turn.sin() < 0.5
            }),
            Shape::Star => {
                // The straight edge from a point at distance 1 to a notch at distance 0.42, folded ten times.
                let turn = (y.atan2(x) + PI / 2.0).rem_euclid(TAU / 5.0);
                let turn = turn.min(TAU / 5.0 - turn);
                let notch = 0.42 * (PI / 5.0).sin();
                let across = 1.0 - 0.42 * (PI / 5.0).cos();
                distance * (turn.cos() * notch + turn.sin() * across) < notch
            }
            Shape::Ring => (0.45..0.9).contains(&distance),
            Shape::Cross => x.abs().min(y.abs()) < 0.28 && x.abs().max(y.abs()) < 0.92,
            Shape::Crescent => distance < 0.95 && (x - 0.45).hypot(y) > 0.72,
            Shape::Heart => {
                // Two circles over a corner that points down.
                let lobe = (x.abs() - 0.42).hypot(y + 0.28) < 0.46;
                lobe || (y > -0.1 && x.abs() + (y - 0.1).max(0.0) < 0.86 && y < 0.92 - x.abs())
            }
            Shape::Bowl => distance < 0.95 && y > -0.1,
            Shape::Bar => x.abs() < 0.92 && y.abs() < 0.36,
        }
    }
}
