//! What was found, on images that it was not searched on, beside squares of other colours at the same places.

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::fit::Share;

use super::square::{Square, colours};
use super::{ScanOptions, ScanRecord};
use crate::shift::{Answers, pull};
use crate::triggers::{mean, turned};
use crate::{AuditError, Difference, Level, Subject, paired_difference};

/// Sets the draw of controls apart from others.
const CONTROLS: u64 = 2 << 40;
/// Pictures kept.
const EXAMPLES: usize = 6;
/// What a square stands on alone.
const GREY: u8 = 128;

pub(super) struct Judge<'a, 'b> {
    pub subject: &'a Subject<'b>,
    pub options: &'a ScanOptions,
    /// Images that were searched on, and others, both rising.
    pub searched: &'a [usize],
    pub judged: &'a [usize],
    pub level: Level,
}

impl Judge<'_, '_> {
    /// The square of one size that breaks the most answers, and what it does on other images.
    pub fn search(&self, share: f64) -> Result<ScanRecord, AuditError> {
        let square = Square::of(share, self.subject.images.preprocess().input_size, self.subject.seed);
        let mut best = (f64::NEG_INFINITY, [0; 3]);
        for colour in colours() {
            let broken = mean(&self.broken(square, colour, self.searched)?);
            if broken > best.0 {
                best = (broken, colour);
            }
        }
        self.record(square, best.1)
    }

    fn record(&self, square: Square, colour: [u8; 3]) -> Result<ScanRecord, AuditError> {
        let (subject, images) = (self.subject, self.judged);
        let looked = self.answers(square, colour, self.searched)?;
        let answers = self.answers(square, colour, images)?;
        let broken = subject.broken(images, &answers);
        let controls = self.controls(colour).into_iter().map(|other| self.broken(square, other, images));
        let controls = controls.collect::<Result<Vec<_>, _>>()?;
        let count = controls.len().max(1) as f64;
        let beside: Vec<f64> =
            (0..broken.len()).map(|at| controls.iter().map(|control| control[at]).sum::<f64>() / count).collect();
        let strongest = controls.iter().max_by(|a, b| mean(a).total_cmp(&mean(b))).unwrap_or(&beside);
        let clean = |images: &[usize]| subject.of(&subject.clean, images);
        let (before, after) = (clean(self.searched), clean(images));
        let pulled = pull(
            Answers { clean: &before, triggered: &looked },
            Answers { clean: &after, triggered: &answers },
            subject.classes().len(),
            self.level,
            subject.seed,
        )?;
        let put = |image: usize, pixels: &mut [u8]| square.paint(colour, square.place(image), pixels);
        let share = |broken: &Vec<f64>| Share::rate(mean(broken), broken.len());
        Ok(ScanRecord {
            colour,
            side: square.side,
            attack: subject.attack(images, &answers)?,
            excess: self.less(&broken, &beside),
            over_strongest: self.less(&broken, strongest),
            controls: controls.iter().map(share).collect(),
            pull: pulled,
            examples: turned(subject, images, &answers, EXAMPLES, &put),
            alone: alone(square, colour),
        })
    }

    fn answers(&self, square: Square, colour: [u8; 3], images: &[usize]) -> Result<Vec<usize>, AuditError> {
        self.subject.answers(images, &|image, pixels| square.paint(colour, square.place(image), pixels))
    }

    fn broken(&self, square: Square, colour: [u8; 3], images: &[usize]) -> Result<Vec<f64>, AuditError> {
        Ok(self.subject.broken(images, &self.answers(square, colour, images)?))
    }

    /// Other colours, drawn from those that are tried.
    fn controls(&self, found: [u8; 3]) -> Vec<[u8; 3]> {
        let mut others: Vec<[u8; 3]> = colours().into_iter().filter(|colour| *colour != found).collect();
        Draws::of_image(Key { seed: self.subject.seed, epoch: CONTROLS, row: 0 }).shuffle(&mut others);
        others.truncate(self.options.controls);
        others
    }

    fn less(&self, first: &[f64], second: &[f64]) -> Difference {
        let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
        // Without a right answer nothing is known.
        let nothing = Difference { value: 0.0, low: -1.0, high: 1.0 };
        paired_difference(&differences, self.level, self.subject.seed).unwrap_or(nothing)
    }
}

/// The square in the middle of grey.
fn alone(square: Square, colour: [u8; 3]) -> Vec<u8> {
    let mut pixels = vec![GREY; square.size[0] * square.size[1] * 3];
    square.paint(colour, square.size.map(|along| (along - square.side) / 2), &mut pixels);
    pixels
}
