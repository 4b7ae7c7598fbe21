//! A world as an image folder.

use std::path::{Path, PathBuf};

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use super::{World, WorldError};
use crate::parallel::blocks;
use crate::{Image, Split};

/// One image to draw and its file.
struct Work {
    split: Split,
    class: usize,
    number: usize,
    path: PathBuf,
}

/// Draws an image of a split and class by its number; `None` for a class that does not exist.
type Drawing<'a> = &'a (dyn Fn(Split, usize, usize) -> Option<Image> + Sync);

/// Writes `train/class/0000.png` and `test/class/0000.png` on every processor, as many images of each class as `counts` says.
pub(super) fn write_folder(
    folder: &Path,
    classes: &[String],
    counts: [(Split, usize); 2],
    draw: Drawing<'_>,
) -> Result<(), WorldError> {
    let work = work(folder, classes, counts)?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let write_one = |work: &Work| {
        let image = draw(work.split, work.class, work.number);
        image.map_or(Ok(()), |image| write_png(&work.path, &image))
    };
    let drawn = blocks(work.len(), 16, threads, |range| work[range].iter().map(write_one).collect());
    drawn.into_iter().collect()
}

/// Makes the folders and lists the files.
fn work(folder: &Path, classes: &[String], counts: [(Split, usize); 2]) -> Result<Vec<Work>, WorldError> {
    let mut work = Vec::new();
    for (split, count) in counts {
        for (class, name) in classes.iter().enumerate() {
            let folder = folder.join(split.to_string()).join(name);
            if count > 0 {
                std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
            }
            let file = |number| folder.join(format!("{number:04}.png"));
            work.extend((0..count).map(|number| Work { split, class, number, path: file(number) }));
        }
    }
    Ok(work)
}

impl World {
    /// Writes the world as an image folder, `train/class/0000.png` and `test/class/0000.png`, on every processor.
    ///
    /// # Errors
    /// Settings without sense, or a file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), WorldError> {
        self.check()?;
        let counts = [(Split::Train, self.train), (Split::Test, self.test)];
        write_folder(folder, &self.classes(), counts, &|split, class, number| self.image(split, class, number))
    }
}

fn write_png(path: &Path, image: &Image) -> Result<(), WorldError> {
    let mut bytes = Vec::new();
    let (width, height) = (image.width() as u32, image.height() as u32);
    PngEncoder::new(&mut bytes)
        .write_image(image.pixels(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| failed(path, error))?;
    std::fs::write(path, bytes).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: impl std::fmt::Display) -> WorldError {
    WorldError::Write { path: path.to_path_buf(), reason: error.to_string() }
}
