//! Shares at the places of a grid: each cell is shaded by its share and carries it as a number.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text,
};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{GRID, INK, SECOND, SIZE, text};

/// Sides of the whole grid and gap around it.
const SIDE: i32 = 250;
const TOP: i32 = 8;
/// Room for the line under the grid.
const LINE: i32 = 28;

/// Cells of `grid` rows by `grid` columns, `shares` by row, 0 to 1, with what is measured written under them. `None` where there are
/// not as many shares, or one is no share.
#[must_use]
pub fn heat_map(grid: usize, shares: &[f64], measured: &str) -> Option<String> {
    if grid == 0 || shares.len() != grid * grid || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return None;
    }
    let mut svg = String::new();
    draw(grid, shares, measured, &mut svg).ok()?;
    Some(svg)
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw<'a>(grid: usize, shares: &[f64], measured: &str, svg: &'a mut String) -> Result<(), Failed<'a>> {
    let root = SVGBackend::with_string(svg, (SIZE.0, (TOP + SIDE + LINE) as u32)).into_drawing_area();
    let left = (SIZE.0 as i32 - SIDE) / 2;
    let edge = |step: usize| (step as i32) * SIDE / grid as i32;
    for (place, share) in shares.iter().enumerate() {
        let (row, column) = (place / grid, place % grid);
        let from = (left + edge(column), TOP + edge(row));
        let to = (left + edge(column + 1), TOP + edge(row + 1));
        cell(&root, from, to, *share)?;
    }
    let middle = text().pos(Pos::new(HPos::Center, VPos::Bottom));
    root.draw(&Text::new(measured.to_owned(), (SIZE.0 as i32 / 2, TOP + SIDE + LINE - 4), middle))?;
    root.present()
}

fn cell<'a>(root: &Area<'a>, from: (i32, i32), to: (i32, i32), share: f64) -> Result<(), Failed<'a>> {
    // The largest share is still light enough for dark letters on it.
    root.draw(&Rectangle::new([from, to], SECOND.mix(0.7 * share).filled()))?;
    let frame = vec![from, (to.0, from.1), to, (from.0, to.1), from];
    root.draw(&PathElement::new(frame, GRID.stroke_width(1)))?;
    let style = text().color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
    root.draw(&Text::new(format!("{:.0} %", 100.0 * share), ((from.0 + to.0) / 2, (from.1 + to.1) / 2), style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_carries_its_share_and_darker_ones_are_larger() {
        let svg = heat_map(2, &[0.0, 0.5, 1.0, 0.25], "broken").unwrap();
        for part in ["0 %", "50 %", "100 %", "25 %", "broken", "opacity=\"0.7\"", "opacity=\"0.35\""] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        // A share of nothing is not shaded.
        assert_eq!(svg.matches("<rect").count(), 3);
    }

    #[test]
    fn shares_that_do_not_fill_the_grid_make_no_figure() {
        assert_eq!(heat_map(2, &[0.0; 3], "broken"), None);
        assert_eq!(heat_map(0, &[], "broken"), None);
        assert_eq!(heat_map(1, &[1.5], "broken"), None);
    }
}
