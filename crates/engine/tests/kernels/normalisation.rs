//! Layer normalisation and softmax.

use heirloom_engine::kernels::{Isa, Rows, RowsMut, layer_norm, softmax};

use crate::support::{assert_near, values};

#[test]
fn layer_norm_of_rows() {
    for isa in Isa::available() {
        // The offset makes a one-pass variance lose its digits.
        for (rows, channels, offset) in
            [(1, 1, 0.0), (3, 5, 0.0), (4, 16, 100.0), (5, 192, 0.0), (3, 100, 1000.0), (2, 768, -300.0), (7, 33, 0.0)]
        {
            let stride = channels + 1;
            let input: Vec<f32> = values(1, (rows + 1) * stride).into_iter().map(|x| x + offset).collect();
            let (weight, bias, epsilon) = (values(2, channels), values(3, channels), 1e-6);
            let mut expected = Vec::new();
            for row in 1..=rows {
                let values = || input[row * stride..][..channels].iter().map(|&x| f64::from(x));
                let mean = values().sum::<f64>() / channels as f64;
                let variance = values().map(|x| (x - mean) * (x - mean)).sum::<f64>() / channels as f64;
                let scaled = values().map(|x| (x - mean) / (variance + epsilon).sqrt());
                expected
                    .extend(scaled.zip(weight.iter().zip(&bias)).map(|(x, (w, b))| x * f64::from(*w) + f64::from(*b)));
            }
            let mut found = vec![f32::NAN; rows * channels];
            layer_norm(
                isa,
                Rows::new(&input, stride),
                1..rows + 1,
                &weight,
                &bias,
                epsilon,
                RowsMut::new(&mut found, channels),
            );
            let tolerance = 1e-5 + 3e-7 * f64::from(offset.abs());
            assert_near(&found, &expected, tolerance, 1.0, &format!("{isa} {rows}x{channels} about {offset}"));
        }
    }
}

#[test]
fn softmax_of_rows() {
    for isa in Isa::available() {
        for (rows, columns, scale) in
            [(1, 1, 1.0), (3, 5, 1.0), (4, 16, 10.0), (2, 197, 3.0), (3, 1000, 80.0), (2, 33, 1e6)]
        {
            let stride = columns + 2;
            let mut found: Vec<f32> = values(columns as u64, rows * stride).into_iter().map(|x| x * scale).collect();
            let mut expected = Vec::new();
            for row in found.chunks(stride) {
                let largest = row[..columns].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f64> =
                    row[..columns].iter().map(|&x| (f64::from(x) - f64::from(largest)).exp()).collect();
                let sum: f64 = weights.iter().sum();
                expected.push(weights.iter().map(|w| w / sum).collect::<Vec<_>>());
            }
            softmax(isa, RowsMut::new(&mut found, stride), rows, columns);
            for (row, expected) in found.chunks(stride).zip(&expected) {
                assert_near(&row[..columns], expected, 1e-5, 1e-6, &format!("{isa} {rows}x{columns}"));
                assert!((row[..columns].iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }
}
