//! Blocks of work on a few threads, results in order: the result is the same for any number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs `work` on the ranges of `block` items that cover `0..count`, on at most `threads` threads, and joins what they give
/// in the order of the items.
pub(crate) fn blocks<T: Send>(
    count: usize,
    block: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> Vec<T> + Sync,
) -> Vec<T> {
    let range = |number: usize| number * block..((number + 1) * block).min(count);
    let number = count.div_ceil(block);
    if threads <= 1 || number <= 1 {
        return (0..number).flat_map(|number| work(range(number))).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<T>)>> = Mutex::new(Vec::with_capacity(number));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(number) {
            scope.spawn(|| {
                loop {
                    let mine = next.fetch_add(1, Ordering::Relaxed);
                    if mine >= number {
                        break;
                    }
                    let result = work(range(mine));
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((mine, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items_for_any_number_of_threads() {
        for threads in [1, 2, 5] {
            for count in [0, 1, 7, 100] {
                let squares = blocks(count, 8, threads, |range| range.map(|item| item * item).collect());
                assert_eq!(squares, (0..count).map(|item| item * item).collect::<Vec<_>>());
            }
        }
    }
}
