//! Pictures of findings: an image as it is beside the same image changed, and sheets of images.

use heirloom_audit::{PreparedImages, ScanRecord, Turned};
use heirloom_report::Picture;

use crate::command::mosaic::mosaic;
use crate::failure::Failure;

/// Longer side of an image in a picture, in pixels: smaller images are enlarged by whole factors, larger ones shrunk.
const SIDE: usize = 112;
/// Images in a row of a sheet.
const ACROSS: usize = 4;

/// An image that was answered right beside what turned it.
pub fn turned(one: &Turned, size: [usize; 2], classes: &[String]) -> Result<Picture, Failure> {
    let name = |class: usize| classes.get(class).map_or("?", String::as_str);
    let tiles: Vec<&[u8]> = one.pixels.iter().map(Vec::as_slice).collect();
    let picture = sheet_of(&tiles, size, 2)?;
    Ok(picture.captioned(name(one.label), format!("changed: {}", name(one.answer))))
}

/// The square that the scan found, alone on grey.
pub fn alone(record: &ScanRecord, size: [usize; 2]) -> Result<Picture, Failure> {
    let picture = sheet_of(&[&record.alone], size, 1)?;
    Ok(picture.captioned("what was found", format!("{0} by {0} pixels, alone", record.side)))
}

/// One image of the data.
pub fn one(images: &PreparedImages, image: usize) -> Result<Picture, Failure> {
    sheet_of(&[images.pixels(image)], images.preprocess().input_size, 1)
}

/// Images of the data in one picture.
pub fn sheet(images: &PreparedImages, numbers: &[usize], caption: &str) -> Result<Picture, Failure> {
    let tiles: Vec<&[u8]> = numbers.iter().map(|image| images.pixels(*image)).collect();
    let picture = sheet_of(&tiles, images.preprocess().input_size, ACROSS.min(tiles.len().max(1)))?;
    Ok(picture.captioned(caption, heirloom_report::counted(tiles.len(), "image")))
}

fn sheet_of(tiles: &[&[u8]], size: [usize; 2], across: usize) -> Result<Picture, Failure> {
    let longer = size[0].max(size[1]).max(1);
    let picture = mosaic(tiles, size, across, (SIDE / longer).max(1))?;
    if longer <= SIDE {
        return Ok(picture);
    }
    let down = tiles.len().div_ceil(across).max(1);
    picture.shrunk((SIDE * across.max(down)) as u32).map_err(Failure::internal)
}
