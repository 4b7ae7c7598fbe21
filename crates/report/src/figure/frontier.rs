//! Accuracy against cost for many ways at once: two kinds of points, and the line of those that nothing equals at less cost.

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

use super::accuracy_cost::CostPoint;
use super::{ACCENT, GRID, INK, SECOND, SOFT, text};

/// Width and height of the view box.
const SIZE: (u32, u32) = (640, 400);
/// Width of a letter and height of a line of the names, about.
const LETTER: (i32, i32) = (7, 14);

/// A way to get to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierPoint {
    /// Name, cost, accuracy.
    pub point: CostPoint,
    /// Of the second kind.
    pub second: bool,
    /// On the line of those that no other equals at less cost.
    pub on_frontier: bool,
}

/// Points over a logarithmic axis of costs, which `cost` names with its unit. `None` without points or with one that has no place.
#[must_use]
pub fn frontier(points: &[FrontierPoint], cost: &str) -> Option<String> {
    let placed = |point: &FrontierPoint| {
        let CostPoint { cost, accuracy, .. } = &point.point;
        *cost > 0.0 && cost.is_finite() && accuracy.value.is_finite()
    };
    if points.is_empty() || !points.iter().all(placed) {
        return None;
    }
    let mut svg = String::new();
    draw(points, cost, &mut svg).ok()?;
    Some(svg)
}

fn draw(
    points: &[FrontierPoint],
    cost: &str,
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let costs = || points.iter().map(|point| point.point.cost);
    let (least, most) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
    let room = (most / least).max(10.0).powf(0.12);
    let lows = points.iter().map(|point| point.point.accuracy.low);
    let highs = points.iter().map(|point| point.point.accuracy.high);
    let (low, high) = (lows.fold(1.0, f64::min), highs.fold(0.0, f64::max));
    let margin = (high - low).max(0.05) * 0.15;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((least / room..most * room).log_scale(), (low - margin).max(0.0)..high + margin)?;
    chart
        .configure_mesh()
        .x_desc(cost)
        .y_desc("accuracy")
        .x_label_formatter(&|_| String::new())
        .y_label_formatter(&|value| format!("{:.0} %", 100.0 * value))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(6)
        .y_labels(6)
        .draw()?;
    let mut best: Vec<(f64, f64)> = points
        .iter()
        .filter(|point| point.on_frontier)
        .map(|point| (point.point.cost, point.point.accuracy.value))
        .collect();
    best.sort_by(|a, b| a.0.total_cmp(&b.0));
    chart.draw_series(LineSeries::new(best, SOFT.stroke_width(1)))?;
    chart.draw_series(points.iter().map(|point| {
        let CostPoint { cost, accuracy, .. } = &point.point;
        PathElement::new([(*cost, accuracy.low), (*cost, accuracy.high)], INK.mix(0.6).stroke_width(1))
    }))?;
    chart.draw_series(points.iter().map(|point| {
        let at = (point.point.cost, point.point.accuracy.value);
        Circle::new(at, 5, colour(point).filled())
    }))?;
    let bottom = i32::try_from(SIZE.1).unwrap_or(0) - 50;
    for value in ticks(least / room, most * room) {
        let (x, _) = chart.backend_coord(&(value, low));
        let style = text().pos(Pos::new(HPos::Center, VPos::Top));
        root.draw(&PathElement::new([(x, bottom - 4), (x, bottom)], INK.stroke_width(1)))?;
        root.draw(&Text::new(amount(value), (x, bottom + 4), style))?;
    }
    let pixels: Vec<(i32, i32)> =
        points.iter().map(|point| chart.backend_coord(&(point.point.cost, point.point.accuracy.value))).collect();
    for (place, point) in names(points, &pixels).into_iter().zip(points) {
        let style = text().pos(Pos::new(HPos::Left, VPos::Top));
        root.draw(&Text::new(point.point.label.clone(), place, style))?;
    }
    root.present()
}

fn colour(point: &FrontierPoint) -> RGBColor {
    if point.second { SECOND } else { ACCENT }
}

