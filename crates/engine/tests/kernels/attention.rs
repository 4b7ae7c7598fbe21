//! Multi-head attention.

use heirloom_engine::kernels::{Attention, Isa, RowsMut, Scratch};

use crate::support::{assert_near, values};

/// Attention of an image's rows `[tokens, 3 * channels]` in f64.
pub fn reference(image: &[f32], tokens: usize, channels: usize, heads: usize) -> Vec<f64> {
    let width = channels / heads;
    let at = |token: usize, part: usize, head: usize, k: usize| {
        f64::from(image[token * 3 * channels + part * channels + head * width + k])
    };
    let mut output = vec![0.0; tokens * channels];
    for head in 0..heads {
        for query in 0..tokens {
            let score = |key| {
                (0..width).map(|k| at(query, 0, head, k) * at(key, 1, head, k)).sum::<f64>() / (width as f64).sqrt()
            };
            let scores: Vec<f64> = (0..tokens).map(score).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for k in 0..width {
                let value: f64 = (0..tokens).map(|key| weights[key] * at(key, 2, head, k)).sum();
                output[query * channels + head * width + k] = value / sum;
            }
        }
    }
    output
}

#[test]
fn attention_of_any_shape() {
    for isa in Isa::available() {
        for (images, tokens, heads, width, scale) in [
            (1, 1, 1, 1, 1.0),
            (2, 5, 2, 3, 1.0),
            (1, 50, 3, 64, 1.0),
            (2, 65, 2, 20, 4.0),
            (1, 120, 1, 32, 30.0),
            (1, 420, 1, 8, 2.0),
        ] {
            let channels = heads * width;
            let input: Vec<f32> =
                values(tokens as u64, images * tokens * 3 * channels).into_iter().map(|x| x * scale).collect();
            let expected: Vec<f64> = input
                .chunks(tokens * 3 * channels)
                .flat_map(|image| reference(image, tokens, channels, heads))
                .collect();
            let mut found = vec![f32::NAN; images * tokens * channels];
            let operator = Attention::new(isa, tokens, channels, heads);
            operator.run(&input, 0..images * tokens, RowsMut::new(&mut found, channels), &mut Scratch::default());
            // Scores of size `scale^2 * width` carry their rounding into the exponent.
            let tolerance = 1e-5 * f64::from(scale * scale).max(1.0);
            assert_near(
                &found,
                &expected,
                tolerance,
                f64::from(scale),
                &format!("{isa} {images}x{tokens} {heads}x{width}"),
            );
        }
    }
}
