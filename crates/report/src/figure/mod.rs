//! Figures as SVG text. Colours are fixed names of the page's palette: the page's style sheet maps them to its light and dark
//! themes by attribute, so a figure needs no script and follows the theme.

mod accuracy_cost;
mod curves;
mod frontier;
mod grouped_bars;
mod heat_map;
mod labelled_map;
mod layer_shares;
mod learning_curve;
mod reliability;
mod roofline;
mod scatter;
mod training_curves;

pub use accuracy_cost::{CostPoint, accuracy_cost};
pub use curves::{Curve, curves};
pub use frontier::{FrontierPoint, frontier};
pub use grouped_bars::{BarGroup, Interval, grouped_bars};
pub use heat_map::heat_map;
pub use labelled_map::{MapSide, labelled_map};
pub use layer_shares::{LayerBar, layer_shares};
pub use learning_curve::{CurvePoint, learning_curve};
pub use reliability::{Bin, reliability};
pub use roofline::{Roof, Work, roofline};
pub use scatter::{ScatterPoint, scatter};
pub use training_curves::{Side, training_curves};

use plotters::prelude::{IntoFont, RGBColor, TextStyle};

/// Width and height of a figure's view box, in its own units; a page scales it to its column.
pub(crate) const SIZE: (u32, u32) = (460, 290);
/// Axes and text.
pub(crate) const INK: RGBColor = RGBColor(0x1b, 0x1c, 0x20);
/// Grid lines and the line of perfect calibration.
pub(crate) const GRID: RGBColor = RGBColor(0xd8, 0xd9, 0xe0);
/// Data.
pub(crate) const ACCENT: RGBColor = RGBColor(0x2b, 0x66, 0xd9);
/// Data that is only there for comparison.
pub(crate) const SOFT: RGBColor = RGBColor(0x8a, 0x8d, 0x99);
/// A second kind of data beside the first.
pub(crate) const SECOND: RGBColor = RGBColor(0xcc, 0x52, 0x23);

/// Text of the axes.
pub(crate) fn text() -> TextStyle<'static> {
    ("sans-serif", 14).into_font().color(&INK)
}
