//! The reliability diagram: how often a prediction of some confidence is right.

use plotters::prelude::{ChartBuilder, DrawingAreaErrorKind, IntoDrawingArea, LineSeries, Rectangle, SVGBackend};
use plotters::style::Color;

use super::{ACCENT, GRID, INK, SIZE, text};

/// Predictions whose confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end of the range of confidence, 0 to 1.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Share of its predictions that are right.
    pub accuracy: f64,
    /// Number of predictions; an empty bin is not drawn.
    pub rows: usize,
}

/// Bars of accuracy by confidence, with the diagonal on which stated confidence and accuracy agree. `None` without predictions.
#[must_use]
pub fn reliability(bins: &[Bin]) -> Option<String> {
    if bins.iter().all(|bin| bin.rows == 0) {
        return None;
    }
    let mut svg = String::new();
    draw(bins, &mut svg).ok()?;
    Some(svg)
}

fn draw(
    bins: &[Bin],
    svg: &mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as plotters::prelude::DrawingBackend>::ErrorType>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    let share = |value: &f64| format!("{:.0} %", 100.0 * value);
    chart
        .configure_mesh()
        .x_desc("stated confidence")
        .y_desc("share that is right")
        .x_label_formatter(&share)
        .y_label_formatter(&share)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(6)
        .y_labels(6)
        .draw()?;
    let filled = bins.iter().filter(|bin| bin.rows > 0 && bin.accuracy.is_finite());
    chart.draw_series(
        filled.map(|bin| Rectangle::new([(bin.low, 0.0), (bin.high, bin.accuracy)], ACCENT.mix(0.55).filled())),
    )?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1)))?;
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_bins_are_not_drawn() {
        let bin = |low: f64, rows| Bin { low, high: low + 0.1, accuracy: 0.5, rows };
        let empty = reliability(&[bin(0.5, 0)]);
        assert_eq!(empty, None);
        let one = reliability(&[bin(0.5, 3), bin(0.6, 0)]).unwrap();
        let two = reliability(&[bin(0.5, 3), bin(0.6, 2)]).unwrap();
        assert_eq!(two.matches("<rect").count(), one.matches("<rect").count() + 1);
    }
}
