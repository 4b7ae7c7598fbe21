//! Figures of single runs and of two runs on the same images, each image counted as often as said.

use super::trained::Trained;

/// Weight of an image.
fn weight(times: Option<&[u16]>, image: usize) -> f64 {
    times.map_or(1.0, |times| f64::from(times.get(image).copied().unwrap_or(0)))
}

/// How good a run is: the area under the receiver operating characteristic for two classes, else accuracy.
pub(super) fn score(run: &Trained, wrong: &[bool], times: Option<&[u16]>) -> Option<f64> {
    if run.logits.len() == 2 * run.labels.len() {
        let scores: Vec<f32> = run.logits.chunks(2).map(|logits| logits[1] - logits[0]).collect();
        let positive: Vec<bool> = run.labels.iter().map(|label| *label == 1).collect();
        return area(&scores, &positive, times);
    }
    accuracy(wrong, times)
}

/// Share of images that are not wrong.
pub(in crate::study) fn accuracy(wrong: &[bool], times: Option<&[u16]>) -> Option<f64> {
    let (mut right, mut all) = (0.0, 0.0);
    for (image, wrong) in wrong.iter().enumerate() {
        all += weight(times, image);
        right += if *wrong { 0.0 } else { weight(times, image) };
    }
    (all > 0.0).then(|| right / all)
}

/// Probability that a positive image has the higher score than a negative one, half for equal scores.
fn area(scores: &[f32], positive: &[bool], times: Option<&[u16]>) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|left, right| scores[*left].total_cmp(&scores[*right]));
    let (mut below, mut won, mut all) = (0.0, 0.0, 0.0);
    for equal in order.chunk_by(|left, right| scores[*left] == scores[*right]) {
        let sum = |wanted: bool| -> f64 {
            equal.iter().filter(|image| positive[**image] == wanted).map(|image| weight(times, *image)).sum()
        };
        let (positives, negatives) = (sum(true), sum(false));
        won += positives * (below + negatives / 2.0);
        below += negatives;
        all += positives;
    }
    (all > 0.0 && below > 0.0).then(|| won / (all * below))
}

/// `100 (A - B) / A`, in per cent of the first; undefined where that is 0 (`spec/what-is-transferred.md` section 4).
pub(super) fn relative_difference(first: f64, second: f64) -> Option<f64> {
    (first > 0.0).then(|| 100.0 * (first - second) / first)
}

/// Mistakes of two runs on the same images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Apart {
    /// Share on which both are wrong.
    pub common: f64,
    /// Share on which one of the two is wrong.
    pub uncommon: f64,
    /// Agreement on right and wrong beyond chance; `None` where chance alone would agree on everything.
    pub consistency: Option<f64>,
}

pub(super) fn apart(first: &[bool], second: &[bool], times: Option<&[u16]>) -> Option<Apart> {
    let [mut all, mut one, mut other, mut both] = [0.0; 4];
    for (image, (first, second)) in first.iter().zip(second).enumerate() {
        let weight = weight(times, image);
        all += weight;
        one += if *first { weight } else { 0.0 };
        other += if *second { weight } else { 0.0 };
        both += if *first && *second { weight } else { 0.0 };
    }
    if all <= 0.0 {
        return None;
    }
    let (one, other, common) = (one / all, other / all, both / all);
    let uncommon = one + other - 2.0 * common;
    let by_chance = one * (1.0 - other) + other * (1.0 - one);
    Some(Apart { common, uncommon, consistency: (by_chance > 0.0).then(|| 1.0 - uncommon / by_chance) })
}

/// Mean uncertainty of the images that the first alone has wrong, and of those that the second alone has.
pub(super) fn clarity(uncertainty: &[f64], first: &[bool], second: &[bool], times: Option<&[u16]>) -> [Option<f64>; 2] {
    let mean = |own: &[bool], other: &[bool]| {
        let (mut sum, mut all) = (0.0, 0.0);
        for (image, value) in uncertainty.iter().enumerate() {
            if own.get(image) == Some(&true) && other.get(image) == Some(&false) {
                sum += weight(times, image) * value;
                all += weight(times, image);
            }
        }
        (all > 0.0).then(|| sum / all)
    };
    [mean(first, second), mean(second, first)]
}

