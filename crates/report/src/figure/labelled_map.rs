//! A table of shares as shaded cells, each row and column with its name: every layer of one network against every layer of another.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, DrawingBackend, FontTransform, IntoDrawingArea, IntoFont, PathElement,
    Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::{ACCENT, GRID, INK, SOFT, text};

/// Width of the view box.
const WIDTH: i32 = 640;
/// Least height of a row with a name.
const NAMED: i32 = 12;
/// Most rows or columns whose cells carry numbers.
const NUMBERED: usize = 14;
/// Characters of a name that are shown, and the width of one.
const NAME: usize = 20;
const CHARACTER: f64 = 5.8;
/// Room for the titles of the two sides.
const TITLE: i32 = 22;

/// Names of the rows and of the columns, with what they are.
#[derive(Debug, Clone, PartialEq)]
pub struct MapSide {
    /// What the names are: `layers of the first`.
    pub title: String,
    /// The names.
    pub names: Vec<String>,
}

/// Cells of `values`, row by row and 0 to 1 (what lies outside is shaded as the nearer end), hatched where there is none. `None` without
/// cells or where their number is not rows times columns.
#[must_use]
pub fn labelled_map(rows: &MapSide, columns: &MapSide, values: &[Option<f64>]) -> Option<String> {
    let cells = rows.names.len() * columns.names.len();
    if cells == 0 || values.len() != cells || values.iter().flatten().any(|value| !value.is_finite()) {
        return None;
    }
    let mut svg = String::new();
    draw(rows, columns, values, &mut svg).ok()?;
    Some(svg)
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Where the cells stand.
struct Layout {
    left: i32,
    top: i32,
    cell: [f64; 2],
}

impl Layout {
    fn of(rows: &MapSide, columns: &MapSide) -> Self {
        let longest = |side: &MapSide| side.names.iter().map(|name| shown(name).chars().count()).max().unwrap_or(0);
        let room = |side: &MapSide| (CHARACTER * longest(side) as f64) as i32 + 8;
        let (left, top) = (TITLE + room(rows), TITLE + room(columns));
        let wide = f64::from(WIDTH - left - 8) / columns.names.len() as f64;
        // Cells are no higher than wide, and high enough for the names of at most some thirty rows.
        let high = wide.min(30.0).max((400.0 / rows.names.len() as f64).min(wide));
        Self { left, top, cell: [high, wide.min(90.0)] }
    }

    fn at(&self, row: usize, column: usize) -> (i32, i32) {
        let along = |start: i32, side: f64, at: usize| start + (side * at as f64).round() as i32;
        (along(self.left, self.cell[1], column), along(self.top, self.cell[0], row))
    }
}

fn draw<'a>(rows: &MapSide, columns: &MapSide, values: &[Option<f64>], svg: &'a mut String) -> Result<(), Failed<'a>> {
    let layout = Layout::of(rows, columns);
    let (count, across) = (rows.names.len(), columns.names.len());
    let (right, bottom) = layout.at(count, across);
    let root = SVGBackend::with_string(svg, (WIDTH as u32, (bottom + 8) as u32)).into_drawing_area();
    let numbered = across <= NUMBERED && count <= 2 * NUMBERED;
    for (place, value) in values.iter().enumerate() {
        let (row, column) = (place / across, place % across);
        cell(&root, layout.at(row, column), layout.at(row + 1, column + 1), *value, numbered)?;
    }
    let frame = vec![
        (layout.left, layout.top),
        (right, layout.top),
        (right, bottom),
        (layout.left, bottom),
        (layout.left, layout.top),
    ];
    root.draw(&PathElement::new(frame, GRID.stroke_width(1)))?;
    let row_name = small().pos(Pos::new(HPos::Right, VPos::Center));
    for row in (0..count).step_by(every(layout.cell[0])) {
        let ((_, from), (_, to)) = (layout.at(row, 0), layout.at(row + 1, 0));
        root.draw(&Text::new(shown(&rows.names[row]), (layout.left - 4, (from + to) / 2), row_name.clone()))?;
    }
    let column_name = small().pos(Pos::new(HPos::Left, VPos::Center)).transform(FontTransform::Rotate270);
    for column in (0..across).step_by(every(layout.cell[1])) {
        let ((from, _), (to, _)) = (layout.at(0, column), layout.at(0, column + 1));
        root.draw(&Text::new(shown(&columns.names[column]), ((from + to) / 2, layout.top - 4), column_name.clone()))?;
    }
    let middle = text().pos(Pos::new(HPos::Center, VPos::Top));
    root.draw(&Text::new(columns.title.clone(), ((layout.left + right) / 2, 2), middle.clone()))?;
    let turned = middle.transform(FontTransform::Rotate270);
    root.draw(&Text::new(rows.title.clone(), (2, (layout.top + bottom) / 2), turned))?;
    root.present()
}

fn small() -> TextStyle<'static> {
    ("sans-serif", 11).into_font().color(&INK)
}

/// Every how manieth name fits.
fn every(side: f64) -> usize {
    (f64::from(NAMED) / side.max(1.0)).ceil() as usize
}

fn shown(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME {
        name.to_owned()
    } else {
        format!("...{}", name.chars().skip(length + 3 - NAME).collect::<String>())
    }
}

fn cell<'a>(
    root: &Area<'a>,
    from: (i32, i32),
    to: (i32, i32),
    value: Option<f64>,
    numbered: bool,
) -> Result<(), Failed<'a>> {
    let Some(value) = value else {
        return root.draw(&PathElement::new([from, to], SOFT.stroke_width(1)));
    };
    // The largest share is still light enough for dark letters on it.
    root.draw(&Rectangle::new([from, to], ACCENT.mix(0.75 * value.clamp(0.0, 1.0)).filled()))?;
    if !numbered {
        return Ok(());
    }
    let style = small().pos(Pos::new(HPos::Center, VPos::Center));
    root.draw(&Text::new(format!("{:.0}", 100.0 * value), ((from.0 + to.0) / 2, (from.1 + to.1) / 2), style))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(title: &str, count: usize) -> MapSide {
        MapSide { title: title.into(), names: (0..count).map(|at| format!("layer{at}")).collect() }
    }

    #[test]
    fn every_cell_is_shaded_by_its_share_and_small_maps_carry_numbers() {
        let svg =
            labelled_map(&side("first", 2), &side("second", 2), &[Some(0.0), Some(0.5), Some(1.02), None]).unwrap();
        for part in ["first", "second", "layer0", "layer1", ">\n0\n", ">\n50\n", ">\n102\n", "opacity=\"0.75\""] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        // A share of nothing is not shaded, and a cell without one is crossed out.
        assert_eq!(svg.matches("<rect").count(), 2);
    }

    #[test]
    fn large_maps_name_as_many_layers_as_there_is_room_for() {
        let svg = labelled_map(&side("a", 60), &side("b", 60), &vec![Some(0.3); 3600]).unwrap();
        let named = svg.matches("layer").count();
        assert!((40..=80).contains(&named), "{named}");
    }

    #[test]
    fn what_does_not_fill_the_map_makes_no_figure() {
        assert_eq!(labelled_map(&side("a", 2), &side("b", 2), &[Some(0.1); 3]), None);
        assert_eq!(labelled_map(&side("a", 1), &side("b", 1), &[Some(f64::NAN)]), None);
        assert_eq!(labelled_map(&side("a", 0), &side("b", 1), &[]), None);
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shown("features.16.conv.expand.weight"), "...onv.expand.weight");
    }
}
