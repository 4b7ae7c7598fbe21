//! One image: an object before a background, under some light.

use std::f32::consts::{PI, TAU};

use super::draw::{Colour, Draw, mix, turned};
use super::{Kind, Nuisances};
use crate::Image;

/// Slow waves of two colours.
pub(super) struct Backdrop {
    colours: [Colour; 2],
    /// Wave vectors in radians a pixel, and phases.
    waves: [[f32; 3]; 3],
}

impl Backdrop {
    pub fn new(draw: &mut Draw, lightness: f32, side: f32) -> Self {
        let shift = draw.uniform(0.04, 0.16);
        let colours = [draw.colour(lightness - shift), draw.colour(lightness + shift)];
        let mut wave = || {
            let (turn, waves) = (draw.uniform(0.0, TAU), draw.uniform(0.5, 5.0));
            [turn.cos() * waves * TAU / side, turn.sin() * waves * TAU / side, draw.uniform(0.0, TAU)]
        };
        Self { colours, waves: [wave(), wave(), wave()] }
    }

    pub fn at(&self, x: f32, y: f32) -> Colour {
        let sum: f32 = self.waves.iter().map(|[across, down, phase]| (x * across + y * down + phase).sin()).sum();
        mix(self.colours[0], self.colours[1], 0.5 + sum / 6.0)
    }
}

/// A soft blot of one colour.
struct Blot {
    centre: [f32; 2],
    /// Half axes in pixels.
    axes: [f32; 2],
    turn: f32,
    colour: Colour,
}

impl Blot {
    fn new(draw: &mut Draw, lightness: f32, side: f32) -> Self {
        Self {
            centre: [draw.uniform(0.0, side), draw.uniform(0.0, side)],
            axes: [draw.uniform(0.03, 0.14) * side, draw.uniform(0.03, 0.14) * side],
            turn: draw.uniform(0.0, PI),
            colour: draw.colour(lightness),
        }
    }

    fn holds(&self, x: f32, y: f32) -> bool {
        let [across, down] = turned([x - self.centre[0], y - self.centre[1]], self.turn);
        (across / self.axes[0]).hypot(down / self.axes[1]) < 1.0
    }
}

/// A straight strip across the image through a place near the object.
struct Strip {
    through: [f32; 2],
    turn: f32,
    /// Half its breadth in pixels.
    breadth: f32,
    colour: Colour,
}

impl Strip {
    fn new(draw: &mut Draw, centre: [f32; 2], radius: f32, lightness: f32) -> Self {
        let mut near = |at: f32| at + radius * draw.uniform(-0.8, 0.8);
        let through = [near(centre[0]), near(centre[1])];
        let (turn, breadth) = (draw.uniform(0.0, PI), radius * draw.uniform(0.06, 0.16));
        Self { through, turn, breadth, colour: draw.colour(lightness) }
    }

    fn holds(&self, x: f32, y: f32) -> bool {
        turned([x - self.through[0], y - self.through[1]], self.turn)[1].abs() < self.breadth
    }
}

/// Everything drawn for one image but the noise.
pub(super) struct Scene {
    kind: Kind,
    centre: [f32; 2],
    /// Distance from the centre to the farthest point of the outline, in pixels.
    radius: f32,
    /// Turn of the outline and of the texture, in radians.
    turns: [f32; 2],
    /// Length of the texture's period in pixels, and its offset.
    period: f32,
    offset: [f32; 2],
    colours: [Colour; 2],
    backdrop: Backdrop,
    /// Slope of the light across the image.
    light: [f32; 2],
    noise: f32,
    blots: Vec<Blot>,
    strips: Vec<Strip>,
}

impl Scene {
    pub fn new(draw: &mut Draw, kind: Kind, nuisances: &Nuisances, side: usize) -> Self {
        let side = side as f32;
        let radius = draw.within(nuisances.size) * side;
        let room = nuisances.position * (side / 2.0 - 0.8 * radius);
        let centre = [side / 2.0 + draw.uniform(-room, room), side / 2.0 + draw.uniform(-room, room)];
        // The object is lighter or darker than what is behind it, by enough to be seen.
        let lighter = draw.uniform(0.0, 1.0) < 0.5;
        let (near, far) = (draw.uniform(0.6, 0.85), draw.uniform(0.15, 0.4));
        let (front, back) = if lighter { (near, far) } else { (far, near) };
        let contrast = if lighter { -0.45 } else { 0.45 };
        let mut scene = Self {
            kind,
            centre,
            radius,
            turns: [draw.uniform(-nuisances.turn, nuisances.turn), draw.uniform(0.0, PI)],
            period: draw.within(nuisances.grain) * side,
            offset: [draw.uniform(0.0, side), draw.uniform(0.0, side)],
            colours: [draw.colour(front), draw.colour(front + contrast)],
            backdrop: Backdrop::new(draw, back, side),
            light: [0.0; 2].map(|_: f32| draw.uniform(-nuisances.light, nuisances.light)),
            noise: draw.within(nuisances.noise),
            blots: Vec::new(),
            strips: Vec::new(),
        };
        // Drawn last and only where asked for, so that a quiet world stays as it is.
        if nuisances.clutter > 0 {
            let blots = draw.up_to(nuisances.clutter);
            scene.blots = (0..blots).map(|_| Blot::new(draw, back, side)).collect();
        }
        if nuisances.strips > 0 {
            let strips = draw.up_to(nuisances.strips);
            scene.strips = (0..strips).map(|_| Strip::new(draw, centre, radius, back)).collect();
        }
        scene
    }

    pub fn render(&self, draw: &mut Draw, side: usize) -> Image {
        const SAMPLES: usize = 3;
        let mut image = Image::default();
        let pixels = image.reshape(side, side);
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) = ((at % side) as f32, (at / side) as f32);
            let mut sum = [0.0; 3];
            for sample in 0..SAMPLES * SAMPLES {
                let step = |number: usize| (number as f32 + 0.5) / SAMPLES as f32;
                let colour = self.colour(x + step(sample % SAMPLES), y + step(sample / SAMPLES));
                sum = [0, 1, 2].map(|channel| sum[channel] + colour[channel]);
            }
            let place = [x / side as f32 - 0.5, y / side as f32 - 0.5];
            let light = 1.0 + 2.0 * (self.light[0] * place[0] + self.light[1] * place[1]);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let clean = light * sum[channel] / (SAMPLES * SAMPLES) as f32;
                *value = ((clean + self.noise * draw.normal()).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        image
    }

    fn colour(&self, x: f32, y: f32) -> Colour {
        if let Some(strip) = self.strips.iter().find(|strip| strip.holds(x, y)) {
            return strip.colour;
        }
        let place = turned([(x - self.centre[0]) / self.radius, (y - self.centre[1]) / self.radius], self.turns[0]);
        if !self.kind.shape.holds(place) {
            let blot = self.blots.iter().find(|blot| blot.holds(x, y));
            return blot.map_or_else(|| self.backdrop.at(x, y), |blot| blot.colour);
        }
        let at = turned([(x + self.offset[0]) / self.period, (y + self.offset[1]) / self.period], self.turns[1]);
        mix(self.colours[0], self.colours[1], self.kind.texture.second_colour(at, place))
    }
}
