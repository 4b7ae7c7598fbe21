//! Where a selection of columns came from: one lying bar for each layer, the first layer on top, with a mark where blind choice would be.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::{ACCENT, GRID, INK, SECOND, SIZE, text};

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerBar {
    /// Name of the layer.
    pub label: String,
    /// Its share of the columns that were kept, 0 to 1.
    pub share: f64,
    /// Its least and largest share, where there are several selections.
    pub range: Option<(f64, f64)>,
    /// Its share of all columns: what a choice by chance would keep of it.
    pub blind: f64,
}

/// Height of a bar and the room it stands in, heights of the legend and of the axis below.
const BAR: i32 = 10;
const ROOM: i32 = 16;
const LEGEND: i32 = 30;
const AXIS: i32 = 46;
/// Characters of a name that are shown, and the width of one.
const NAME: usize = 22;
const CHARACTER: f64 = 7.4;
/// Room right of the bars for their values.
const VALUES: i32 = 56;

/// What stands where.
struct Layout {
    left: i32,
    right: i32,
    bottom: i32,
    /// Share at the right end.
    most: f64,
    /// Shares between two grid lines.
    step: f64,
}

/// Bars of `layers` in their order, with a legend and what is measured under the axis. `None` without a layer, or where a share is no
/// number from 0 to 1.
#[must_use]
pub fn layer_shares(layers: &[LayerBar], measured: &str) -> Option<String> {
    let ends = |layer: &LayerBar| {
        let (low, high) = layer.range.unwrap_or((layer.share, layer.share));
        [layer.share, layer.blind, low, high]
    };
    let shares: Vec<f64> = layers.iter().flat_map(ends).collect();
    if shares.is_empty() || !shares.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)) {
        return None;
    }
    let height = LEGEND + layers.len() as i32 * ROOM + AXIS;
    let longest = layers.iter().map(|layer| shown(&layer.label).chars().count()).max().unwrap_or(0);
    let (most, step) = scale(shares.into_iter().fold(0.0, f64::max));
    let left = (longest as f64 * CHARACTER).round() as i32 + 14;
    let layout = Layout { left, right: SIZE.0 as i32 - VALUES, bottom: height - AXIS, most, step };
    let mut svg = String::new();
    draw(layers, measured, height, &layout, &mut svg).ok()?;
    Some(svg)
}

/// A name as it fits: the end of a long one says more than its beginning.
fn shown(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME {
        return name.to_owned();
    }
    let end: String = name.chars().skip(count - (NAME - 1)).collect();
    format!("\u{2026}{end}")
}

/// Right end of the axis and distance of its lines, for the largest share.
fn scale(largest: f64) -> (f64, f64) {
    let steps = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
    let step = steps.into_iter().find(|step| largest <= 5.0 * step).unwrap_or(0.25);
    ((largest / step).ceil().max(1.0) * step, step)
}

impl Layout {
    /// Where a share stands across the figure.
    fn at(&self, share: f64) -> i32 {
        self.left + ((share / self.most).clamp(0.0, 1.0) * f64::from(self.right - self.left)).round() as i32
    }
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw<'a>(
    layers: &[LayerBar],
    measured: &str,
    height: i32,
    layout: &Layout,
    svg: &'a mut String,
) -> Result<(), Failed<'a>> {
    let root = SVGBackend::with_string(svg, (SIZE.0, height as u32)).into_drawing_area();
    axis(&root, layout, measured)?;
    key(&root, layout)?;
    for (number, layer) in layers.iter().enumerate() {
        line(&root, layout, LEGEND + number as i32 * ROOM + ROOM / 2, layer)?;
    }
    root.present()
}

fn placed(across: HPos, down: VPos) -> TextStyle<'static> {
    text().pos(Pos::new(across, down))
}

fn axis<'a>(root: &Area<'a>, layout: &Layout, measured: &str) -> Result<(), Failed<'a>> {
    let ticks = (layout.most / layout.step).round() as i32;
    for tick in 0..=ticks {
        let share = f64::from(tick) * layout.step;
        let across = layout.at(share);
        let colour = if tick == 0 { INK } else { GRID };
        root.draw(&PathElement::new(vec![(across, LEGEND), (across, layout.bottom)], colour.stroke_width(1)))?;
        let digits = usize::from(layout.step < 0.01);
        let label = format!("{:.digits$} %", 100.0 * share);
        root.draw(&Text::new(label, (across, layout.bottom + 5), placed(HPos::Center, VPos::Top)))?;
    }
    let middle = (layout.left + layout.right) / 2;
    let under = (middle, layout.bottom + AXIS - 4);
    root.draw(&Text::new(measured.to_owned(), under, placed(HPos::Center, VPos::Bottom)))
}

