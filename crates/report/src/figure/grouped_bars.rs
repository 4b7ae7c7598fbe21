//! Shares in groups as lying bars with their intervals: what differs between the bars of a group stands in the legend.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, TextStyle};

use super::{ACCENT, GRID, INK, SECOND, SIZE, SOFT, text};

/// A share with its interval, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The share.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One group of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct BarGroup {
    /// What its bars have in common; stands left of them.
    pub label: String,
    /// Place in the legend and share of each bar; no share where it is undefined.
    pub bars: Vec<(usize, Option<Interval>)>,
}

/// Colours of the legend, in its order.
const COLOURS: [RGBColor; 3] = [SECOND, ACCENT, SOFT];
/// Height of a bar and the room it stands in, gap between groups, height of the legend and of the axis below.
const BAR: i32 = 12;
const ROOM: i32 = 18;
const GAP: i32 = 10;
const LEGEND: i32 = 30;
const AXIS: i32 = 46;
/// Where the bars begin and where 100 % is.
const LEFT: i32 = 84;
const RIGHT: i32 = 396;

/// Bars of `groups`, with a legend of at most three entries and what is measured written under the axis. `None` without a bar.
#[must_use]
pub fn grouped_bars(groups: &[BarGroup], legend: &[&str], measured: &str) -> Option<String> {
    let bars = groups.iter().map(|group| group.bars.len()).sum::<usize>();
    let known = |bar: &(usize, Option<Interval>)| bar.0 < legend.len().min(COLOURS.len());
    if bars == 0 || !groups.iter().flat_map(|group| &group.bars).all(known) {
        return None;
    }
    let height = LEGEND + bars as i32 * ROOM + groups.len() as i32 * GAP + AXIS;
    let mut svg = String::new();
    draw(groups, legend, measured, height, &mut svg).ok()?;
    Some(svg)
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw<'a>(
    groups: &[BarGroup],
    legend: &[&str],
    measured: &str,
    height: i32,
    svg: &'a mut String,
) -> Result<(), Failed<'a>> {
    let root = SVGBackend::with_string(svg, (SIZE.0, height as u32)).into_drawing_area();
    let bottom = height - AXIS;
    axis(&root, bottom, measured)?;
    key(&root, legend)?;
    let mut top = LEGEND;
    for group in groups {
        let middle = top + group.bars.len() as i32 * ROOM / 2;
        root.draw(&Text::new(group.label.clone(), (LEFT - 8, middle), placed(HPos::Right, VPos::Center)))?;
        for (number, (series, share)) in group.bars.iter().enumerate() {
            bar(&root, top + number as i32 * ROOM + ROOM / 2, COLOURS[*series], *share)?;
        }
        top += group.bars.len() as i32 * ROOM + GAP;
    }
    root.present()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn placed(across: HPos, down: VPos) -> TextStyle<'static> {
    text().pos(Pos::new(across, down))
}

/// Where a share stands across the figure.
fn at(share: f64) -> i32 {
    LEFT + (share.clamp(0.0, 1.0) * f64::from(RIGHT - LEFT)).round() as i32
}

fn axis<'a>(root: &Area<'a>, bottom: i32, measured: &str) -> Result<(), Failed<'a>> {
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let line = vec![(at(share), LEGEND), (at(share), bottom)];
        root.draw(&PathElement::new(line, if tick == 0 { INK } else { GRID }.stroke_width(1)))?;
        let label = format!("{:.0} %", 100.0 * share);
        root.draw(&Text::new(label, (at(share), bottom + 5), placed(HPos::Center, VPos::Top)))?;
    }
    let middle = (LEFT + RIGHT) / 2;
    root.draw(&Text::new(measured.to_owned(), (middle, bottom + AXIS - 4), placed(HPos::Center, VPos::Bottom)))
}

fn key<'a>(root: &Area<'a>, legend: &[&str]) -> Result<(), Failed<'a>> {
    let mut left = LEFT;
    for (name, colour) in legend.iter().zip(COLOURS) {
        root.draw(&Rectangle::new([(left, 6), (left + 12, 18)], colour.filled()))?;
        root.draw(&Text::new((*name).to_owned(), (left + 17, 12), placed(HPos::Left, VPos::Center)))?;
        left += 34 + 7 * name.chars().count() as i32;
    }
    Ok(())
}

/// One bar about the line `middle`, its interval, and its value.
fn bar<'a>(root: &Area<'a>, middle: i32, colour: RGBColor, share: Option<Interval>) -> Result<(), Failed<'a>> {
    let Some(share) = share.filter(|share| share.value.is_finite()) else {
        return root.draw(&Text::new("undefined", (LEFT + 6, middle), placed(HPos::Left, VPos::Center)));
    };
    let (top, bottom) = (middle - BAR / 2, middle + BAR / 2);
    root.draw(&Rectangle::new([(LEFT, top), (at(share.value), bottom)], colour.mix(0.75).filled()))?;
    root.draw(&PathElement::new(vec![(at(share.low), middle), (at(share.high), middle)], INK.stroke_width(1)))?;
    for end in [share.low, share.high] {
        root.draw(&PathElement::new(vec![(at(end), middle - 3), (at(end), middle + 3)], INK.stroke_width(1)))?;
    }
    let label = format!("{:.0} %", 100.0 * share.value);
    root.draw(&Text::new(label, (at(share.high) + 8, middle), placed(HPos::Left, VPos::Center)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(value: f64) -> Option<Interval> {
        Some(Interval { value, low: value - 0.05, high: (value + 0.05).min(1.0) })
    }

    fn group(bars: Vec<(usize, Option<Interval>)>) -> BarGroup {
        BarGroup { label: "linear".into(), bars }
    }

    #[test]
    fn every_bar_is_drawn_and_an_undefined_one_is_named() {
        let svg = |bars| grouped_bars(&[group(bars)], &["planted", "clean"], "share").unwrap();
        let (one, two) = (svg(vec![(0, share(0.5))]), svg(vec![(0, share(0.5)), (1, share(0.9))]));
        assert_eq!(two.matches("<rect").count(), one.matches("<rect").count() + 1);
        assert!(two.contains("linear") && two.contains("planted") && two.contains("90 %"), "{two}");
        assert!(svg(vec![(0, None)]).contains("undefined"));
    }

    #[test]
    fn bars_stand_at_their_shares() {
        assert_eq!([0.0, 0.5, 1.0, 2.0].map(at), [LEFT, (LEFT + RIGHT) / 2, RIGHT, RIGHT]);
    }

    #[test]
    fn without_a_bar_or_its_legend_there_is_no_figure() {
        assert_eq!(grouped_bars(&[], &["planted"], "share"), None);
        assert_eq!(grouped_bars(&[group(vec![(1, share(0.5))])], &["planted"], "share"), None);
    }
}