/// The earliest checkpoint whose accuracy is within a standard error of the best one's; `(epochs, accuracy)` in rising epochs.
pub(super) fn earliest(checkpoints: &[(u64, f64)], standard_error: f64) -> Option<u64> {
    let best = checkpoints.iter().map(|(_, accuracy)| *accuracy).fold(f64::NEG_INFINITY, f64::max);
    checkpoints.iter().find(|(_, accuracy)| *accuracy >= best - standard_error).map(|(epochs, _)| *epochs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vector_t4() {
        for (first, second, expected) in
            [(77.0, 44.8, 41.8182), (73.4, 44.4, 39.5095), (64.5, 50.4, 21.8605), (9.3, 2.9, 68.8172)]
        {
            assert!((relative_difference(first, second).unwrap() - expected).abs() < 1e-4);
        }
        assert_eq!(relative_difference(0.0, 0.5), None);
    }

    #[test]
    fn vector_t5() {
        let first = [false, false, false, true, false, true, true, false];
        let second = [false, true, false, true, false, true, false, true];
        let found = apart(&first, &second, None).unwrap();
        assert_eq!((found.common, found.uncommon, found.consistency), (0.25, 0.375, Some(0.25)));
        assert_eq!(apart(&first, &second, Some(&[0; 8])), None);
    }

    #[test]
    fn vector_t11() {
        let real = [61.2, 61.8, 64.0, 69.6, 73.5, 76.2, 76.5, 76.8, 78.4, 78.4, 78.4, 78.4];
        let epochs = [0, 1, 2, 5, 10, 29, 30, 31, 59, 60, 61, 90];
        let row: Vec<(u64, f64)> = epochs.into_iter().zip(real).collect();
        assert_eq!(earliest(&row, 0.15), Some(59));
        assert_eq!(earliest(&row, 2.0), Some(30));
        assert_eq!(earliest(&[], 1.0), None);
    }

    #[test]
    fn the_area_counts_pairs_and_halves_equal_ones() {
        let positive = [false, true, false, true];
        assert_eq!(area(&[0.1, 0.4, 0.35, 0.8], &positive, None), Some(1.0));
        assert_eq!(area(&[0.5, 0.4, 0.4, 0.8], &positive, None), Some(2.5 / 4.0));
        // The first image three times: of (3 + 1) x 2 pairs the positive one wins three with 0.8 and one, and half of one with 0.4.
        assert_eq!(area(&[0.5, 0.4, 0.4, 0.8], &positive, Some(&[3, 1, 1, 1])), Some(4.5 / 8.0));
        assert_eq!(area(&[0.5, 0.4], &[true, true], None), None);
    }

    #[test]
    fn images_are_sorted_by_who_has_them_wrong() {
        let found = clarity(&[0.9, 0.1, 0.5, 0.3], &[true, false, true, false], &[false, true, true, false], None);
        assert_eq!(found, [Some(0.9), Some(0.1)]);
        assert_eq!(clarity(&[0.9], &[true], &[true], None), [None, None]);
    }

    proptest! {
        #[test]
        fn counting_an_image_twice_is_showing_it_twice(rows in prop::collection::vec((any::<bool>(), any::<bool>(), 1_u16..4), 1..20)) {
            let twice = |side: fn(&(bool, bool, u16)) -> bool| -> Vec<bool> {
                rows.iter().flat_map(|row| vec![side(row); row.2 as usize]).collect()
            };
            let once = |side: fn(&(bool, bool, u16)) -> bool| rows.iter().map(side).collect::<Vec<bool>>();
            let times: Vec<u16> = rows.iter().map(|row| row.2).collect();
            let weighted = apart(&once(|row| row.0), &once(|row| row.1), Some(&times)).unwrap();
            let shown = apart(&twice(|row| row.0), &twice(|row| row.1), None).unwrap();
            prop_assert!((weighted.common - shown.common).abs() < 1e-12);
            prop_assert!((weighted.uncommon - shown.uncommon).abs() < 1e-12);
            prop_assert_eq!(accuracy(&once(|row| row.0), Some(&times)), accuracy(&twice(|row| row.0), None));
        }
    }
}