fn key<'a>(root: &Area<'a>, layout: &Layout) -> Result<(), Failed<'a>> {
    let left = layout.left;
    root.draw(&Rectangle::new([(left, 6), (left + 12, 18)], ACCENT.mix(0.75).filled()))?;
    root.draw(&Text::new("kept", (left + 17, 12), placed(HPos::Left, VPos::Center)))?;
    mark(root, left + 66, 12)?;
    root.draw(&Text::new("by chance", (left + 74, 12), placed(HPos::Left, VPos::Center)))
}

/// The mark of blind choice.
fn mark<'a>(root: &Area<'a>, across: i32, middle: i32) -> Result<(), Failed<'a>> {
    let half = ROOM / 2 - 1;
    root.draw(&PathElement::new(vec![(across, middle - half), (across, middle + half)], SECOND.stroke_width(2)))
}

fn line<'a>(root: &Area<'a>, layout: &Layout, middle: i32, layer: &LayerBar) -> Result<(), Failed<'a>> {
    root.draw(&Text::new(shown(&layer.label), (layout.left - 8, middle), placed(HPos::Right, VPos::Center)))?;
    let (top, bottom) = (middle - BAR / 2, middle + BAR / 2);
    let end = layout.at(layer.share);
    if end > layout.left {
        root.draw(&Rectangle::new([(layout.left, top), (end, bottom)], ACCENT.mix(0.75).filled()))?;
    }
    let (low, high) = layer.range.unwrap_or((layer.share, layer.share));
    if high > low {
        let ends = vec![(layout.at(low), middle), (layout.at(high), middle)];
        root.draw(&PathElement::new(ends, INK.stroke_width(1)))?;
    }
    mark(root, layout.at(layer.blind), middle)?;
    let value = match 100.0 * layer.share {
        share if share > 0.0 && share < 0.1 => "< 0.1 %".to_owned(),
        share => format!("{share:.1} %"),
    };
    let across = layout.at(high.max(layer.blind)) + 6;
    root.draw(&Text::new(value, (across, middle), placed(HPos::Left, VPos::Center)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, share: f64, blind: f64) -> LayerBar {
        LayerBar { label: label.into(), share, range: None, blind }
    }

    #[test]
    fn every_layer_is_named_and_has_its_bar_and_its_mark() {
        let svg = layer_shares(&[bar("stem", 0.0, 0.1), bar("blocks.3.mlp", 0.6, 0.5), bar("norm", 0.4, 0.4)], "share")
            .unwrap();
        for part in ["stem", "blocks.3.mlp", "norm", "60.0 %", "0.0 %", "by chance", "share"] {
            assert!(svg.contains(part), "{part} is missing");
        }
        // The frame of the legend's bar, and one for each layer that has any.
        assert_eq!(svg.matches("<rect").count(), 3);
        assert_eq!(svg.matches("stroke=\"#CC5223\"").count(), 4);
    }

    #[test]
    fn the_range_of_several_selections_is_drawn() {
        let plain = layer_shares(&[bar("a", 0.5, 0.5)], "share").unwrap();
        let ranged = layer_shares(&[LayerBar { range: Some((0.3, 0.5)), ..bar("a", 0.5, 0.5) }], "share").unwrap();
        assert_eq!(ranged.matches("<polyline").count(), plain.matches("<polyline").count() + 1);
    }

    #[test]
    fn the_axis_ends_at_a_round_share_above_the_largest() {
        for (largest, most, step) in [(0.03, 0.03, 0.01), (0.31, 0.4, 0.1), (0.92, 1.0, 0.2), (0.0, 0.002, 0.002)] {
            let found = scale(largest);
            assert!((found.0 - most).abs() < 1e-9 && (found.1 - step).abs() < 1e-9, "{largest}: {found:?}");
        }
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shown("layer3.2.conv1"), "layer3.2.conv1");
        assert_eq!(shown("features.denseblock4.denselayer16.conv2"), "\u{2026}k4.denselayer16.conv2");
        assert_eq!(shown(&"x".repeat(40)).chars().count(), NAME);
    }

    #[test]
    fn without_a_layer_or_with_a_share_that_is_none_there_is_no_figure() {
        assert_eq!(layer_shares(&[], "share"), None);
        assert_eq!(layer_shares(&[bar("a", f64::NAN, 0.5)], "share"), None);
        assert_eq!(layer_shares(&[bar("a", 1.5, 0.5)], "share"), None);
    }
}
