//! Copies of channels, pixels and tokens.

use heirloom_engine::kernels::Isa;
use heirloom_engine::kernels::training::{
    Subsampling, concat_forward, image_sums, pad_channels_forward, select_token_forward, select_token_gradient,
    take_channels, tokens_forward, tokens_gradient,
};

use super::support::{assert_close, on_threads};
use crate::support::values;

#[test]
fn channels() {
    for (rows, widths) in [(1, [1, 1, 1]), (7, [3, 17, 1]), (2000, [33, 8, 5])] {
        let inputs: Vec<Vec<f32>> = widths.iter().map(|&width| values(width as u64, rows * width)).collect();
        let (total, add) = (widths.iter().sum::<usize>(), values(9, rows * widths[1]));
        let found = on_threads(|| {
            let parts: Vec<(&[f32], usize)> = inputs.iter().map(Vec::as_slice).zip(widths).collect();
            let mut joined = vec![f32::NAN; rows * total];
            concat_forward(&parts, &mut joined);
            let mut results = vec![vec![f32::NAN; rows * widths[1]]; 2];
            let range = widths[0]..widths[0] + widths[1];
            take_channels(&joined, total, range.clone(), None, &mut results[0]);
            take_channels(&joined, total, range, Some(&add), &mut results[1]);
            let mut padded = vec![f32::NAN; rows * total];
            pad_channels_forward(&inputs[1], widths[1], widths[0], total, &mut padded);
            results.extend([joined, padded]);
            results
        });
        for row in 0..rows {
            let parts = inputs.iter().zip(widths).flat_map(|(input, width)| &input[row * width..(row + 1) * width]);
            assert!(found[2][row * total..(row + 1) * total].iter().eq(parts), "{rows} {widths:?}");
            let padded = &found[3][row * total..(row + 1) * total];
            let (zeros, rest) = padded.split_at(widths[0]);
            assert_eq!(rest[..widths[1]], inputs[1][row * widths[1]..(row + 1) * widths[1]]);
            assert!(zeros.iter().chain(&rest[widths[1]..]).all(|&x| x == 0.0));
        }
        assert_eq!(found[0], inputs[1]);
        let sum: Vec<f32> = inputs[1].iter().zip(&add).map(|(a, b)| a + b).collect();
        assert_eq!(found[1], sum);
    }
}

#[test]
fn pixels() {
    for (images, size, stride, channels) in
        [(1, [1, 1], [2, 2], 1), (7, [5, 4], [2, 2], 3), (2, [9, 7], [3, 1], 17), (1, [6, 6], [1, 4], 33)]
    {
        let shape = Subsampling { size, stride, channels };
        let output = [0, 1].map(|axis| size[axis].div_ceil(stride[axis]));
        let x = values(1, images * size[0] * size[1] * channels);
        let dy = values(2, images * output[0] * output[1] * channels);
        let found = on_threads(|| {
            let mut found = vec![vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]];
            shape.forward(&x, &mut found[0]);
            shape.gradient(&dy, None, &mut found[1]);
            shape.gradient(&dy, Some(&x), &mut found[2]);
            found
        });
        let (mut y, mut dx) = (Vec::new(), vec![0.0; x.len()]);
        for image in 0..images {
            for row in (0..size[0]).step_by(stride[0]) {
                for column in (0..size[1]).step_by(stride[1]) {
                    for channel in 0..channels {
                        let at = ((image * size[0] + row) * size[1] + column) * channels + channel;
                        dx[at] = dy[y.len()];
                        y.push(x[at]);
                    }
                }
            }
        }
        assert_eq!(found[0], y);
        assert_eq!(found[1], dx);
        assert_eq!(found[2], dx.iter().zip(&x).map(|(a, b)| a + b).collect::<Vec<_>>());
    }
}

#[test]
fn tokens() {
    for isa in Isa::available() {
        for (images, pixels, channels) in [(1, 1, 1), (7, 4, 3), (1, 9, 17), (3, 196, 33)] {
            let (map, class, position) =
                (values(1, images * pixels * channels), values(2, channels), values(3, (pixels + 1) * channels));
            for (class, position) in
                [(Some(&class), Some(&position)), (None, Some(&position)), (Some(&class), None), (None, None)]
            {
                let leading = usize::from(class.is_some());
                let tokens = pixels + leading;
                let dy = values(4, images * tokens * channels);
                let position = position.map(|position| &position[..tokens * channels]);
                let found = on_threads(|| {
                    let mut found =
                        vec![vec![f32::NAN; dy.len()], vec![f32::NAN; map.len()], vec![f32::NAN; map.len()]];
                    let class = class.map(Vec::as_slice);
                    tokens_forward(isa, &map, images, class, position, &mut found[0]);
                    tokens_gradient(isa, &dy, images, leading, channels, None, &mut found[1]);
                    tokens_gradient(isa, &dy, images, leading, channels, Some(&map), &mut found[2]);
                    found.push(image_sums(&dy, images, tokens * channels));
                    found.push(image_sums(&dy, images, channels));
                    found
                });
                let (mut forward, mut dx, mut sums) = (Vec::new(), Vec::new(), vec![0.0; tokens * channels]);
                for (image, dy) in dy.chunks(tokens * channels).enumerate() {
                    for at in 0..tokens * channels {
                        let place = position.map_or(0.0, |position| position[at]);
                        let inside = at.checked_sub(leading * channels);
                        let value = inside.map(|inside| map[image * pixels * channels + inside]);
                        forward.push(value.or_else(|| class.map(|class| class[at])).unwrap_or(f32::NAN) + place);
                        dx.extend(inside.map(|_| dy[at]));
                        sums[at] += f64::from(dy[at]);
                    }
                }
                assert_eq!(found[0], forward, "{isa}");
                assert_eq!(found[1], dx, "{isa}");
                assert_eq!(found[2], dx.iter().zip(&map).map(|(a, b)| a + b).collect::<Vec<_>>(), "{isa}");
                assert_close(&found[3], &sums, "position embedding");
                assert_close(&found[4], &sums[..channels], "class token");
            }
        }
    }
}

#[test]
fn one_token() {
    for (images, tokens, index, channels) in [(1, 1, 0, 1), (7, 5, 0, 3), (2, 197, 196, 33)] {
        let (x, dy) = (values(1, images * tokens * channels), values(2, images * channels));
        let mut y = vec![f32::NAN; dy.len()];
        select_token_forward(&x, tokens, index, channels, &mut y);
        let found = on_threads(|| {
            let mut found = vec![vec![f32::NAN; x.len()]; 2];
            select_token_gradient(&dy, tokens, index, channels, None, &mut found[0]);
            select_token_gradient(&dy, tokens, index, channels, Some(&x), &mut found[1]);
            found
        });
        for (i, x) in x.iter().enumerate() {
            let (image, token) = (i / (tokens * channels), i / channels % tokens);
            let gradient = if token == index { dy[image * channels + i % channels] } else { 0.0 };
            assert_eq!((found[0][i], found[1][i]), (gradient, x + gradient));
            if token == index {
                assert_eq!(y[image * channels + i % channels], *x);
            }
        }
    }
}
