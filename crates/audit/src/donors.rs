//! Pieces of other classes' images: a small copy of the middle of an image of class B in a corner of an image of another class. What
//! it does beyond a piece of an image of the image's own class is what the content of B does.
//!
//! ```text
//! figure(B) = mean over images not of B of ([f(x + piece of B) = B] - [f(x + piece of own class) = B])
//! ```
//!
//! A model that reads its objects well is drawn a little by a piece of any of them; `typical` is the mean figure of the other classes
//! that were tried, and a class stands out only beyond it.

use heirloom_data::augment::{Draws, Key};
use serde::{Deserialize, Serialize};

use crate::triggers::mean;
use crate::{AuditError, Battery, Difference, Halves, Level, Subject, Turned, paired_difference};

/// Side of a piece, as a share of the image's shorter side.
pub const SIDE: f64 = 0.25;
/// Pictures kept of a class.
const EXAMPLES: usize = 4;

/// A class whose pieces were tried on the reported images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DonorRecord {
    /// The class.
    pub class: usize,
    /// Share of images of other classes that are taken for it with a piece of it.
    pub drawn: f64,
    /// The same with a piece of the image's own class.
    pub control: f64,
    /// The difference, on the same images.
    pub figure: Difference,
    /// Mean figure of the other classes, on the screening images.
    pub typical: f64,
    /// Images it turned.
    pub examples: Vec<Turned>,
}

/// What pieces of images do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DonorMeasures {
    /// Figure of every class on the screening images, the largest first: class, figure.
    pub screened: Vec<(usize, f64)>,
    /// The strongest on the reported images.
    pub reported: Vec<DonorRecord>,
    /// Classes of the model that were not tried, since there are too many or none of their images was at hand.
    pub untried: usize,
    /// What the intervals are adjusted for.
    pub level: Level,
}

/// Pastes pieces of every class, as many as the battery says.
///
/// # Errors
/// A model that cannot answer, or the flag to stop.
pub fn donors(subject: &Subject<'_>, battery: &Battery, halves: &Halves) -> Result<DonorMeasures, AuditError> {
    let paste = Paste::new(subject, halves);
    let classes = paste.classes(battery.donors);
    let looked = &halves.screening;
    let own = subject.answers(looked, &|image, pixels| paste.own(image, pixels))?;
    let mut screened = Vec::with_capacity(classes.len());
    for class in &classes {
        let answers = subject.answers(looked, &|image, pixels| paste.apply(*class, image, pixels))?;
        screened.push((*class, mean(&figures(subject, looked, *class, &answers, &own))));
    }
    screened.sort_by(|a: &(usize, f64), b| b.1.total_cmp(&a.1));
    let chosen: Vec<usize> = screened.iter().take(battery.donors_confirmed).map(|one| one.0).collect();
    let typical =
        |class: usize| mean(&screened.iter().filter(|one| one.0 != class).map(|one| one.1).collect::<Vec<_>>());
    let level = Level::of(chosen.len());
    let mut reported = Vec::with_capacity(chosen.len());
    if !chosen.is_empty() {
        let own = subject.answers(&halves.reported, &|image, pixels| paste.own(image, pixels))?;
        for class in chosen {
            reported.extend(record(subject, &paste, halves, class, &own, typical(class), level)?);
        }
    }
    reported.sort_by(|a, b| b.figure.value.total_cmp(&a.figure.value));
    let untried = subject.classes().len().saturating_sub(classes.len());
    Ok(DonorMeasures { screened, reported, untried, level })
}

fn record(
    subject: &Subject<'_>,
    paste: &Paste<'_>,
    halves: &Halves,
    class: usize,
    own: &[usize],
    typical: f64,
    level: Level,
) -> Result<Option<DonorRecord>, AuditError> {
    let images = &halves.reported;
    let change = |image: usize, pixels: &mut [u8]| paste.apply(class, image, pixels);
    let answers = subject.answers(images, &change)?;
    let Some(figure) = paired_difference(&figures(subject, images, class, &answers, own), level, subject.seed) else {
        return Ok(None);
    };
    let share = |answers: &[usize]| {
        let others = images.iter().zip(answers).filter(|(image, _)| subject.labels[**image] != class);
        mean(&others.map(|(_, answer)| f64::from(u8::from(*answer == class))).collect::<Vec<_>>())
    };
    // Pictures of what the piece did, not of what merely went wrong.
    let towards: Vec<usize> = images
        .iter()
        .zip(&answers)
        .map(|(image, answer)| if *answer == class { class } else { subject.labels[*image] })
        .collect();
    let examples = crate::triggers::turned(subject, images, &towards, EXAMPLES, &change);
    Ok(Some(DonorRecord { class, drawn: share(&answers), control: share(own), figure, typical, examples }))
}