/// Round values from `low` to `high`, four to nine of them: 1, 2 and 5 times powers of ten, powers alone over a wide range, even steps
/// over a narrow one.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let inside = |value: &f64| *value >= low && *value <= high;
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let decades: Vec<f64> = powers.clone().map(|power| 10_f64.powi(power)).filter(inside).collect();
    if decades.len() > 4 {
        return decades;
    }
    let thirds = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|first| first * 10_f64.powi(power)));
    let thirds: Vec<f64> = thirds.filter(inside).collect();
    if thirds.len() > 3 {
        return thirds;
    }
    let step = 10_f64.powf(((high - low) / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * step).into_iter().find(|step| (high - low) / step < 7.0);
    let step = step.unwrap_or(high - low);
    let first = (low / step).ceil() as i64;
    (first..=(high / step).floor() as i64).map(|count| count as f64 * step).collect()
}

/// `0.05`, `1.4`, `20`, `3e5`.
fn amount(value: f64) -> String {
    match value {
        value if value < 0.01 => format!("{value:.0e}"),
        value if value < 1e4 => {
            let rounded = format!("{value:.2}");
            rounded.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        value => format!("{value:.0e}"),
    }
}

/// Upper left corners of the names: beside each point where nothing is in the way, the upper points first.
fn names(points: &[FrontierPoint], pixels: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|at| pixels[*at].1);
    let mut taken: Vec<[i32; 4]> = pixels.iter().map(|(x, y)| [x - 6, y - 6, x + 6, y + 6]).collect();
    let mut places = vec![(0, 0); points.len()];
    for at in order {
        let (x, y) = pixels[at];
        let width = LETTER.0 * i32::try_from(points[at].point.label.chars().count()).unwrap_or(0);
        let height = LETTER.1;
        let steps = [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6];
        let beside = steps.into_iter().flat_map(|step| {
            let top = y - height / 2 + step * height;
            [(x + 9, top), (x - 9 - width, top)]
        });
        let [right, bottom] = [SIZE.0, SIZE.1].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
        let inside =
            |(left, top): &(i32, i32)| *left > 60 && left + width < right && *top > 2 && top + height < bottom - 50;
        let free = |place: &(i32, i32)| {
            let own = [place.0, place.1, place.0 + width, place.1 + height];
            inside(place) && !taken.iter().any(|other| overlap(&own, other))
        };
        places[at] = beside.clone().find(free).unwrap_or((x + 9, y - height / 2));
        taken.push([places[at].0, places[at].1, places[at].0 + width, places[at].1 + height]);
    }
    places
}

/// Whether two rectangles (left, top, right, bottom) share a pixel.
fn overlap(a: &[i32; 4], b: &[i32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::super::Interval;
    use super::*;

    fn point(label: &str, cost: f64, value: f64) -> FrontierPoint {
        let accuracy = Interval { value, low: value - 0.02, high: value + 0.02 };
        let point = CostPoint { label: label.into(), cost, accuracy };
        FrontierPoint { point, second: cost > 10.0, on_frontier: true }
    }

    #[test]
    fn every_point_is_drawn_with_its_name() {
        let svg = frontier(&[point("linear", 0.8, 0.8), point("full", 40.0, 0.9)], "TFLOP to adapt").unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(["linear", "full", "TFLOP to adapt"].iter().all(|part| svg.contains(part)), "{svg}");
        assert!(svg.contains("#2B66D9") && svg.contains("#CC5223"), "two kinds, two colours");
    }

    #[test]
    fn names_of_points_that_lie_together_do_not_cover_each_other() {
        let points: Vec<FrontierPoint> = (0..8).map(|at| point(&format!("method {at}"), 1.0, 0.9)).collect();
        let places = names(&points, &[(300, 200); 8]);
        for (at, a) in places.iter().enumerate() {
            for b in &places[at + 1..] {
                let rectangle = |place: &(i32, i32)| [place.0, place.1, place.0 + 56, place.1 + 14];
                assert!(!overlap(&rectangle(a), &rectangle(b)), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn any_range_has_a_few_round_ticks() {
        for (low, high) in [(1.1, 1.9), (0.5, 3.0), (0.2, 90.0), (1e-3, 1e6), (3.0, 3.2)] {
            let ticks = ticks(low, high);
            assert!((3..=10).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| (low..=high).contains(tick)));
        }
        assert_eq!((amount(0.05), amount(1.4), amount(20.0)), ("0.05".into(), "1.4".into(), "20".into()));
    }

    #[test]
    fn a_point_without_a_place_makes_no_figure() {
        assert_eq!(frontier(&[], "seconds"), None);
        assert_eq!(frontier(&[point("linear", 0.0, 0.8)], "seconds"), None);
    }
}
