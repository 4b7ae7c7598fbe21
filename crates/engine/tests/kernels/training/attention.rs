//! Multi-head attention.

use heirloom_engine::kernels::training::{
    AttentionGradient, Bf16AttentionTraining, TrainingScratch, attention_forward,
};
use heirloom_engine::kernels::{Attention, Isa, RowsMut, Scratch};

use super::support::{assert_close, assert_within, differences, dot, double, on_threads};
use crate::bf16::{all_rounded, variants};
use crate::support::{bits, values};

/// One image's attention `[tokens, 3 * channels]` in double precision.
#[derive(Clone, Copy)]
struct Case {
    tokens: usize,
    heads: usize,
    width: usize,
}

impl Case {
    fn channels(&self) -> usize {
        self.heads * self.width
    }

    fn at(&self, token: usize, part: usize, head: usize) -> std::ops::Range<usize> {
        let start = (token * 3 + part) * self.channels() + head * self.width;
        start..start + self.width
    }

    fn dot(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// Probabilities of the keys for one query.
    fn weights(&self, image: &[f64], query: usize, head: usize) -> Vec<f64> {
        let scale = 1.0 / (self.width as f64).sqrt();
        let score = |key| scale * self.dot(&image[self.at(query, 0, head)], &image[self.at(key, 1, head)]);
        let scores: Vec<f64> = (0..self.tokens).map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    fn forward(&self, image: &[f64]) -> Vec<f64> {
        let mut output = vec![0.0; self.tokens * self.channels()];
        for head in 0..self.heads {
            for query in 0..self.tokens {
                let weights = self.weights(image, query, head);
                let output = &mut output[query * self.channels() + head * self.width..][..self.width];
                for (key, weight) in weights.iter().enumerate() {
                    output.iter_mut().zip(&image[self.at(key, 2, head)]).for_each(|(y, v)| *y += weight * v);
                }
            }
        }
        output
    }

    fn backward(&self, image: &[f64], dy: &[f64]) -> Vec<f64> {
        let scale = 1.0 / (self.width as f64).sqrt();
        let mut dx = vec![0.0; image.len()];
        let mut add = |at: std::ops::Range<usize>, factor: f64, values: &[f64]| {
            dx[at].iter_mut().zip(values).for_each(|(dx, value)| *dx += factor * value);
        };
        for head in 0..self.heads {
            for query in 0..self.tokens {
                let weights = self.weights(image, query, head);
                let dy = &dy[query * self.channels() + head * self.width..][..self.width];
                let slopes: Vec<f64> =
                    (0..self.tokens).map(|key| self.dot(dy, &image[self.at(key, 2, head)])).collect();
                let mean = self.dot(&slopes, &weights);
                for key in 0..self.tokens {
                    let slope = scale * weights[key] * (slopes[key] - mean);
                    add(self.at(query, 0, head), slope, &image[self.at(key, 1, head)]);
                    add(self.at(key, 1, head), slope, &image[self.at(query, 0, head)]);
                    add(self.at(key, 2, head), weights[key], dy);
                }
            }
        }
        dx
    }
}

#[test]
fn gradients() {
    for (images, tokens, heads, width, scale) in [
        (1, 1, 1, 1, 1.0),
        (7, 5, 2, 3, 1.0),
        (1, 4, 1, 17, 2.0),
        (1, 50, 3, 64, 1.0),
        (2, 65, 2, 33, 2.0),
        (1, 197, 2, 32, 1.0),
        (1, 420, 1, 8, 1.0),
        (1, 30, 1, 1024, 0.3),
    ] {
        let case = Case { tokens, heads, width };
        let image_len = tokens * case.channels();
        let input: Vec<f32> = values(1, 3 * images * image_len).into_iter().map(|x| x * scale).collect();
        let dy = values(2, images * image_len);
        let (mut forward, mut expected) = (Vec::new(), Vec::new());
        for (image, dy) in double(&input).chunks(3 * image_len).zip(double(&dy).chunks(image_len)) {
            forward.extend(case.forward(image));
            expected.extend(case.backward(image, dy));
        }
        if images * image_len < 250 {
            let whole =
                |input: &[f64]| input.chunks(3 * image_len).flat_map(|image| case.forward(image)).collect::<Vec<_>>();
            let by_differences = differences(&input, |input| dot(&dy, &whole(input)));
            assert!(expected.iter().zip(by_differences).all(|(a, b)| (a - b).abs() < 1e-7));
        }
        for isa in Isa::available() {
            let scratch = TrainingScratch::default();
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; dy.len()], vec![f32::NAN; input.len()]];
                attention_forward(isa, tokens, case.channels(), heads, &input, &mut found[0], &scratch);
                AttentionGradient::new(isa, tokens, case.channels(), heads).run(&input, &dy, &mut found[1], &scratch);
                found
            });
            let what = format!("{isa} {images}x{tokens} {heads}x{width}");
            assert_close(&found[0], &forward, &what);
            assert_close(&found[1], &expected, &what);
            let mut serial = vec![f32::NAN; dy.len()];
            let target = RowsMut::new(&mut serial, case.channels());
            Attention::new(isa, tokens, case.channels(), heads).run(
                &input,
                0..images * tokens,
                target,
                &mut Scratch::default(),
            );
            assert_eq!(bits(&found[0]), bits(&serial), "{what}");
        }
        in_bf16(&case, &all_rounded(&input), &all_rounded(&dy));
    }
}

/// Forward and gradient of rounded operands in bf16: as exact as the rounding of probabilities and slopes allows.
fn in_bf16(case: &Case, input: &[f32], dy: &[f32]) {
    let image_len = case.tokens * case.channels();
    let (mut forward, mut expected) = (Vec::new(), Vec::new());
    for (image, dy) in double(input).chunks(3 * image_len).zip(double(dy).chunks(image_len)) {
        forward.extend(case.forward(image));
        expected.extend(case.backward(image, dy));
    }
    for isa in variants() {
        let operator = Bf16AttentionTraining::new(isa, case.tokens, case.channels(), case.heads);
        let found = on_threads(|| {
            let mut scratch = TrainingScratch::default();
            let mut found = vec![vec![f32::NAN; dy.len()], vec![f32::NAN; input.len()]];
            operator.forward(input, &mut found[0], &scratch);
            operator.gradient(input, dy, &mut found[1], &mut scratch);
            operator.gradient(input, dy, &mut found[1], &mut scratch);
            found
        });
        let what = format!("bf16, {isa} {} tokens {}x{}", case.tokens, case.heads, case.width);
        assert_within(&found[0], &forward, 4e-3, &what);
        assert_within(&found[1], &expected, 4e-3, &what);
    }
}

#[test]
fn an_image_does_not_depend_on_the_batch() {
    let case = Case { tokens: 20, heads: 3, width: 16 };
    let image_len = case.tokens * case.channels();
    let (input, dy) = (values(1, 5 * 3 * image_len), values(2, 5 * image_len));
    for isa in Isa::available() {
        let operator = AttentionGradient::new(isa, case.tokens, case.channels(), case.heads);
        let (mut all, mut one) = (vec![0.0; input.len()], vec![0.0; 3 * image_len]);
        let scratch = TrainingScratch::default();
        operator.run(&input, &dy, &mut all, &scratch);
        operator.run(&input[6 * image_len..9 * image_len], &dy[2 * image_len..3 * image_len], &mut one, &scratch);
        assert_eq!(bits(&all[6 * image_len..9 * image_len]), bits(&one), "{isa}");
    }
}
