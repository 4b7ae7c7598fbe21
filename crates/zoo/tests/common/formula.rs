//! The formula of tests/reference/networks.py: parameters and an image from a hash of a key and an element's index.

use heirloom_engine::{Graph, Tensor, Weights};

/// `count` values in [-1, 1) on a grid of 2^-23: FNV-1a of the key, then splitmix64 over the index.
fn uniform(key: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = key
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (0..count as u64).map(move |index| {
        let z = seed.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// A parameter; `scales` multiply those whose key ends so.
fn parameter(key: &str, shape: &[usize], scales: &[(String, f64)]) -> Tensor {
    let last = key.rsplit(['.', '/']).next().unwrap();
    let (centre, spread) = match last {
        "running_var" | "moving_variance" | "gamma" | "layer_scale" => (1.0, 0.1),
        "weight" if shape.len() == 1 => (1.0, 0.1),
        "bias" | "biases" | "beta" | "running_mean" | "moving_mean" => (0.0, 0.1),
        "cls_token" | "pos_embed" => (0.0, 1.0),
        // Fixup's multipliers and biases.
        "scale" if shape == [1] => (1.0, 0.1),
        _ if shape == [1] => (0.0, 0.1),
        _ => (0.0, (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt()),
    };
    let factors: Vec<f64> =
        scales.iter().filter(|(suffix, _)| key.ends_with(suffix.as_str())).map(|&(_, factor)| factor).collect();
    let count = shape.iter().product();
    let values =
        uniform(key, count).map(|u| factors.iter().fold(centre + spread * u, |value, factor| value * factor) as f32);
    Tensor::new(shape.to_vec(), values.collect()).unwrap()
}

/// All parameters of a graph.
pub fn weights(graph: &Graph, scales: &[(String, f64)]) -> Weights {
    let tensors = graph.parameters.iter().map(|(key, shape)| (key.clone(), parameter(key, shape, scales)));
    Weights { tensors: tensors.collect() }
}

/// Normalised pixels `[side, side, 3]` under a name of their own.
#[allow(dead_code)]
pub fn named_image(name: &str, side: usize) -> Vec<f32> {
    uniform(name, side * side * 3).map(|u| (u * 3.0_f64.sqrt()) as f32).collect()
}

/// Normalised pixels `[side, side, 3]`.
#[allow(dead_code)]
pub fn image(side: usize) -> Vec<f32> {
    uniform("image", side * side * 3).map(|u| (u * 3.0_f64.sqrt()) as f32).collect()
}
