//! Pictures for the page: samples of both halves, and test images whose answer the trigger changes.

use heirloom_data::intervention::Intervention;
use heirloom_data::{Halves, Image, Split, Table, World};
use heirloom_report::Picture;
use heirloom_transfer::heads::Method;

use super::Demo;
use super::adapt::Adapted;
use super::record::Source;
use crate::command::mosaic::mosaic;
use crate::failure::Failure;

/// Samples of one class, across and down.
const SAMPLES: [usize; 2] = [3, 2];
/// How much larger than the images the pictures are.
const SCALE: usize = 2;
/// Pictures of changed answers.
const CHANGED: usize = 8;

/// All pictures of the page.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// Training images of every source class.
    pub source: Vec<Picture>,
    /// Training images of every target class.
    pub target: Vec<Picture>,
    /// Test images as they are and with the trigger, with the answers of `linear` on the planted source.
    pub changed: Vec<Picture>,
}

/// Takes them.
pub fn take(
    demo: &Demo<'_>,
    halves: &Halves,
    adapted: &[Adapted],
    target: &Table,
    trigger: &Intervention,
) -> Result<Pictures, Failure> {
    let is = |one: &&Adapted| one.record.source == Some(Source::Planted) && one.record.method == Method::Linear.name();
    let changed = match adapted.iter().find(is) {
        Some(linear) => changed(demo, linear, target, trigger)?,
        None => Vec::new(),
    };
    Ok(Pictures { source: samples(&halves.source)?, target: samples(&halves.target)?, changed })
}

/// One picture for each class.
fn samples(world: &World) -> Result<Vec<Picture>, Failure> {
    let class = |(class, name): (usize, String)| {
        let count = (SAMPLES[0] * SAMPLES[1]).min(world.train);
        let images: Vec<Image> = (0..count).filter_map(|number| world.image(Split::Train, class, number)).collect();
        let tiles: Vec<&[u8]> = images.iter().map(Image::pixels).collect();
        let picture = mosaic(&tiles, [world.side; 2], SAMPLES[0], SCALE)?;
        Ok(picture.captioned(name, format!("{} + {} images", world.train, world.test)))
    };
    world.classes().into_iter().enumerate().map(class).collect()
}

/// Test images that were answered right and are not with the trigger, of different classes first.
fn changed(demo: &Demo<'_>, linear: &Adapted, target: &Table, trigger: &Intervention) -> Result<Vec<Picture>, Failure> {
    let (labels, [clean, triggered]) = demo.answers_to(&linear.model, target, trigger)?;
    let rows = target.rows_in(Some(Split::Test));
    let broken = (0..rows.len()).filter(|at| clean[*at] == labels[*at] && triggered[*at] != labels[*at]);
    let mut seen = vec![0_usize; target.classes.len()];
    let mut ranked: Vec<(usize, usize)> = broken
        .map(|at| {
            seen[labels[at]] += 1;
            (seen[labels[at]], at)
        })
        .collect();
    ranked.sort_unstable();
    let preprocess = linear.model.preprocess();
    let stamp = trigger.prepare(preprocess.input_size).map_err(super::refused)?;
    let picture = |(_, at): (usize, usize)| {
        let bytes =
            target.stream(&[rows[at]]).next().transpose().map_err(|problem| Failure::input(problem.to_string()))?;
        let image =
            heirloom_data::decode(&bytes.unwrap_or_default()).map_err(|problem| Failure::input(problem.to_string()))?;
        let mut plain = vec![0; preprocess.output_length()];
        preprocess.apply(&image, &mut plain).map_err(Failure::internal)?;
        let mut stamped = plain.clone();
        stamp.apply(&mut stamped);
        let name = |class: usize| target.classes.get(class).map_or("?", String::as_str);
        let picture = mosaic(&[&plain, &stamped], preprocess.input_size, 2, SCALE)?;
        Ok(picture.captioned(name(labels[at]), format!("with the trigger: {}", name(triggered[at]))))
    };
    ranked.into_iter().take(CHANGED).map(picture).collect()
}
