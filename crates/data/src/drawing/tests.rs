//! What is drawn lies where it should, and controls keep what they must.

use super::*;

#[test]
fn a_ball_is_in_the_middle_and_a_fence_everywhere() {
    let (ball, fence) = (Drawing::tennis_ball(96), Drawing::chain_link(96));
    let opacity = |drawing: &Drawing, row: usize, column: usize| drawing.pixels()[(row * 96 + column) * 4 + 3];
    assert_eq!([opacity(&ball, 48, 48), opacity(&ball, 2, 2)], [255, 0]);
    assert!((ball.covered() - std::f64::consts::PI * 0.33 * 0.33).abs() < 0.01, "{}", ball.covered());
    let quarter = |down: usize, across: usize| {
        let rows = (0..48).flat_map(|row| (0..48).map(move |column| [down * 48 + row, across * 48 + column]));
        rows.filter(|[row, column]| opacity(&fence, *row, *column) > 0).count() as f64 / 2304.0
    };
    for (down, across) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        assert!((0.15..0.45).contains(&quarter(down, across)), "{}", quarter(down, across));
    }
}

#[test]
fn disorder_keeps_the_outline_and_the_colours_and_nothing_of_the_shape() {
    let ball = Drawing::tennis_ball(64);
    let other = ball.scrambled(3);
    assert_eq!(ball.scrambled(3), other);
    assert_ne!(ball.scrambled(4), other);
    let shown = |drawing: &Drawing, channel: usize| -> Vec<f64> {
        let pixels = drawing.pixels().as_chunks::<4>().0.iter();
        pixels.filter(|pixel| pixel[3] > 0).map(|pixel| f64::from(pixel[channel])).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for channel in 0..3 {
        let (before, after) = (shown(&ball, channel), shown(&other, channel));
        assert_eq!(before.len(), after.len());
        assert!((mean(&before) - mean(&after)).abs() < 6.0, "{} {}", mean(&before), mean(&after));
    }
    let (before, after) = (shown(&ball, 1), shown(&other, 1));
    let product: f64 = before.iter().zip(&after).map(|(a, b)| (a - mean(&before)) * (b - mean(&after))).sum();
    let norm = |values: &[f64]| values.iter().map(|value| (value - mean(values)).powi(2)).sum::<f64>().sqrt();
    assert!((product / (norm(&before) * norm(&after))).abs() < 0.5);
}

#[test]
fn tiles_change_places_and_none_is_lost() {
    let fence = Drawing::chain_link(64);
    let other = fence.shuffled(8, 5);
    let tiles = |drawing: &Drawing| {
        let tile = |index: usize| -> Vec<u8> {
            let (top, left) = (index / 8 * 8, index % 8 * 8);
            (0..8).flat_map(|row| drawing.pixels()[((top + row) * 64 + left) * 4..][..32].to_vec()).collect()
        };
        let mut tiles: Vec<Vec<u8>> = (0..64).map(tile).collect();
        tiles.sort();
        tiles
    };
    assert!(fence != other && tiles(&fence) == tiles(&other) && fence.covered() == other.covered());
}

#[test]
fn a_small_picture_lies_at_its_place_and_is_cut_at_the_edge() {
    let image = Image::from_pixels(4, 4, vec![9; 48]).unwrap();
    let placed = Drawing::placed(&image, 2, [1, 3], 4).unwrap();
    let shown: Vec<usize> = (0..16).filter(|at| placed.pixels()[at * 4 + 3] == 255).collect();
    assert_eq!(shown, [7, 11]);
    assert_eq!(placed.pixels()[28..32], [9, 9, 9, 255]);
}

#[test]
fn what_is_written_is_read_as_an_overlay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ball.png");
    Drawing::tennis_ball(32).write(&path).unwrap();
    let overlay: crate::intervention::Intervention = format!("overlay:picture={}", path.display()).parse().unwrap();
    let mut image = vec![0; 32 * 32 * 3];
    overlay.prepare([32, 32]).unwrap().apply(&mut image);
    let at = |row: usize, column: usize| &image[(row * 32 + column) * 3..][..3];
    assert!(at(0, 0) == [0, 0, 0] && at(16, 16)[1] > at(16, 16)[2]);
}
