//! Decoded and resized pixels against stored ones of Pillow and torchvision (made by tests/reference/pixels.py).
// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use heirloom_data::{Image, Interpolation, Preprocess, Resampler, Resize, decode};

fn data(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(part)
}

/// Mean and largest absolute difference, in units of 1/255.
fn difference(ours: &[u8], theirs: &[u8]) -> (f64, u8) {
    assert_eq!(ours.len(), theirs.len());
    let each = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let worst = each.clone().max().unwrap_or(0);
    (each.map(f64::from).sum::<f64>() / ours.len() as f64, worst)
}

/// Largest mean absolute difference allowed for a stored file, in units of 1/255.
fn bound(name: &str) -> f64 {
    match name {
        name if name.ends_with(".jpg") || name.starts_with("lossy") => 0.5,
        _ => 0.0,
    }
}

#[test]
fn decoded_pixels_are_those_of_pillow() {
    let mut names: Vec<String> = std::fs::read_dir(data("decode"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".rgb.png"))
        .collect();
    names.sort();
    assert!(names.len() > 40, "{} stored files", names.len());
    let mut failures = Vec::new();
    for name in names {
        let ours =
            decode(&std::fs::read(data("decode").join(&name)).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reference = decode(&std::fs::read(data("decode").join(format!("{name}.rgb.png"))).unwrap()).unwrap();
        assert_eq!((ours.width(), ours.height()), (reference.width(), reference.height()), "{name}");
        let (mean, worst) = difference(ours.pixels(), reference.pixels());
        println!("{name}: mean absolute difference {mean:.3}, worst pixel {worst} of 255");
        if mean > bound(&name) {
            failures.push(format!("{name}: {mean:.3} > {}", bound(&name)));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_memory_of_a_decoding_is_known_from_the_header() {
    // Bytes a pixel: three of the result, and what the decoder keeps beside it.
    let cases = [
        ("444.jpg", 3),
        ("restart.jpg", 3),
        ("progressive_444.jpg", 3 + 6),
        ("progressive_420.jpg", 3 + 3),
        ("grey_progressive.jpg", 3 + 2),
        ("oriented_6.jpg", 3 + 3),
        ("rgb.bmp", 3),
        ("alpha.png", 3 + 4),
        ("rgb_16_bit.png", 3 + 6),
        ("lossy.webp", 3 + 8),
    ];
    for (name, bytes_per_pixel) in cases {
        let encoded = std::fs::read(data("decode").join(name)).unwrap();
        let (width, height) = heirloom_data::stored_size(&encoded).unwrap();
        let expected = encoded.len() + width * height * bytes_per_pixel;
        assert_eq!(heirloom_data::decoding_bytes(&encoded), Ok(expected as u64), "{name}");
    }
    assert!(heirloom_data::decoding_bytes(b"no image").is_err());
}

/// splitmix64 of (seed, index), the formula of tests/reference/pixels.py.
fn hashed(seed: u64, index: usize) -> u64 {
    let mut z = ((seed << 32) + index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn source(kind: &str, width: usize, height: usize, seed: u64) -> Image {
    let pixel = |index: usize| {
        let (c, x, y) = ((index % 3) as u64, (index / 3 % width) as u64, (index / 3 / width) as u64);
        match kind {
            "noise" => (hashed(seed, index) >> 56) as u8,
            "black_and_white" => (hashed(seed, index) >> 63) as u8 * 255,
            "ramp" => ((x * 3 + y * 2 + c * (x + 2 * y) + seed + (hashed(seed, index) >> 61)) % 256) as u8,
            other => panic!("no such kind of source: {other}"),
        }
    };
    Image::from_pixels(width, height, (0..width * height * 3).map(pixel).collect()).unwrap()
}

#[test]
fn resized_and_cropped_pixels_are_those_of_pillow_and_torchvision() {
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data("resize/manifest.json")).unwrap()).unwrap();
    let stored = std::fs::read(data("resize/pixels.bin")).unwrap();
    let mut resampler = Resampler::new();
    let mut at = 0;
    let mut failures = Vec::new();
    for case in manifest.as_array().unwrap() {
        let size = |key: &str, side: usize| case[key][side].as_u64().unwrap() as usize;
        let (width, height) = (size("result", 0), size("result", 1));
        let preprocess = Preprocess {
            input_size: [height, width],
            resize: case["shorter_side"].as_u64().map_or(Resize::Squeeze, |side| Resize::ShorterSide(side as usize)),
            interpolation: serde_json::from_value(case["filter"].clone()).unwrap(),
            mean: [0.5; 3],
            std: [0.5; 3],
        };
        let kind = case["kind"].as_str().unwrap();
        let image = source(kind, size("source", 0), size("source", 1), case["seed"].as_u64().unwrap());
        let mut ours = vec![0; preprocess.output_length()];
        preprocess.apply_with(&mut resampler, &image, &mut ours).unwrap();
        let (mean, worst) = difference(&ours, &stored[at..at + ours.len()]);
        at += ours.len();
        println!("{case}: mean {mean:.4}, worst {worst}");
        if worst > 1 {
            failures.push(format!("{case}: worst {worst}, mean {mean:.4}"));
        }
    }
    assert_eq!(at, stored.len());
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_crop_holds_the_same_pixels_as_cropping_the_whole_resized_image() {
    // Weights are rounded to fit the largest one in use, so a pixel in ten thousand may round the other way.
    let (mut compared, mut different) = (0, 0);
    for (width, height, seed) in [(301, 200, 1), (97, 143, 2), (40, 333, 3), (224, 224, 4)] {
        let image = source("noise", width, height, seed);
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            let resize = Resize::ShorterSide(64);
            let preprocess = Preprocess { input_size: [56, 50], resize, interpolation, mean: [0.5; 3], std: [0.5; 3] };
            let mut cropped = vec![0; preprocess.output_length()];
            preprocess.apply(&image, &mut cropped).unwrap();
            let (full_width, full_height) = preprocess.resized_size(width, height);
            let mut full = vec![0; full_width * full_height * 3];
            Resampler::new().resize(&image, full_width, full_height, interpolation, &mut full).unwrap();
            // Python rounds halves to even.
            let start = |margin: usize| (margin as f64 / 2.0).round_ties_even() as usize;
            let (top, left) = (start(full_height - 56), start(full_width - 50));
            for y in 0..56 {
                let from = ((top + y) * full_width + left) * 3;
                let (_, worst) = difference(&cropped[y * 150..(y + 1) * 150], &full[from..from + 150]);
                assert!(worst <= 1, "{width} x {height}, row {y}: {worst}");
                compared += 1;
                different += usize::from(worst);
            }
        }
    }
    assert!(different * 10 <= compared, "{different} of {compared} rows of 150 values differ");
}
