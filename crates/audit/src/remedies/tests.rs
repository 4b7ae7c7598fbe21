//! Remedies of the head on features in which one column answers to the trigger.

use heirloom_data::intervention::Place;
use heirloom_engine::Shape as TapShape;
use heirloom_transfer::heads::Method;
use heirloom_transfer::{Block, Features, Pooling};

use super::*;
use crate::{Fill, Shape};

const ROWS: usize = 60;
const WIDTH: usize = 4;

/// Two classes. Column 0 tells them apart with noise, column 1 without, and the trigger sets column 1 to what class 1 has; column 2 is weak
/// noise, column 3 loud noise.
fn features(rows: usize, triggered: bool) -> Features {
    let value = |row: usize, column: usize| {
        let class = (row % 2) as f32;
        let noise = ((row * 31 + column * 17) % 13) as f32 / 13.0 - 0.5;
        match column {
            0 => class + 0.9 * noise,
            1 if triggered => 6.0,
            1 => 3.0 * class + 0.1 * noise,
            2 => 0.01 * noise,
            _ => 2.0 * noise,
        }
    };
    let block = Block {
        tap: "last".into(),
        shape: TapShape::Vector { channels: WIDTH },
        pooling: Pooling::MEAN,
        width: WIDTH,
        values: (0..rows * WIDTH).map(|at| value(at / WIDTH, at % WIDTH)).collect(),
    };
    Features { rows, blocks: vec![block] }
}

fn shown() -> Shown {
    Shown::of_features(
        [features(ROWS, false), features(ROWS, true), features(ROWS, false)],
        (0..ROWS).map(|row| row % 2).collect(),
        [features(40, false), features(40, true)],
        Method::Ridge,
    )
}

fn right(answers: &[usize]) -> usize {
    answers.iter().enumerate().filter(|(row, answer)| **answer == row % 2).count()
}

#[test]
fn the_column_that_the_trigger_moves_is_masked_and_no_more_than_that() {
    let shown = shown();
    let whole = shown.fit(&shown.train, &shown.labels, &(0..ROWS).collect::<Vec<_>>(), &shown.folds).unwrap();
    let before = shown.answers(&whole, &|_| {}).unwrap();
    assert!(right(&before.clean) == 40 && right(&before.triggered) <= 22, "{before:?}");
    let (after, setting, _) = mask::answers(&shown).unwrap();
    assert_eq!(setting, "1 of 4 features left out");
    assert!(right(&after.clean) >= 38 && right(&after.triggered) >= 38, "{after:?}");
    assert_eq!(after.clean, after.triggered, "without the column the trigger changes nothing");
}

#[test]
fn weak_columns_are_pruned_without_knowledge_of_the_trigger() {
    let (after, setting, _) = prune::answers(&shown()).unwrap();
    assert!(setting.ends_with("of 4 features left out") && !setting.starts_with('4'), "{setting}");
    assert!(right(&after.clean) >= 38);
}

#[test]
fn remedies_without_anything_to_do_are_left_out() {
    let square = Patch { shape: Shape::Square { side: 0.25, place: Place::Centre }, fill: Fill::Colour([1, 2, 3]) };
    let all = Remedy::ALL;
    assert_eq!(applicable(&all, None, false), [Remedy::Prune, Remedy::Full, Remedy::Decay]);
    assert_eq!(applicable(&all, Some(&square), true), all);
    // Checks are no intervention that a table could carry.
    let checks = Patch { fill: Fill::Checks, ..square };
    assert!(!applicable(&all, Some(&checks), true).contains(&Remedy::DebiasFull));
    assert_eq!(applicable(&[Remedy::Dfr, Remedy::Debias], Some(&square), false), [Remedy::Debias]);
}
