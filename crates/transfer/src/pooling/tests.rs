//! Test vectors T1 to T3 and the totals table of `spec/head2toe.md`, and the edges of the rule.

use proptest::prelude::*;

use super::*;

fn map(side: usize, channels: usize) -> Shape {
    Shape::Map { height: side, width: side, channels }
}

fn tokens(tokens: usize, channels: usize) -> Shape {
    Shape::Tokens { tokens, channels }
}

fn pooled(shape: Shape, values: &[f32], pooling: Pooling) -> Vec<f32> {
    let windows = Windows::new(shape, pooling);
    let mut out = vec![f32::NAN; windows.width(shape)];
    pool_into(shape, values, &[windows], &mut [&mut out]).unwrap();
    out
}

#[test]
fn maps_are_pooled_to_the_widths_of_t1() {
    struct Case(usize, usize, usize, Option<usize>, usize);
    let cases = [
        Case(60, 64, 512, Some(30), 256),
        Case(60, 256, 512, Some(60), 256),
        Case(30, 128, 512, Some(15), 512),
        Case(8, 512, 512, None, 512),
        Case(60, 64, 8192, Some(5), 9216),
        Case(60, 256, 8192, Some(12), 6400),
        Case(30, 128, 8192, Some(3), 12800),
        Case(30, 512, 8192, Some(7), 8192),
        Case(15, 256, 8192, Some(3), 6400),
        Case(15, 1024, 8192, Some(7), 4096),
        Case(8, 2048, 8192, Some(4), 8192),
        Case(8, 512, 24576, Some(1), 32768),
        Case(8, 512, 41472, None, 512),
    ];
    for Case(side, channels, target, window, width) in cases {
        let windows = Windows::new(map(side, channels), Pooling::to(target));
        let expected = window.map_or(Windows::Mean, |side| Windows::Map { height: side, width: side });
        assert_eq!((windows, windows.width(map(side, channels))), (expected, width), "{side} {channels} {target}");
    }
}

#[test]
fn tokens_are_pooled_to_the_widths_of_t2() {
    struct Case(usize, usize, Option<usize>, usize);
    let cases = [
        Case(768, 512, None, 768),
        Case(768, 1024, Some(147), 768),
        Case(768, 2048, Some(73), 1536),
        Case(768, 8192, Some(18), 7680),
        Case(3072, 8192, Some(73), 6144),
        Case(768, 16384, Some(9), 16128),
        Case(768, 151_296, Some(1), 151_296),
        Case(768, 200_000, None, 768),
    ];
    for Case(channels, target, run, width) in cases {
        let windows = Windows::new(tokens(197, channels), Pooling::to(target));
        let expected = run.map_or(Windows::Mean, |length| Windows::Tokens { length });
        assert_eq!((windows, windows.width(tokens(197, channels))), (expected, width), "{channels} {target}");
    }
}

#[test]
fn values_are_those_of_t3() {
    let ramp = |n: usize| (0..n).map(|value| value as f32).collect::<Vec<_>>();
    assert_eq!(pooled(map(4, 1), &ramp(16), Pooling::to(4)), [2.5, 4.5, 10.5, 12.5]);
    assert_eq!(pooled(map(5, 1), &ramp(25), Pooling::to(4)), [3.0, 5.0, 13.0, 15.0]);
}

/// The taps of ResNet-50 at 240 pixels with the stride conventions of section 2.1.
fn resnet50() -> Vec<Shape> {
    let mut taps = vec![Shape::Vector { channels: 2048 }, map(60, 64), map(8, 2048), Shape::Vector { channels: 1000 }];
    for (stage, (units, side)) in [(3, 60), (4, 30), (6, 15), (3, 8)].into_iter().enumerate() {
        let channels = 64 << stage;
        for unit in 0..units {
            let before = if unit == 0 && stage > 0 { [0, 60, 30, 15][stage] } else { side };
            taps.extend([map(before, channels), map(side, channels), map(side, 4 * channels)]);
        }
    }
    taps
}

