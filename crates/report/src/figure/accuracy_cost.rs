//! Accuracy against what it cost: one point with its interval and its name for every way to get there.

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, IntoLogRange, PathElement, SVGBackend,
    Text,
};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{ACCENT, GRID, INK, Interval, SIZE, text};

/// One way to get to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct CostPoint {
    /// Its name.
    pub label: String,
    /// What it cost, above 0.
    pub cost: f64,
    /// Its accuracy.
    pub accuracy: Interval,
}

/// Points over a logarithmic axis of costs, which `cost` names with its unit. `None` without points or with one that has no place.
#[must_use]
pub fn accuracy_cost(points: &[CostPoint], cost: &str) -> Option<String> {
    let placed = |point: &CostPoint| point.cost > 0.0 && point.cost.is_finite() && point.accuracy.value.is_finite();
    if points.is_empty() || !points.iter().all(placed) {
        return None;
    }
    let mut svg = String::new();
    draw(points, cost, &mut svg).ok()?;
    Some(svg)
}

fn draw(
    points: &[CostPoint],
    cost: &str,
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let costs = || points.iter().map(|point| point.cost);
    // Room for half a name on either side.
    let (least, most) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
    let spread = (most / least).max(10.0).powf(0.25);
    let lowest = points.iter().map(|point| point.accuracy.low).fold(1.0, f64::min);
    let floor = (lowest * 10.0 - 0.5).floor().clamp(0.0, 8.0) / 10.0;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((least / spread..most * spread).log_scale(), floor..1.05)?;
    chart
        .configure_mesh()
        .x_desc(cost)
        .y_desc("accuracy")
        .x_label_formatter(&|value| if *value < 1.0 { format!("{value:.1}") } else { format!("{value:.0}") })
        .y_label_formatter(&|value| format!("{:.0} %", 100.0 * value))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(5)
        .y_labels(6)
        .draw()?;
    chart.draw_series(points.iter().map(|point| {
        let ends = [(point.cost, point.accuracy.low), (point.cost, point.accuracy.high)];
        PathElement::new(ends, INK.stroke_width(1))
    }))?;
    chart
        .draw_series(points.iter().map(|point| Circle::new((point.cost, point.accuracy.value), 5, ACCENT.filled())))?;
    let above = text().pos(Pos::new(HPos::Center, VPos::Bottom));
    let name = |point: &CostPoint| {
        let top = (point.cost, point.accuracy.high + 0.01);
        Text::new(point.label.clone(), top, above.clone())
    };
    chart.draw_series(points.iter().map(name))?;
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(label: &str, cost: f64, value: f64) -> CostPoint {
        CostPoint { label: label.into(), cost, accuracy: Interval { value, low: value - 0.05, high: value + 0.05 } }
    }

    #[test]
    fn every_point_is_drawn_with_its_name() {
        let svg = accuracy_cost(&[point("linear", 0.8, 0.8), point("scratch", 40.0, 0.3)], "seconds").unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(["linear", "scratch", "seconds", "accuracy"].iter().all(|part| svg.contains(part)), "{svg}");
    }

    #[test]
    fn a_point_without_a_place_makes_no_figure() {
        assert_eq!(accuracy_cost(&[], "seconds"), None);
        assert_eq!(accuracy_cost(&[point("linear", 0.0, 0.8)], "seconds"), None);
        assert_eq!(accuracy_cost(&[point("linear", 1.0, f64::NAN)], "seconds"), None);
    }
}
