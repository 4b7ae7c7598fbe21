//! `--limit`: a part of a table, of each split the same share of every class.

use std::collections::BTreeMap;

use heirloom_data::Table;

/// The table with these rows alone, as if it held no others: features are kept by runs of neighbouring rows, and a run of a limited table
/// holds no row that nobody asked for. All of it without a limit.
pub fn limited(mut table: Table, count: Option<u64>, seed: u64) -> Table {
    if let Some(count) = count {
        let mut index = 0;
        let kept = rows(&table, usize::try_from(count).unwrap_or(usize::MAX), seed);
        table.rows.retain(|_| {
            index += 1;
            kept.binary_search(&(index - 1)).is_ok()
        });
    }
    table
}

/// At most `count` rows of each split, classes in turn, rows of a class in an order drawn from `seed`. Rising.
pub fn rows(table: &Table, count: usize, seed: u64) -> Vec<usize> {
    let mut splits = BTreeMap::<_, BTreeMap<_, Vec<usize>>>::new();
    for (index, row) in table.rows.iter().enumerate() {
        splits.entry(row.split).or_default().entry(row.label).or_default().push(index);
    }
    let mut kept: Vec<usize> = splits.into_values().flat_map(|classes| in_turn(classes, count, seed)).collect();
    kept.sort_unstable();
    kept
}

/// The first `count` rows when each class gives one row in its turn.
fn in_turn<K>(classes: BTreeMap<K, Vec<usize>>, count: usize, seed: u64) -> Vec<usize> {
    let mut classes: Vec<Vec<usize>> = classes.into_values().collect();
    for rows in &mut classes {
        rows.sort_by_key(|row| order(seed, *row));
    }
    let longest = classes.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| classes.iter().filter_map(move |rows| rows.get(turn).copied()));
    turns.take(count).collect()
}

/// A well-mixed word for a row: the finaliser of SplitMix64.
fn order(seed: u64, row: usize) -> (u64, usize) {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ row as u64;
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31), row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_give_rows_in_turn() {
        let classes = BTreeMap::from([("a", (0..50).collect()), ("b", (50..54).collect())]);
        let kept = in_turn(classes, 12, 7);
        assert_eq!(kept.len(), 12);
        assert_eq!(kept.iter().filter(|row| **row >= 50).count(), 4);
    }
}
