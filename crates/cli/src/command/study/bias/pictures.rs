//! What is laid over images: people made small, and drawn objects with their controls.

use std::path::{Path, PathBuf};

use heirloom_audit::study::Object;
use heirloom_data::augment::{Draws, Key};
use heirloom_data::{Drawing, Split, Table, decode};

use crate::failure::Failure;

/// Side of a person in pixels at 32 pixels of image, and how many are drawn to train and to judge with.
const PERSON: usize = 12;
const PEOPLE: [usize; 2] = [120, 60];
/// Side of the drawn objects in pixels; resized to the image's when they are laid over it.
const SIDE: usize = 224;
/// Tiles of a shuffled object across its side.
const TILES: usize = 8;
/// Classes of ImageNet.
const CHAIN_LINK: usize = 489;
const TENNIS_BALL: usize = 852;

/// Small pictures of people, each at a place of its own in an otherwise transparent picture of `side` pixels: from training rows to train
/// with, from test rows to judge with.
pub fn people(table: &Table, side: usize, folder: &Path) -> Result<[Vec<PathBuf>; 2], Failure> {
    let small = PERSON * side / 32;
    let mut all = [Vec::new(), Vec::new()];
    for (which, split) in [Split::Train, Split::Test].into_iter().enumerate() {
        let rows = table.rows_in(Some(split));
        let bytes = table.encoded(&rows);
        let readable = bytes.into_iter().flatten().filter_map(|bytes| decode(&bytes).ok());
        let images: Vec<_> = readable.take(PEOPLE[which]).collect();
        for (at, image) in images.iter().enumerate() {
            let mut draws = Draws::of_image(Key { seed: which as u64, epoch: 0, row: at });
            let place = [0, 1].map(|_| draws.below(side - small + 1));
            let drawing =
                Drawing::placed(image, small, place, side).map_err(|error| Failure::input(error.to_string()))?;
            all[which].push(write(&drawing, folder, &format!("person-{which}-{at}"))?);
        }
    }
    Ok(all)
}

/// The objects, each with its texture in disorder, and with its tiles in disorder.
pub fn objects(folder: &Path) -> Result<Vec<Object>, Failure> {
    let object = |name: &str, class: usize, drawing: &Drawing| -> Result<Object, Failure> {
        let stem = name.replace(' ', "-");
        let control = |what: &str, drawing: &Drawing| -> Result<(String, PathBuf), Failure> {
            Ok((format!("{name}, {what}"), write(drawing, folder, &format!("{stem}-{}", what.replace(' ', "-")))?))
        };
        Ok(Object {
            name: name.to_owned(),
            class,
            picture: write(drawing, folder, &stem)?,
            controls: vec![
                control("texture in disorder", &drawing.scrambled(1))?,
                control("tiles in disorder", &drawing.shuffled(TILES, 1))?,
            ],
        })
    };
    Ok(vec![
        object("a chain-link fence", CHAIN_LINK, &Drawing::chain_link(SIDE))?,
        object("a tennis ball", TENNIS_BALL, &Drawing::tennis_ball(SIDE))?,
    ])
}

fn write(drawing: &Drawing, folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{name}.png"));
    drawing.write(&path).map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    Ok(path)
}
