//! Which precision a frozen network runs in: what was asked for, or bf16 where the processor has a matrix unit for it and the network's
//! features hardly change.
//!
//! The check sees no image of anybody's: sixteen pictures are drawn from formulas, and the features of every default layer, averaged over
//! positions, and the logits must keep a cosine of 0.999 to those of `f32`. Its outcome is kept in the cache under the digests of all
//! that decides it, so that it runs once for a network and a processor.

use std::fs;
use std::path::{Path, PathBuf};

use heirloom_engine::{Isa, Pixels, Plan, PlanOptions, Precision, Workspace};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::{ExtractError, ExtractOptions, Network, graph_digest};
use crate::store::{NUMERICS, write_atomically};

/// Least cosine of features in bf16 to those in `f32`.
pub const LEAST_COSINE: f64 = 0.999;
/// Pictures that the check draws.
const PICTURES: usize = 16;
/// Folder of the outcomes inside the cache.
const FOLDER: &str = "parity-v1";

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionChoice {
    /// bf16 where the processor has a matrix unit and the check passes, else `f32`.
    #[default]
    Auto,
    /// This one.
    Of(Precision),
}

/// How far features in bf16 are from those in `f32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// The layer whose features change most.
    pub layer: String,
    /// Least cosine of a picture's features in that layer; 0 where one is not a number.
    pub cosine: f64,
}

impl Parity {
    /// Whether bf16 may stand for `f32`.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.cosine >= LEAST_COSINE
    }
}

impl ExtractOptions {
    /// The same with products in a precision, on the best kernels of this processor for it.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, isa: Isa::detect_for(precision), ..self }
    }
}

/// Runs the check, or reads its outcome in `cache`; `begins` is told before it runs. `None` where the processor has no matrix unit, and nothing is run.
///
/// # Errors
/// A network that does not fit together.
pub fn parity(backbone: &Backbone, cache: &Path, begins: impl FnOnce()) -> Result<Option<Parity>, ExtractError> {
    let isa = Isa::detect_for(Precision::Bf16);
    if isa != Isa::Amx {
        return Ok(None);
    }
    let path = file(backbone, cache);
    if let Some(known) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(Some(known));
    }
    begins();
    let found = measure(backbone, isa)?;
    // An outcome that cannot be kept is found anew the next time.
    if let (Some(folder), Ok(json)) = (path.parent(), serde_json::to_vec(&found)) {
        let _ = fs::create_dir_all(folder).and_then(|()| write_atomically(&path, &[&json]));
    }
    Ok(Some(found))
}

