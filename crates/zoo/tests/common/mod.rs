//! What the integration tests share: where the real data is, stored tensors, running a backbone, the error measure.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use heirloom_engine::{Graph, Isa, Pixels, Plan, PlanOptions, Precision, Weights, Workspace};
use safetensors::SafeTensors;

/// The folder of real weights, or `None` (said on stderr) where there is no real data.
pub fn weights_folder() -> Option<PathBuf> {
    let data = match std::env::var_os("HEIRLOOM_DATA") {
        Some(data) => PathBuf::from(data),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    let folder = data.join("weights");
    if !folder.is_dir() {
        eprintln!("skipped: no weights in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// A float tensor of a safetensors file.
pub struct Stored {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// All float tensors of a safetensors file.
pub fn stored(path: &Path) -> BTreeMap<String, Stored> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        (name, Stored { shape: view.shape().to_vec(), values })
    });
    tensors.collect()
}

/// One image from `[1, channels, height, width]` to `[height, width, channels]`.
pub fn channels_last(image: &Stored) -> Vec<f32> {
    let &[_, channels, height, width] = image.shape.as_slice() else { panic!("shape {:?}", image.shape) };
    let plane = height * width;
    (0..plane * channels).map(|i| image.values[i % channels * plane + i / channels]).collect()
}

/// The values of `taps` for `images` images of `size`, already normalised, channels last.
pub fn run(
    graph: &Graph,
    weights: &Weights,
    size: [usize; 2],
    pixels: &[f32],
    images: usize,
    taps: &[&str],
) -> Vec<Vec<f32>> {
    run_on(Isa::detect(), graph, weights, size, Pixels::Normalized(pixels), images, taps)
}

/// As [`run`], with the kernels of one instruction set and pixels of either kind.
pub fn run_on(
    isa: Isa,
    graph: &Graph,
    weights: &Weights,
    size: [usize; 2],
    pixels: Pixels<'_>,
    images: usize,
    taps: &[&str],
) -> Vec<Vec<f32>> {
    run_in(Precision::F32, isa, graph, weights, size, pixels, images, taps)
}

/// As [`run_on`], with products in one precision.
#[allow(clippy::too_many_arguments)]
pub fn run_in(
    precision: Precision,
    isa: Isa,
    graph: &Graph,
    weights: &Weights,
    size: [usize; 2],
    pixels: Pixels<'_>,
    images: usize,
    taps: &[&str],
) -> Vec<Vec<f32>> {
    let taps: Vec<String> = taps.iter().map(|&tap| tap.to_owned()).collect();
    let count = taps.len();
    let options = PlanOptions { input_size: size, taps, isa, precision };
    let plan = Plan::compile(graph, weights, &options).unwrap();
    let mut workspace = Workspace::default();
    plan.run(pixels, images, &mut workspace).unwrap();
    (0..count).map(|tap| workspace.tap(tap).unwrap().to_vec()).collect()
}

/// `max |ours - reference| / max |reference|`.
pub fn relative_error(ours: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(ours.len(), reference.len());
    let scale = reference.iter().fold(0.0_f64, |most, &value| most.max(f64::from(value.abs())));
    let worst = ours.iter().zip(reference).map(|(&a, &b)| f64::from((a - b).abs()));
    // A value that is not a number must not vanish in a maximum.
    worst.fold(0.0, |most, error| if error.is_nan() { f64::INFINITY } else { f64::max(most, error) }) / scale
}
