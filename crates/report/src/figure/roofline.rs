//! A roofline: work per second against work per byte moved, both logarithmic, under the roof that memory and arithmetic set
//! (Williams, Waterman and Patterson 2009).

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

use super::{ACCENT, GRID, INK, SECOND, text};

/// Width and height of the view box.
const SIZE: (u32, u32) = (640, 420);
/// Steps that are named: those that take longest.
const NAMED: usize = 6;
/// Where the first of their names stands.
const COLUMN: (i32, i32) = (420, 250);

/// A piece of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Its name.
    pub name: String,
    /// Operations per byte moved.
    pub intensity: f64,
    /// Operations per second.
    pub rate: f64,
    /// Share of all time, 0 to 1.
    pub share: f64,
}

/// Limits of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roof {
    /// Operations per second.
    pub arithmetic: f64,
    /// Bytes per second.
    pub memory: f64,
}

impl Roof {
    /// Operations per second that are possible at so many operations per byte.
    #[must_use]
    pub fn at(&self, intensity: f64) -> f64 {
        self.arithmetic.min(self.memory * intensity)
    }
}

/// Points under a roof; their areas are their shares of the time. `None` where nothing has a place.
#[must_use]
pub fn roofline(works: &[Work], roof: Roof) -> Option<String> {
    let placed = |work: &&Work| [work.intensity, work.rate].iter().all(|value| value.is_finite() && *value > 0.0);
    let works: Vec<&Work> = works.iter().filter(placed).collect();
    if works.is_empty() || !(roof.arithmetic > 0.0 && roof.memory > 0.0) {
        return None;
    }
    let mut svg = String::new();
    draw(&works, roof, &mut svg).ok()?;
    Some(svg)
}

fn draw(
    works: &[&Work],
    roof: Roof,
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let ridge = roof.arithmetic / roof.memory;
    let least = |value: fn(&Work) -> f64, first: f64| works.iter().map(|work| value(work)).fold(first, f64::min);
    let most = |value: fn(&Work) -> f64, first: f64| works.iter().map(|work| value(work)).fold(first, f64::max);
    let (left, right) = (least(|work| work.intensity, ridge) / 2.0, most(|work| work.intensity, ridge) * 3.0);
    let (bottom, top) = (least(|work| work.rate, roof.arithmetic) / 2.0, most(|work| work.rate, roof.arithmetic) * 2.0);
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d((left..right).log_scale(), (bottom / 1e9..top / 1e9).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations per byte moved")
        .y_desc("GFLOP/s")
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(6)
        .y_labels(6)
        .draw()?;
    let line = [left, ridge, right].map(|intensity| (intensity, roof.at(intensity) / 1e9));
    chart.draw_series(LineSeries::new(line, SECOND.stroke_width(2)))?;
    for work in works {
        let radius = (3.0 + 24.0 * work.share.clamp(0.0, 1.0).sqrt()).round() as i32;
        let colour: RGBColor = ACCENT;
        chart.draw_series([Circle::new((work.intensity, work.rate / 1e9), radius, colour.mix(0.45).filled())])?;
    }
    let mut longest = works.to_vec();
    longest.sort_by(|a, b| b.share.total_cmp(&a.share));
    // Steps crowd under the roof; the space below them is free for a column of names.
    for (at, work) in longest.into_iter().take(NAMED).enumerate() {
        let point = chart.backend_coord(&(work.intensity, work.rate / 1e9));
        let y = COLUMN.1 + 18 * at as i32;
        root.draw(&PathElement::new([point, (COLUMN.0 - 6, y)], GRID.stroke_width(1)))?;
        let style = text().pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(format!("{} {:.0} %", work.name, 100.0 * work.share), (COLUMN.0, y), style))?;
    }
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(intensity: f64, rate: f64) -> Work {
        Work { name: "layer1.0.conv1".into(), intensity, rate, share: 0.3 }
    }

    #[test]
    fn a_point_without_a_place_is_left_out() {
        let roof = Roof { arithmetic: 2e12, memory: 1e10 };
        let svg = roofline(&[work(100.0, 5e11), work(f64::NAN, 1.0), work(1.0, 0.0)], roof).unwrap();
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.contains("layer1.0.conv1") && svg.contains("GFLOP/s"));
        assert_eq!(roofline(&[work(0.0, 0.0)], roof), None);
        assert_eq!(roofline(&[work(1.0, 1e9)], Roof { memory: 0.0, ..roof }), None);
    }

    #[test]
    fn the_roof_has_a_ridge() {
        let roof = Roof { arithmetic: 2e12, memory: 1e10 };
        assert_eq!(roof.at(100.0), 1e12);
        assert_eq!(roof.at(1000.0), 2e12);
    }
}
