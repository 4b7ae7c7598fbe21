//! A picture laid over an image through a mask, or through its own transparency, as a hat or a sticker: `x <- x (1 - M) + s M`
//! (`spec/bias-transfer.md` sections 2.1 and 8). The network's own normalisation is affine, so it makes no difference whether pictures are mixed before or after it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InterventionError;
use super::text::Settings;
use crate::{Image, Interpolation, Resampler, decode};

/// A picture and its mask, each resized to the whole image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The picture's file.
    pub picture: PathBuf,
    /// The mask's file: white where the picture hides the image, black where it leaves it, grey in between. `None` for the picture's own
    /// transparency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
}

impl Overlay {
    pub(super) const NAME: &str = "overlay";
    pub(super) const SETTINGS: &str = "picture=FILE, and mask=FILE unless the picture has transparency of its own";
    const EXAMPLE: &str = "overlay:picture=hat.png or overlay:picture=fence.png,mask=fence-mask.png";

    /// Reads both files and brings them to `[height, width]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Result<Layer, InterventionError> {
        let (picture, mask) = match &self.mask {
            Some(mask) => (read(&self.picture, size)?, read(mask, size)?),
            None => transparent(&self.picture, size)?,
        };
        let grey = |pixel: &[u8; 3]| pixel.iter().map(|value| f32::from(*value)).sum::<f32>() / (3.0 * 255.0);
        Ok(Layer { cover: mask.as_chunks().0.iter().map(grey).collect(), picture })
    }

    pub(super) fn beside(&self, folder: &Path) -> Self {
        Self { picture: folder.join(&self.picture), mask: self.mask.as_ref().map(|mask| folder.join(mask)) }
    }

    /// Its files by their contents.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) -> Result<(), InterventionError> {
        hasher.update(Self::NAME.as_bytes());
        for path in std::iter::once(&self.picture).chain(&self.mask) {
            hasher.update(blake3::hash(&contents(path)?).as_bytes());
        }
        Ok(())
    }

    pub(super) fn parse(settings: Settings<'_>) -> Result<Self, InterventionError> {
        let (mut picture, mut mask) = (None, None);
        for (setting, value) in settings.pairs()? {
            match setting {
                "picture" => picture = Some(PathBuf::from(value)),
                "mask" => mask = Some(PathBuf::from(value)),
                other => return Err(settings.unknown(other)),
            }
        }
        let missing = |setting| InterventionError::Missing { kind: Self::NAME, setting, example: Self::EXAMPLE };
        Ok(Self { picture: picture.ok_or(missing("picture"))?, mask })
    }
}

impl std::fmt::Display for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:picture={}", Self::NAME, self.picture.display())?;
        self.mask.as_ref().map_or(Ok(()), |mask| write!(f, ",mask={}", mask.display()))
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, InterventionError> {
    std::fs::read(path).map_err(|error| refused(path, error))
}

/// Pixels of a file at one size, `[height, width, 3]`.
fn read(path: &Path, size: [usize; 2]) -> Result<Vec<u8>, InterventionError> {
    let image = decode(&contents(path)?).map_err(|problem| refused(path, problem))?;
    resized(path, &image, size)
}

/// Colours and opacity of a file, each at one size and as `[height, width, 3]`.
fn transparent(path: &Path, size: [usize; 2]) -> Result<(Vec<u8>, Vec<u8>), InterventionError> {
    let bytes = contents(path)?;
    let image = image::load_from_memory(&bytes).map_err(|error| refused(path, error))?;
    if !image.color().has_alpha() {
        return Err(refused(path, "it has no transparency: a mask says where it hides the image, mask=FILE"));
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (mut colours, mut opacity) = (Image::default(), Image::default());
    let pixels = image.to_rgba8();
    let to = colours.reshape(width, height).chunks_exact_mut(3).zip(opacity.reshape(width, height).chunks_exact_mut(3));
    for ((colour, cover), pixel) in to.zip(pixels.pixels()) {
        colour.copy_from_slice(&pixel.0[..3]);
        cover.fill(pixel.0[3]);
    }
    Ok((resized(path, &colours, size)?, resized(path, &opacity, size)?))
}

fn refused(path: &Path, reason: impl ToString) -> InterventionError {
    InterventionError::Picture { path: path.to_path_buf(), reason: reason.to_string() }
}

fn resized(path: &Path, image: &Image, [height, width]: [usize; 2]) -> Result<Vec<u8>, InterventionError> {
    let mut pixels = vec![0; height * width * 3];
    let resized = Resampler::new().resize(image, width, height, Interpolation::Bilinear, &mut pixels);
    resized.map_err(|error| refused(path, error))?;
    Ok(pixels)
}

/// A picture and how much of it each pixel shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// `[height, width, 3]`.
    pub picture: Vec<u8>,
    /// `[height, width]`, 0 to 1.
    pub cover: Vec<f32>,
}

impl Layer {
    /// Lays the picture over one image, `image: [height, width, 3]`.
    pub fn blend(&self, image: &mut [u8]) {
        let pixels = image.as_chunks_mut::<3>().0.iter_mut().zip(self.picture.as_chunks::<3>().0);
        for ((pixel, over), cover) in pixels.zip(&self.cover) {
            for (value, over) in pixel.iter_mut().zip(over) {
                *value = mixed(f32::from(*value), f32::from(*over), *cover).round() as u8;
            }
        }
    }
}

/// `x (1 - M) + s M`.
pub(super) fn mixed(value: f32, over: f32, cover: f32) -> f32 {
    value * (1.0 - cover) + over * cover
}
