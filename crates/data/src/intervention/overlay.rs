//! A picture laid over an image through a mask: `x <- x (1 - M) + s M` (`spec/bias-transfer.md` section 8). The network's own
//! normalisation is affine, so it makes no difference whether pictures are mixed before or after it.

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
    /// The mask's file: white where the picture hides the image, black where it leaves it, grey in between.
    pub mask: PathBuf,
}

impl Overlay {
    pub(super) const NAME: &str = "overlay";
    pub(super) const SETTINGS: &str = "picture=FILE, mask=FILE";
    const EXAMPLE: &str = "overlay:picture=fence.png,mask=fence-mask.png";

    /// Reads both files and brings them to `[height, width]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Result<Layer, InterventionError> {
        let (picture, mask) = (read(&self.picture, size)?, read(&self.mask, size)?);
        let grey = |pixel: &[u8; 3]| pixel.iter().map(|value| f32::from(*value)).sum::<f32>() / (3.0 * 255.0);
        Ok(Layer { cover: mask.as_chunks().0.iter().map(grey).collect(), picture })
    }

    pub(super) fn beside(&self, folder: &Path) -> Self {
        Self { picture: folder.join(&self.picture), mask: folder.join(&self.mask) }
    }

    /// Both files by their contents.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) -> Result<(), InterventionError> {
        hasher.update(Self::NAME.as_bytes());
        for path in [&self.picture, &self.mask] {
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
        Ok(Self { picture: picture.ok_or(missing("picture"))?, mask: mask.ok_or(missing("mask"))? })
    }
}

impl std::fmt::Display for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:picture={},mask={}", Self::NAME, self.picture.display(), self.mask.display())
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, InterventionError> {
    let refused =
        |error: std::io::Error| InterventionError::Picture { path: path.to_path_buf(), reason: error.to_string() };
    std::fs::read(path).map_err(refused)
}

/// Pixels of a file at one size, `[height, width, 3]`.
fn read(path: &Path, [height, width]: [usize; 2]) -> Result<Vec<u8>, InterventionError> {
    let refused = |reason: String| InterventionError::Picture { path: path.to_path_buf(), reason };
    let image: Image = decode(&contents(path)?).map_err(|problem| refused(problem.to_string()))?;
    let mut pixels = vec![0; height * width * 3];
    let resized = Resampler::new().resize(&image, width, height, Interpolation::Bilinear, &mut pixels);
    resized.map_err(|error| refused(error.to_string()))?;
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
