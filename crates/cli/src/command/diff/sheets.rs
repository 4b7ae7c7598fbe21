//! Pictures of images that one of the two models alone has wrong.

use heirloom_report::Picture;

use super::DiffReport;
use super::sides::Sides;
use crate::command::audit::pictures;
use crate::failure::Failure;

/// Images shown of each kind, at most.
const SHOWN: usize = 16;

/// Images that one side (0 the first, 1 the second) alone has wrong, each with its class and that side's answer, spread over all of them.
pub fn alone(report: &DiffReport, sides: &Sides, side: usize) -> Result<Vec<Picture>, Failure> {
    let images = &report.alone[side];
    let step = images.len().div_ceil(SHOWN).max(1);
    let name = |class: usize| report.classes.get(class).map_or("?", String::as_str);
    let picture = |image: &usize| {
        let (label, answer) = (sides.first.labels[*image], report.answers[side][*image]);
        let picture = pictures::one(&sides.first.images, *image)?;
        Ok(picture.captioned(name(label), format!("answer: {}", name(answer))))
    };
    images.iter().step_by(step).map(picture).collect()
}
