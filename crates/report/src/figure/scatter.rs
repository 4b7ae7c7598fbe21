//! One quantity against another, each point with the intervals of both.

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, LineSeries, PathElement, SVGBackend,
    Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

use super::{ACCENT, GRID, INK, Interval, SECOND, SOFT, text};

/// Width and height of the view box.
const SIZE: (u32, u32) = (640, 420);
/// Width of a letter of the names, about.
const LETTER: i32 = 7;

/// Least length of an axis, in the unit of what it shows: shorter ones would blow up what is nothing.
const LEAST: f64 = 0.5;

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoint {
    /// Its name, written beside it; may be empty.
    pub label: String,
    /// Across, with its interval.
    pub x: Interval,
    /// Upwards, with its interval.
    pub y: Interval,
    /// Of the second kind.
    pub second: bool,
}

/// Points over two axes with a line through each zero that lies between them; `joined` draws a line from point to point of each kind.
/// `None` without points or with one that has no place.
#[must_use]
pub fn scatter(points: &[ScatterPoint], x_name: &str, y_name: &str, joined: bool) -> Option<String> {
    let placed = |interval: &Interval| [interval.value, interval.low, interval.high].iter().all(|end| end.is_finite());
    if points.is_empty() || !points.iter().all(|point| placed(&point.x) && placed(&point.y)) {
        return None;
    }
    let mut svg = String::new();
    draw(points, x_name, y_name, joined, &mut svg).ok()?;
    Some(svg)
}

/// Lowest and highest end of some intervals, zero in between, with room around them.
fn range(intervals: impl Iterator<Item = Interval> + Clone) -> (f64, f64) {
    let low = intervals.clone().map(|interval| interval.low).fold(0.0, f64::min);
    let high = intervals.map(|interval| interval.high).fold(0.0, f64::max);
    if high - low < LEAST {
        return (low - LEAST / 2.0, low + LEAST / 2.0);
    }
    let room = (high - low) * 0.06;
    (low - if low < 0.0 { room } else { 0.0 }, high + room)
}

fn draw(
    points: &[ScatterPoint],
    x_name: &str,
    y_name: &str,
    joined: bool,
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (left, right) = range(points.iter().map(|point| point.x));
    let (bottom, top) = range(points.iter().map(|point| point.y));
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(left..right, bottom..top)?;
    chart
        .configure_mesh()
        .x_desc(x_name)
        .y_desc(y_name)
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| number(*value))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(8)
        .y_labels(8)
        .draw()?;
    for line in [[(left, 0.0), (right, 0.0)], [(0.0, bottom), (0.0, top)]] {
        chart.draw_series(LineSeries::new(line, SOFT.stroke_width(1)))?;
    }
    for second in [false, true] {
        let kind: Vec<&ScatterPoint> = points.iter().filter(|point| point.second == second).collect();
        let colour: RGBColor = if second { SECOND } else { ACCENT };
        if joined {
            chart.draw_series(LineSeries::new(
                kind.iter().map(|one| (one.x.value, one.y.value)),
                colour.stroke_width(2),
            ))?;
        }
        for point in &kind {
            let (x, y) = (point.x, point.y);
            let across = PathElement::new([(x.low, y.value), (x.high, y.value)], colour.mix(0.35).stroke_width(1));
            let upwards = PathElement::new([(x.value, y.low), (x.value, y.high)], colour.mix(0.35).stroke_width(1));
            chart.draw_series([across, upwards])?;
        }
        chart.draw_series(kind.iter().map(|one| Circle::new((one.x.value, one.y.value), 4, colour.filled())))?;
    }
    let pixels: Vec<(i32, i32)> =
        points.iter().map(|point| chart.backend_coord(&(point.x.value, point.y.value))).collect();
    for (point, (place, side)) in points.iter().zip(names(points, &pixels)) {
        let style = text().pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(point.label.clone(), place, style))?;
    }
    root.present()
}

/// `12`, `0.5`, `-3`.
fn number(value: f64) -> String {
    let rounded = format!("{value:.2}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Where each name stands: right of its point, left of it, or pushed down where other names are in the way.
fn names(points: &[ScatterPoint], pixels: &[(i32, i32)]) -> Vec<((i32, i32), HPos)> {
    let mut taken: Vec<[i32; 4]> = pixels.iter().map(|(x, y)| [x - 5, y - 5, x + 5, y + 5]).collect();
    let width = i32::try_from(SIZE.0).unwrap_or(0);
    let mut place = |(point, &(x, y)): (&ScatterPoint, &(i32, i32))| {
        let length = LETTER * point.label.chars().count() as i32;
        let spots = [0, -12, 12, -24, 24, 36, -36].into_iter().flat_map(|down| {
            [
                ([x + 8, y + down - 7, x + 8 + length, y + down + 7], HPos::Left),
                ([x - 8 - length, y + down - 7, x - 8, y + down + 7], HPos::Right),
            ]
        });
        let inside = |spot: &[i32; 4]| spot[0] > 56 && spot[2] < width && spot[1] > 0;
        let free = |spot: &[i32; 4]| {
            taken
                .iter()
                .all(|other| spot[2] < other[0] || other[2] < spot[0] || spot[3] < other[1] || other[3] < spot[1])
        };
        let found = spots.into_iter().find(|(spot, _)| point.label.is_empty() || (inside(spot) && free(spot)));
        let (spot, side) = found.unwrap_or(([x + 8, y - 7, x + 8 + length, y + 7], HPos::Left));
        taken.push(spot);
        let at = if matches!(side, HPos::Left) { spot[0] } else { spot[2] };
        ((at, (spot[1] + spot[3]) / 2), side)
    };
    points.iter().zip(pixels).map(&mut place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(label: &str, x: f64, y: f64) -> ScatterPoint {
        let around = |value: f64| Interval { value, low: value - 1.0, high: value + 1.0 };
        ScatterPoint { label: label.into(), x: around(x), y: around(y), second: x > 5.0 }
    }

    #[test]
    fn every_point_is_drawn_with_its_name() {
        let svg = scatter(&[point("usps", 3.0, 4.0), point("pets", 30.0, -1.0)], "affinity", "gain", true).unwrap();
        assert!(["usps", "pets", "affinity", "gain"].iter().all(|name| svg.contains(name)));
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn what_is_nothing_is_not_blown_up() {
        let nothing = Interval { value: 0.0, low: 0.0, high: 0.0 };
        assert_eq!(range([nothing; 2].into_iter()), (-0.25, 0.25));
        let svg = scatter(&[ScatterPoint { y: nothing, ..point("a", 3.0, 0.0) }], "x", "y", false).unwrap();
        assert!(svg.lines().any(|line| line.trim() == "0.2"), "{svg}");
    }

    #[test]
    fn a_point_without_a_place_is_no_figure() {
        assert_eq!(scatter(&[], "x", "y", false), None);
        assert_eq!(scatter(&[point("a", f64::NAN, 1.0)], "x", "y", false), None);
    }

    #[test]
    fn names_of_points_at_one_place_do_not_cover_each_other() {
        let points = [point("first", 1.0, 1.0), point("second", 1.0, 1.0), point("third", 1.0, 1.0)];
        let places = names(&points, &[(200, 200), (200, 200), (200, 200)]);
        let mut heights: Vec<(i32, bool)> =
            places.iter().map(|((_, y), side)| (*y, matches!(side, HPos::Left))).collect();
        heights.sort_unstable();
        heights.dedup();
        assert_eq!(heights.len(), 3);
    }
}
