//! The order of cells.

use super::*;

fn options(fine_tuned: Vec<usize>, seeds: usize) -> RankedOptions {
    RankedOptions {
        fine_tuned,
        epochs: 1,
        seeds,
        budget: None,
        shard: None,
        seed: 0,
        extract: ExtractOptions::default(),
    }
}

/// A run that is cut off has whole sets, and one seed of every fine-tuned set before a second of any.
#[test]
fn sets_come_whole_and_seeds_in_turn() {
    let items = items(2, 3, &options(vec![2, 0], 2));
    assert_eq!(items.len(), 2 * 3 + 2 * 2 * 2);
    assert_eq!(items[..2], [Item::Judged { network: 0, set: 0 }, Item::Judged { network: 1, set: 0 }]);
    let tuned = |network, set, seed| Item::Tuned { network, set, seed };
    assert_eq!(items[6..10], [tuned(0, 2, 0), tuned(1, 2, 0), tuned(0, 0, 0), tuned(1, 0, 0)]);
    assert!(items[10..].iter().all(|item| matches!(item, Item::Tuned { seed: 1, .. })));
}

#[test]
fn too_few_networks_are_refused() {
    let refused = check(&[], &[]).unwrap_err().to_string();
    assert!(refused.contains("an order takes 3"), "{refused}");
}
