//! Accuracy after every epoch of several runs, side beside side: do they learn alike?

use plotters::prelude::{
    ChartBuilder, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, LineSeries, PathElement, RGBColor, SVGBackend,
    SeriesLabelPosition,
};
use plotters::style::{Color, WHITE};

use super::{ACCENT, GRID, INK, SECOND, SIZE, text};

type Failure = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// Runs of one kind, which differ in their seed alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// What the legend calls them.
    pub name: String,
    /// Accuracy after each epoch, 0 to 1, of each run.
    pub runs: Vec<Vec<f64>>,
}

impl Side {
    /// Mean over runs after each epoch that all of them have reached.
    fn mean(&self) -> Vec<f64> {
        let epochs = self.runs.iter().map(Vec::len).min().unwrap_or(0);
        let at = |epoch: usize| self.runs.iter().map(|run| run[epoch]).sum::<f64>() / self.runs.len() as f64;
        (0..epochs).map(at).collect()
    }
}

/// Each run as a thin line, the mean of each side as a thick one; `what` says which accuracy it is. `None` without sides, for more than two, or where a side has no
/// two epochs or a value that is no number.
#[must_use]
pub fn training_curves(sides: &[Side], what: &str) -> Option<String> {
    let drawable = |side: &Side| side.mean().len() > 1 && side.runs.iter().flatten().all(|value| value.is_finite());
    if !(1..=2).contains(&sides.len()) || !sides.iter().all(drawable) {
        return None;
    }
    let mut svg = String::new();
    draw(sides, what, &mut svg).ok()?;
    Some(svg)
}

fn draw(sides: &[Side], what: &str, svg: &mut String) -> Result<(), Failure> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let values = || sides.iter().flat_map(|side| side.runs.iter().flatten().copied());
    let (lowest, highest) = (values().fold(1.0, f64::min), values().fold(0.0, f64::max));
    let (floor, ceiling) = ((lowest * 10.0).floor() / 10.0, ((highest * 10.0).floor() + 1.0) / 10.0);
    let epochs = sides.iter().flat_map(|side| &side.runs).map(Vec::len).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(1.0..epochs as f64, floor..ceiling.min(1.0))?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(what)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| format!("{:.0} %", 100.0 * value))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .label_style(text())
        .x_labels(epochs.min(12))
        .y_labels(6)
        .draw()?;
    for (side, colour) in sides.iter().zip([ACCENT, SECOND]) {
        for run in &side.runs {
            chart.draw_series(LineSeries::new(points(run), colour.mix(0.45).stroke_width(1)))?;
        }
        let mean = LineSeries::new(points(&side.mean()), colour.stroke_width(3));
        chart.draw_series(mean)?.label(&side.name).legend(move |at| key(at, colour));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::LowerRight).background_style(WHITE.mix(0.0)).label_font(text()).draw()?;
    root.present()
}

/// Epochs are counted from 1.
fn points(run: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    run.iter().enumerate().map(|(epoch, &value)| (epoch as f64 + 1.0, value))
}

/// The line before a name in the legend.
fn key((x, y): (i32, i32), colour: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, runs: &[&[f64]]) -> Side {
        Side { name: name.into(), runs: runs.iter().map(|run| run.to_vec()).collect() }
    }

    #[test]
    fn every_run_and_every_mean_is_drawn() {
        let sides =
            [side("one & all", &[&[0.3, 0.5, 0.6], &[0.2, 0.5, 0.7]]), side("two", &[&[0.3, 0.4, 0.65], &[0.1, 0.6]])];
        assert_eq!(sides[1].mean(), [0.2, 0.5]);
        let svg = training_curves(&sides, "test accuracy").unwrap();
        let lines = |width: usize| svg.matches(&format!("stroke-width=\"{width}\"")).count();
        assert_eq!(lines(3), 4, "two means, and their keys in the legend: {svg}");
        for (colour, runs) in [("#2B66D9", 2), ("#CC5223", 2)] {
            let thin = |line: &&str| line.contains("polyline") && line.contains(colour) && line.contains("0.45");
            assert_eq!(svg.lines().filter(thin).count(), runs, "{colour}: {svg}");
        }
        assert!(svg.contains("one &amp; all") && svg.contains("two"));
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        assert_eq!(training_curves(&[], ""), None);
        assert_eq!(training_curves(&[side("short", &[&[0.5]])], ""), None);
        assert_eq!(training_curves(&[side("empty", &[])], ""), None);
        assert_eq!(training_curves(&[side("broken", &[&[0.5, f64::NAN]])], ""), None);
    }
}
