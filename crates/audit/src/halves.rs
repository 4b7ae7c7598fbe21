//! Which images findings are looked for on, and which they are judged on: no image serves for both, so that what was the largest of
//! many by chance does not stay large.

use heirloom_data::augment::Draws;

/// Fewest images of either part.
pub(crate) const FEWEST: usize = 12;

/// Numbers of images, rising in each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halves {
    /// Images that candidates are screened on.
    pub screening: Vec<usize>,
    /// Images that figures are reported on.
    pub reported: Vec<usize>,
}

impl Halves {
    /// At most `screening` images, but no more than half of all, and at most `reported` of the others; classes in turn, in an order
    /// drawn from `seed`.
    #[must_use]
    pub fn draw(labels: &[usize], screening: usize, reported: usize, seed: u64) -> Self {
        let order = in_turn(labels, seed);
        let first = screening.min(order.len() / 2);
        let (looked, rest) = order.split_at(first);
        let sorted = |images: &[usize]| {
            let mut images = images.to_vec();
            images.sort_unstable();
            images
        };
        Self { screening: sorted(looked), reported: sorted(&rest[..reported.min(rest.len())]) }
    }
}

/// At most `count` of the images with these labels, as many of every class as it has and as fits; rising.
#[must_use]
pub fn balanced(labels: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let mut images = in_turn(labels, seed);
    images.truncate(count);
    images.sort_unstable();
    images
}

/// All images, each class giving one in its turn, images of a class in an order drawn from `seed`.
pub(crate) fn in_turn(labels: &[usize], seed: u64) -> Vec<usize> {
    let classes = labels.iter().max().map_or(0, |last| last + 1);
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(image, label)| of_class[*label].push(image));
    for (class, images) in of_class.iter_mut().enumerate() {
        Draws::of_batch(seed, 0, class).shuffle(images);
    }
    let longest = of_class.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|turn| of_class.iter().filter_map(move |images| images.get(turn).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_apart_and_hold_every_class() {
        let labels: Vec<usize> = (0..90).map(|image| if image < 60 { 0 } else { 1 + image % 2 }).collect();
        let halves = Halves::draw(&labels, 30, 50, 3);
        assert_eq!((halves.screening.len(), halves.reported.len()), (30, 50));
        assert!(halves.screening.iter().all(|image| !halves.reported.contains(image)));
        let of = |images: &[usize], class| images.iter().filter(|image| labels[**image] == class).count();
        assert_eq!([0, 1, 2].map(|class| of(&halves.screening, class)), [10, 10, 10]);
        assert_eq!(halves, Halves::draw(&labels, 30, 50, 3));
        assert_ne!(halves, Halves::draw(&labels, 30, 50, 4));
        let few = Halves::draw(&labels[..5], 30, 50, 3);
        assert_eq!((few.screening.len(), few.reported.len()), (2, 3));
        let kept = balanced(&labels, 40, 3);
        assert!(kept.len() == 40 && kept.is_sorted() && of(&kept, 0) == 14, "{kept:?}");
    }
}
