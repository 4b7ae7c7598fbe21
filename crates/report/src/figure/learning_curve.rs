//! Accuracy against the number of training images: would more of them help?

use plotters::prelude::{
    ChartBuilder, Circle, DrawingAreaErrorKind, IntoDrawingArea, LineSeries, PathElement, Polygon, SVGBackend,
};
use plotters::style::Color;

use super::{ACCENT, GRID, INK, SIZE, text};

/// Accuracy measured with so many training images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Training images.
    pub rows: usize,
    /// Accuracy, 0 to 1.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
}

/// The curve with its interval as a band; `rows` says what was trained on. `None` for fewer than two points, which draw no curve.
#[must_use]
pub fn learning_curve(points: &[CurvePoint], rows: &str) -> Option<String> {
    if points.len() < 2 || points.iter().any(|point| !point.value.is_finite()) {
        return None;
    }
    let mut svg = String::new();
    draw(points, rows, &mut svg).ok()?;
    Some(svg)
}

fn draw(
    points: &[CurvePoint],
    rows: &str,
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as plotters::prelude::DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let last = points.iter().map(|point| point.rows).max().unwrap_or(1) as f64;
    let lowest = points.iter().map(|point| point.low).fold(1.0, f64::min);
    let floor = (lowest * 10.0 - 0.5).floor().clamp(0.0, 9.0) / 10.0;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last * 1.05, floor..1.0)?;
    chart
        .configure_mesh()
        .x_desc(format!("training {rows}"))
        .y_desc("accuracy")
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| format!("{:.0} %", 100.0 * value))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(6)
        .y_labels(6)
        .draw()?;
    let upper = points.iter().map(|point| (point.rows as f64, point.high));
    let lower = points.iter().rev().map(|point| (point.rows as f64, point.low));
    chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), ACCENT.mix(0.18))])?;
    chart.draw_series(LineSeries::new(
        points.iter().map(|point| (point.rows as f64, point.value)),
        ACCENT.stroke_width(2),
    ))?;
    chart.draw_series(points.iter().map(|point| Circle::new((point.rows as f64, point.value), 4, ACCENT.filled())))?;
    chart.draw_series(points.iter().map(|point| {
        PathElement::new([(point.rows as f64, point.low), (point.rows as f64, point.high)], ACCENT.stroke_width(1))
    }))?;
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rows: usize, value: f64) -> CurvePoint {
        CurvePoint { rows, value, low: value - 0.05, high: value + 0.05 }
    }

    #[test]
    fn every_point_is_drawn() {
        let svg = learning_curve(&[point(100, 0.6), point(200, 0.7), point(400, 0.75)], "images").unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("training images"));
    }

    #[test]
    fn one_point_is_no_curve() {
        assert_eq!(learning_curve(&[point(100, 0.6)], "images"), None);
        assert_eq!(learning_curve(&[point(100, 0.6), point(200, f64::NAN)], "images"), None);
    }
}
