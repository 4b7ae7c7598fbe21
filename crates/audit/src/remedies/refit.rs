//! Remedies that fit the head anew on features of the network as it is.

use std::collections::BTreeMap;

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::Features;
use heirloom_transfer::heads::HeadError;

use super::shown::Shown;
use super::{Outcome, Remedy, RemedyError, RemedyInput, mask, prune};

/// Share of the training images that carry the trigger.
pub(super) const STAMPED: f64 = 0.5;

/// A head fitted anew, and what it answers.
pub(super) fn answers(shown: &Shown, input: &RemedyInput<'_>, remedy: Remedy) -> Result<Outcome, RemedyError> {
    let seed = input.subject.seed;
    let groups = input.train_groups.unwrap_or_default();
    let outcome = match remedy {
        Remedy::Mask => mask::answers(shown)?,
        Remedy::Prune => prune::answers(shown)?,
        Remedy::Balance => on_rows(shown, &oversampled(&shown.labels, groups))?,
        Remedy::Dfr => on_rows(shown, &undersampled(&shown.labels, groups, seed))?,
        _ => debiased(shown, seed)?,
    };
    Ok(outcome)
}

/// Half of the training rows with the trigger.
fn debiased(shown: &Shown, seed: u64) -> Result<Outcome, HeadError> {
    let mut draws = Draws::of_image(Key { seed, epoch: 2, row: 0 });
    let mut features = shown.train.clone();
    let mut stamped = 0;
    for row in 0..features.rows {
        if draws.chance(STAMPED) {
            stamped += 1;
            for (block, triggered) in features.blocks.iter_mut().zip(&shown.triggered.blocks) {
                let range = row * block.width..(row + 1) * block.width;
                block.values[range.clone()].copy_from_slice(&triggered.values[range]);
            }
        }
    }
    let rows: Vec<usize> = (0..features.rows).collect();
    let head = shown.fit(&features, &shown.labels, &rows, &shown.folds)?;
    let setting = format!("{stamped} of {} training images with the trigger", features.rows);
    Ok((shown.answers(&head, &|_| {})?, setting, 2 * features.rows))
}

/// A head on training rows, some of them several times: those share a fold.
fn on_rows(shown: &Shown, rows: &[usize]) -> Result<Outcome, HeadError> {
    let features = taken(&shown.train, rows);
    let of = |list: &[usize]| rows.iter().map(|row| list[*row]).collect::<Vec<usize>>();
    let all: Vec<usize> = (0..rows.len()).collect();
    let head = shown.fit(&features, &of(&shown.labels), &all, &of(&shown.folds))?;
    let mut distinct = rows.to_vec();
    distinct.dedup();
    let setting = format!("{} of {} training images", distinct.len(), shown.labels.len());
    Ok((shown.answers(&head, &|_| {})?, setting, shown.labels.len()))
}

fn taken(features: &Features, rows: &[usize]) -> Features {
    let mut taken = features.clone();
    taken.rows = rows.len();
    for (block, from) in taken.blocks.iter_mut().zip(&features.blocks) {
        block.values =
            rows.iter().flat_map(|row| from.values[row * from.width..(row + 1) * from.width].iter().copied()).collect();
    }
    taken
}

/// Rows by class and group.
fn cells(labels: &[usize], groups: &[usize]) -> BTreeMap<(usize, usize), Vec<usize>> {
    let mut cells = BTreeMap::<(usize, usize), Vec<usize>>::new();
    for (row, cell) in labels.iter().zip(groups).enumerate() {
        cells.entry((*cell.0, *cell.1)).or_default().push(row);
    }
    cells
}

/// Every row, rows of rare cells as often as brings their cell near the size of the largest; rising.
fn oversampled(labels: &[usize], groups: &[usize]) -> Vec<usize> {
    let cells = cells(labels, groups);
    let largest = cells.values().map(Vec::len).max().unwrap_or(0);
    let often = |rows: &Vec<usize>| (largest as f64 / rows.len() as f64).round().max(1.0) as usize;
    let mut all: Vec<usize> = cells
        .values()
        .flat_map(|rows| rows.iter().flat_map(move |row| std::iter::repeat_n(*row, often(rows))))
        .collect();
    all.sort_unstable();
    all
}

/// As many rows of every cell as the rarest one has; rising.
fn undersampled(labels: &[usize], groups: &[usize], seed: u64) -> Vec<usize> {
    let mut cells = cells(labels, groups);
    let fewest = cells.values().map(Vec::len).min().unwrap_or(0);
    for (at, rows) in cells.values_mut().enumerate() {
        Draws::of_batch(seed, 3, at).shuffle(rows);
        rows.truncate(fewest);
    }
    let mut all: Vec<usize> = cells.into_values().flatten().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [usize; 9] = [0, 0, 0, 0, 0, 1, 1, 1, 1];
    const GROUPS: [usize; 9] = [0, 0, 0, 0, 1, 0, 1, 1, 1];

    #[test]
    fn cells_become_as_large_as_the_largest_or_as_small_as_the_rarest() {
        let sizes = |rows: &[usize]| {
            let of = |list: &[usize; 9]| rows.iter().map(|row| list[*row]).collect::<Vec<_>>();
            cells(&of(&LABELS), &of(&GROUPS)).values().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&oversampled(&LABELS, &GROUPS)), [4, 4, 4, 3]);
        let few = undersampled(&LABELS, &GROUPS, 1);
        assert_eq!(sizes(&few), [1, 1, 1, 1]);
        assert!(few.is_sorted() && few == undersampled(&LABELS, &GROUPS, 1));
    }
}