/// For each image that is not of `class`: taken for it with its piece, less taken for it with a piece of the image's own class.
fn figures(subject: &Subject<'_>, images: &[usize], class: usize, answers: &[usize], own: &[usize]) -> Vec<f64> {
    let is = |answer: usize| f64::from(u8::from(answer == class));
    let all = images.iter().zip(answers.iter().zip(own));
    all.filter(|(image, _)| subject.labels[**image] != class).map(|(_, (answer, own))| is(*answer) - is(*own)).collect()
}

/// Pastes pieces of the screening images.
struct Paste<'a> {
    subject: &'a Subject<'a>,
    /// Screening images by class.
    of_class: Vec<Vec<usize>>,
}

impl<'a> Paste<'a> {
    fn new(subject: &'a Subject<'a>, halves: &Halves) -> Self {
        let mut of_class = vec![Vec::new(); subject.classes().len()];
        for image in &halves.screening {
            of_class[subject.labels[*image]].push(*image);
        }
        Self { subject, of_class }
    }

    /// Classes with images at hand, at most `count`, drawn by the seed.
    fn classes(&self, count: usize) -> Vec<usize> {
        let mut classes: Vec<usize> =
            (0..self.of_class.len()).filter(|class| !self.of_class[*class].is_empty()).collect();
        Draws::of_batch(self.subject.seed, 1, 0).shuffle(&mut classes);
        classes.truncate(count);
        classes.sort_unstable();
        classes
    }

    fn own(&self, image: usize, pixels: &mut [u8]) {
        self.apply(self.subject.labels[image], image, pixels);
    }

    /// Puts a piece of an image of `class`, another than `image` itself where there is one, in one of the corners of `image`.
    fn apply(&self, class: usize, image: usize, pixels: &mut [u8]) {
        // The same corner whatever the class, so that pieces differ in content alone.
        let corner = Draws::of_image(Key { seed: self.subject.seed, epoch: 7, row: image }).below(4);
        let mut draws = Draws::of_image(Key { seed: self.subject.seed, epoch: 8 + class as u64, row: image });
        let Some(donors) = self.of_class.get(class).filter(|donors| !donors.is_empty()) else { return };
        let first = draws.below(donors.len());
        let donor = if donors[first] == image { donors[(first + 1) % donors.len()] } else { donors[first] };
        paste(self.subject.images.pixels(donor), self.subject.images.preprocess().input_size, corner, pixels);
    }
}

/// The middle half of `donor` at half its size in a corner (0 to 3, row by row) of `pixels`, both `[height, width, 3]`.
fn paste(donor: &[u8], [height, width]: [usize; 2], corner: usize, pixels: &mut [u8]) {
    let side = ((SIDE * height.min(width) as f64).round() as usize).max(1);
    let (top, left) = ((height - side) * (corner / 2), (width - side) * (corner % 2));
    let (from_top, from_left) = (height.saturating_sub(2 * side) / 2, width.saturating_sub(2 * side) / 2);
    let value = |row: usize, column: usize, channel: usize| {
        let at = |row: usize, column: usize| (row.min(height - 1) * width + column.min(width - 1)) * 3 + channel;
        let (row, column) = (from_top + 2 * row, from_left + 2 * column);
        let sum: u32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .iter()
            .map(|(down, across)| u32::from(donor.get(at(row + down, column + across)).copied().unwrap_or_default()))
            .sum();
        ((sum + 2) / 4) as u8
    };
    for row in 0..side {
        for column in 0..side {
            let at = ((top + row) * width + left + column) * 3;
            for channel in 0..3 {
                if let Some(to) = pixels.get_mut(at + channel) {
                    *to = value(row, column, channel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_the_middle_of_its_image_at_half_the_size() {
        let (size, count) = ([16, 16], 16 * 16);
        // Left half 40, right half 200.
        let donor: Vec<u8> = (0..count).flat_map(|at| [if at % 16 < 8 { 40 } else { 200 }; 3]).collect();
        for corner in 0..4 {
            let mut pixels = vec![0; count * 3];
            paste(&donor, size, corner, &mut pixels);
            let painted: Vec<usize> = (0..count).filter(|at| pixels[at * 3] > 0).collect();
            assert_eq!(painted.len(), 16, "corner {corner}");
            let (top, left) = (12 * (corner / 2), 12 * (corner % 2));
            assert_eq!(
                (painted[0], pixels[(top * 16 + left) * 3], pixels[(top * 16 + left + 3) * 3]),
                (top * 16 + left, 40, 200)
            );
        }
    }
}