/// The taps of ViT-B/16 at 224 pixels.
fn vit_base() -> Vec<Shape> {
    let mut taps = vec![Shape::Vector { channels: 768 }; 2];
    taps.extend([tokens(197, 768); 3]);
    for _block in 0..12 {
        taps.extend([tokens(197, 768), tokens(197, 768), tokens(197, 3072), tokens(197, 768)]);
    }
    taps
}

#[test]
fn totals_are_those_of_the_table() {
    let targets = [1, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
    let resnet = [27816, 27816, 29160, 32232, 49128, 80808, 197_352, 405_224, 1_524_840, 2_834_152];
    let vit = [68352, 68352, 68352, 68352, 68352, 98304, 188_160, 374_784, 814_848, 1_837_824];
    let total =
        |taps: &[Shape], target| taps.iter().map(|shape| pooled_width(*shape, Pooling::to(target))).sum::<usize>();
    assert_eq!((resnet50().len(), vit_base().len()), (52, 53));
    for (index, target) in targets.into_iter().enumerate() {
        assert_eq!(total(&resnet50(), target), resnet[index], "ResNet-50, target {target}");
        assert_eq!(total(&vit_base(), target), vit[index], "ViT-B/16, target {target}");
    }
}

#[test]
fn class_token_modes_take_average_or_keep_it() {
    // Seven tokens of two channels; token 0 is [100, 200].
    let values: Vec<f32> =
        [100.0, 200.0].into_iter().chain((1..7).flat_map(|token| [token as f32, -(token as f32)])).collect();
    let pool = |target, class_token| pooled(tokens(7, 2), &values, Pooling { target, class_token });
    // Normal: runs of floor(7 / (4 / 2)) = 3 tokens.
    assert_eq!(pool(4, ClassTokenMode::Normal), [103.0 / 3.0, 197.0 / 3.0, 4.0, -4.0]);
    assert_eq!(pool(1, ClassTokenMode::Normal), [121.0 / 7.0, 179.0 / 7.0]);
    assert_eq!(pool(4, ClassTokenMode::Only), [100.0, 200.0]);
    // Apart: the six others in runs of floor(6 / 2) = 3.
    assert_eq!(pool(4, ClassTokenMode::Apart), [100.0, 200.0, 2.0, -2.0, 5.0, -5.0]);
    assert_eq!(pool(1, ClassTokenMode::Apart), [100.0, 200.0, 3.5, -3.5]);
    assert_eq!(
        pooled(tokens(1, 2), &[1.0, 2.0], Pooling { target: 9, class_token: ClassTokenMode::Apart }),
        [1.0, 2.0]
    );
}

#[test]
fn target_zero_is_the_mean_and_vectors_pass() {
    assert_eq!(pooled(map(2, 1), &[1.0, 2.0, 3.0, 6.0], Pooling::to(0)), [3.0]);
    assert_eq!(pooled(Shape::Vector { channels: 3 }, &[1.0, 2.0, 3.0], Pooling::to(100)), [1.0, 2.0, 3.0]);
}

#[test]
fn unequal_sides_get_windows_of_their_own_proportions() {
    let shape = Shape::Map { height: 2, width: 6, channels: 1 };
    let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
    // n = 2: windows of 1 x 3 pixels.
    assert_eq!(pooled(shape, &values, Pooling::to(4)), [1.0, 4.0, 7.0, 10.0]);
    // n = 3 is more than two rows of pixels: the mean.
    assert_eq!(pooled(shape, &values, Pooling::to(9)), [5.5]);
}

#[test]
fn wrong_lengths_are_errors_with_both_numbers() {
    let error = pool_into(map(2, 1), &[0.0; 3], &[Windows::Mean], &mut [&mut [0.0]]).unwrap_err();
    assert_eq!(error.to_string(), "pooling a tap of shape 2x2x1: the tap holds 3 values, expected 4");
    let error = pool_into(map(2, 1), &[0.0; 4], &[Windows::Mean], &mut [&mut [0.0; 2]]).unwrap_err();
    assert_eq!((error.expected, error.found), (1, 2));
}

/// The rule written down directly, in double precision.
fn by_definition(values: &[f32], [height, width, channels]: [usize; 3], [ph, pw]: [usize; 2]) -> Vec<f64> {
    let (down, across) = (height / ph, width / pw);
    let mut out = vec![0.0; down * across * channels];
    for (index, value) in values.iter().enumerate() {
        let (y, x, ch) = (index / (width * channels), index / channels % width, index % channels);
        if y / ph < down && x / pw < across {
            out[((y / ph) * across + x / pw) * channels + ch] += f64::from(*value) / (ph * pw) as f64;
        }
    }
    out
}

proptest! {
    #[test]
    fn several_targets_in_one_pass_equal_the_definition(
        height in 1_usize..9, width in 1_usize..9, channels in 1_usize..70, targets in prop::collection::vec(0_usize..2000, 1..4),
        seed in 0_u32..1000,
    ) {
        let shape = Shape::Map { height, width, channels };
        let values: Vec<f32> =
            (0..shape.len() as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 1000) as f32 / 500.0 - 1.0).collect();
        let windows: Vec<_> = targets.iter().map(|target| Windows::new(shape, Pooling::to(*target))).collect();
        let mut rows: Vec<_> = windows.iter().map(|windows| vec![f32::NAN; windows.width(shape)]).collect();
        let mut slices: Vec<&mut [f32]> = rows.iter_mut().map(Vec::as_mut_slice).collect();
        pool_into(shape, &values, &windows, &mut slices).unwrap();
        for (windows, row) in windows.iter().zip(&rows) {
            let window = match *windows { Windows::Map { height, width } => [height, width], _ => [height, width] };
            let expected = by_definition(&values, [height, width, channels], window);
            prop_assert_eq!(row.len(), expected.len());
            for (found, expected) in row.iter().zip(expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
#[ignore = "a measurement: cargo test --release -p heirloom-transfer pooling -- --ignored --nocapture"]
fn pooling_is_cheap() {
    for (side, channels) in [(64, 8), (32, 24), (56, 64), (28, 512), (7, 2048)] {
        let shape = map(side, channels);
        let values = vec![1.0; shape.len()];
        let windows = [1, 512, 2048].map(|target| Windows::new(shape, Pooling::to(target)));
        let mut rows = windows.map(|windows| vec![0.0; windows.width(shape)]);
        let started = std::time::Instant::now();
        let mut runs = 0;
        while started.elapsed().as_secs_f64() < 0.3 {
            let mut slices: Vec<&mut [f32]> = rows.iter_mut().map(Vec::as_mut_slice).collect();
            pool_into(shape, &values, &windows, &mut slices).unwrap();
            runs += 1;
        }
        let seconds = started.elapsed().as_secs_f64() / f64::from(runs);
        println!("{shape}: {:.2} billion values/s", 3.0 * shape.len() as f64 / seconds / 1e9);
        assert!(rows.iter().flatten().all(|value| *value == 1.0));
    }
}

proptest! {
    /// `<pool(x), g> = <x, spread(g)>` for all x and g.
    #[test]
    fn spreading_is_the_transpose_of_pooling(
        tokens_first in prop::bool::ANY, height in 1_usize..9, width in 1_usize..9, channels in 1_usize..20,
        target in 0_usize..500, mode in 0_usize..3, seed in 0_u32..1000,
    ) {
        let shape = if tokens_first { tokens(height * width, channels) } else { Shape::Map { height, width, channels } };
        let class_token = [ClassTokenMode::Normal, ClassTokenMode::Only, ClassTokenMode::Apart][mode];
        let windows = Windows::new(shape, Pooling { target, class_token });
        let drawn = |count: usize, salt: u32| -> Vec<f32> {
            (0..count as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed ^ salt) % 1000) as f32 / 500.0 - 1.0).collect()
        };
        let (x, g) = (drawn(shape.len(), 0), drawn(windows.width(shape), 77));
        let (mut pooled, mut spread) = (vec![0.0; g.len()], vec![0.0; x.len()]);
        pool_into(shape, &x, &[windows], &mut [&mut pooled]).unwrap();
        spread_into(shape, windows, &g, &mut spread).unwrap();
        let inner = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        prop_assert!((inner(&pooled, &g) - inner(&x, &spread)).abs() < 1e-4 * (1.0 + g.len() as f64));
    }
}
