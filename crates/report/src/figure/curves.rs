//! Named curves over one axis.

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, LineSeries, PathElement, RGBColor,
    SVGBackend, Text,
};
use plotters::style::Color;

use super::{ACCENT, GRID, INK, SECOND, SIZE, SOFT, text};

type Failure = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// Colours of the curves, in their order.
const COLOURS: [RGBColor; 4] = [ACCENT, SECOND, SOFT, INK];
/// Where names stand in the legend above the curves: two in a row.
const NAMES: [i32; 2] = [70, 260];
const ROW: i32 = 18;
/// Room above and below the curves, as a share of their height, and the height of curves that have none.
const ROOM: f64 = 0.06;
const LEAST: f64 = 1e-3;

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Up to four curves; `shares` writes the upward axis in per cent. `None` without curves, for more, or where one has no two points or a value
/// that is no number.
#[must_use]
pub fn curves(curves: &[Curve], across: &str, upward: &str, shares: bool) -> Option<String> {
    let finite = |curve: &Curve| curve.points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
    let drawable = |curve: &Curve| curve.points.len() > 1 && finite(curve);
    if !(1..=COLOURS.len()).contains(&curves.len()) || !curves.iter().all(drawable) {
        return None;
    }
    let mut svg = String::new();
    draw(curves, across, upward, shares, &mut svg).ok()?;
    Some(svg)
}

fn draw(curves: &[Curve], across: &str, upward: &str, shares: bool, svg: &mut String) -> Result<(), Failure> {
    let legend = ROW * curves.len().div_ceil(NAMES.len()) as i32;
    let root = SVGBackend::with_string(svg, (SIZE.0, SIZE.1 + legend as u32)).into_drawing_area();
    for (at, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let (x, y) = (NAMES[at % NAMES.len()], 12 + ROW * (at / NAMES.len()) as i32);
        root.draw(&PathElement::new([(x - 26, y), (x - 6, y)], colour.stroke_width(2)))?;
        root.draw(&Text::new(curve.name.as_str(), (x, y - 7), text()))?;
    }
    let range = |axis: fn(&(f64, f64)) -> f64| {
        let values = curves.iter().flat_map(|curve| curve.points.iter().map(axis));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((left, right), (low, high)) = (range(|point| point.0), range(|point| point.1));
    let room = ROOM * (high - low).max(LEAST);
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_top(10 + legend)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(left..right.max(left + LEAST), low - room..high + room)?;
    let upwards = |value: &f64| if shares { format!("{:.0} %", 100.0 * value) } else { short(*value) };
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(upward)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&upwards)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(11)
        .y_labels(6)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS) {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(curve.points.iter().map(|point| Circle::new(*point, 2, colour.filled())))?;
    }
    root.present()
}

/// A number on an axis.
fn short(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // No minus before a zero.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        Curve { name: name.into(), points: points.to_vec() }
    }

    #[test]
    fn every_curve_is_drawn_with_its_points_and_named() {
        let two = [curve("one & all", &[(0.0, 0.5), (1.0, 0.7), (2.0, 0.2)]), curve("two", &[(0.0, 0.1), (2.0, 0.3)])];
        let svg = curves(&two, "share of the way", "accuracy", true).unwrap();
        assert!(svg.contains("one &amp; all") && svg.contains("share of the way") && svg.contains(" %"));
        assert_eq!(svg.matches("<circle").count(), 5, "{svg}");
        let lines =
            |colour: &str| svg.lines().filter(|line| line.contains("polyline") && line.contains(colour)).count();
        assert_eq!((lines("#2B66D9"), lines("#CC5223")), (2, 2), "a line and its key in the legend: {svg}");
        assert!(!curves(&two, "", "", false).unwrap().contains(" %"));
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        assert_eq!(curves(&[], "", "", true), None);
        assert_eq!(curves(&[curve("short", &[(0.0, 1.0)])], "", "", true), None);
        assert_eq!(curves(&[curve("broken", &[(0.0, 1.0), (1.0, f64::NAN)])], "", "", true), None);
        let flat = curve("flat", &[(0.0, 1.0), (1.0, 1.0)]);
        assert!(curves(std::slice::from_ref(&flat), "", "", true).is_some());
        assert_eq!(curves(&vec![flat; 5], "", "", true), None);
        assert_eq!((short(-0.001), short(0.5), short(3.0)), ("0".into(), "0.5".into(), "3".into()));
    }
}
