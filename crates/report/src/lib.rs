//! Tables, SVG figures and self-contained HTML.
//!
//! The crate knows text, numbers and pictures, nothing of networks: whoever has a record to show lays it out as a [`Page`]
//! of [`Block`]s (or prints a [`Table`]), and everything that ends in HTML is escaped here.
//!
//! ```
//! use heirloom_report::{Align, Block, Page, Section, Table};
//!
//! let mut table = Table::new(&[("class", Align::Left), ("rows", Align::Right)]);
//! table.push(["cats & dogs", "12"]);
//! assert_eq!(table.to_text(), "class        rows\ncats & dogs    12\n");
//!
//! let page = Page::new("Accuracy").with(Section::new("Classes").with(Block::Table(table)));
//! assert!(page.to_html().contains("cats &amp; dogs"));
//! ```

mod figure;
mod html;
mod number;
mod picture;
mod table;

pub use figure::{
    BarGroup, Bin, CostPoint, Curve, CurvePoint, FrontierPoint, Interval, LayerBar, MapSide, Roof, ScatterPoint, Side,
    Work, accuracy_cost, curves, frontier, grouped_bars, heat_map, labelled_map, layer_shares, learning_curve,
    reliability, roofline, scatter, training_curves,
};
pub use html::{Block, Card, Example, Matrix, Page, Section};
pub use number::{bytes, count, counted, duration, interval, percent};
pub use picture::{Picture, PictureError};
pub use table::{Align, Table};