/// Where the outcome of a network's check is kept: all that decides its bits is in the name.
fn file(backbone: &Backbone, cache: &Path) -> PathBuf {
    let network = Network::from(backbone);
    let mut hasher = blake3::Hasher::new();
    let (graph, kernels) = (graph_digest(network.graph), format!("{} {}", Isa::detect(), Isa::Amx));
    let taps = layers(backbone).join("\n");
    let preprocess = network.preprocess.describe();
    for part in [network.weights_digest, &graph, &preprocess, &taps, &kernels, &NUMERICS.to_string()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    cache.join(FOLDER).join(format!("{}.json", hasher.finalize().to_hex()))
}

/// The layers that are compared: the default ones and the logits.
fn layers(backbone: &Backbone) -> Vec<String> {
    let mut layers = backbone.taps.clone();
    layers.extend(backbone.logits.clone());
    layers.push(backbone.features.clone());
    layers.dedup();
    layers
}

fn measure(backbone: &Backbone, isa: Isa) -> Result<Parity, ExtractError> {
    let layers = layers(backbone);
    let pictures = pictures(backbone.preprocess.input_size);
    let exact = features(backbone, &layers, &pictures, (Precision::F32, Isa::detect()))?;
    let rounded = features(backbone, &layers, &pictures, (Precision::Bf16, isa))?;
    let mut least = Parity { layer: String::new(), cosine: f64::INFINITY };
    for ((layer, exact), rounded) in layers.into_iter().zip(&exact).zip(&rounded) {
        for (exact, rounded) in exact.iter().zip(rounded) {
            let cosine = cosine(exact, rounded);
            if cosine < least.cosine {
                least = Parity { layer: layer.clone(), cosine };
            }
        }
    }
    Ok(least)
}

/// For each layer and picture the means over positions.
fn features(
    backbone: &Backbone,
    layers: &[String],
    pictures: &[u8],
    (precision, isa): (Precision, Isa),
) -> Result<Vec<Vec<Vec<f64>>>, ExtractError> {
    let input_size = backbone.preprocess.input_size;
    let options = PlanOptions { input_size, taps: layers.to_vec(), isa, precision };
    let plan = Plan::compile(&backbone.graph, &backbone.weights, &options)?;
    let mut workspace = Workspace::default();
    let mut found = vec![Vec::new(); layers.len()];
    for picture in pictures.chunks_exact(3 * input_size[0] * input_size[1]) {
        plan.run_each(Pixels::Bytes(picture), 1, &mut workspace, |tap, values| {
            let shape = plan.taps()[tap].shape;
            let mut means = vec![0.0; shape.channels()];
            for position in values.chunks_exact(shape.channels().max(1)) {
                means.iter_mut().zip(position).for_each(|(mean, value)| *mean += f64::from(*value));
            }
            found[tap].push(means);
        })?;
    }
    Ok(found)
}

/// Cosine of two vectors; 1 where both are nothing but zeros, 0 where there is none.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (length, product) = ((dot(a, a) * dot(b, b)).sqrt(), dot(a, b));
    match (length > 0.0, dot(a, a) == 0.0 && dot(b, b) == 0.0) {
        (true, _) if (product / length).is_finite() => product / length,
        (false, true) => 1.0,
        _ => 0.0,
    }
}

/// The pictures, one after the other: waves of rising frequency in slanted directions, over which every other picture has a disc and
/// every third one a grain.
fn pictures([height, width]: [usize; 2]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(PICTURES * height * width * 3);
    for picture in 0..PICTURES {
        for y in 0..height {
            for x in 0..width {
                let at = [y as f64 / height as f64, x as f64 / width as f64];
                (0..3).for_each(|channel| pixels.push(colour(picture, channel, at, y * width + x)));
            }
        }
    }
    pixels
}

fn colour(picture: usize, channel: usize, [y, x]: [f64; 2], pixel: usize) -> u8 {
    let turn = picture as f64 * 2.399_963 + channel as f64;
    let wave = (std::f64::consts::TAU * (1.0 + picture as f64) * (x * turn.cos() + y * turn.sin()) + turn).sin();
    let from_centre = (x - 0.3 - 0.025 * picture as f64).hypot(y - 0.5);
    let disc = if picture.is_multiple_of(2) && from_centre < 0.25 { 70.0 * (channel as f64 - 1.0) } else { 0.0 };
    // A multiplicative hash of the pixel: the same on every machine.
    let hash = (pixel as u64 * 3 + channel as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    let grain = if picture.is_multiple_of(3) { hash as f64 / 8.0 - 16.0 } else { 0.0 };
    (128.0 + 70.0 * wave + disc + grain).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_of_nothing_and_of_no_number() {
        assert_eq!(cosine(&[0.0, 0.0], &[0.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 0.0]), 0.0);
        assert_eq!(cosine(&[f64::NAN], &[1.0]), 0.0);
        assert_eq!(cosine(&[f64::INFINITY], &[1.0]), 0.0);
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn pictures_differ_and_use_the_range() {
        let all = pictures([24, 20]);
        let each: Vec<&[u8]> = all.chunks_exact(24 * 20 * 3).collect();
        assert_eq!(each.len(), PICTURES);
        for (at, picture) in each.iter().enumerate() {
            assert!(each[..at].iter().all(|other| other != picture), "{at}");
            assert!(picture.iter().max() > Some(&180) && picture.iter().min() < Some(&75), "{at}");
        }
    }
}
