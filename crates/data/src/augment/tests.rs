//! Values of torchvision's functions (tests/reference/augment.py) for given boxes, factors and random numbers.

use std::path::Path;

use serde_json::Value;

use super::augmenter::cut;
use super::jitter::Adjustment;
use super::*;
use crate::{Image, Interpolation, Resampler};

fn reference(part: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/augment.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[part].as_array().unwrap().clone()
}

fn numbers<T>(value: &Value, each: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    value.as_array().unwrap().iter().map(|number| each(number).unwrap()).collect()
}

fn integers(value: &Value) -> Vec<usize> {
    numbers(value, |number| number.as_u64().map(|number| number as usize))
}

fn pixels(case: &Value) -> Vec<u8> {
    numbers(&case["pixels"], |value| value.as_u64().and_then(|value| u8::try_from(value).ok()))
}

/// splitmix64 of (seed, index), the formula of tests/reference/augment.py.
fn hashed(seed: u64, index: usize) -> u64 {
    let mut z = ((seed << 32) + index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn noise(width: usize, height: usize, seed: u64) -> Image {
    let pixels = (0..width * height * 3).map(|index| (hashed(seed, index) >> 56) as u8).collect();
    Image::from_pixels(width, height, pixels).unwrap()
}

fn colours(seed: u64) -> Vec<u8> {
    let mut pixels = noise(8, 6, seed).take_pixels();
    let greys = [[0, 0, 0], [255, 255, 255], [128, 128, 128], [7, 7, 7]];
    let primaries = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]];
    pixels[..12].copy_from_slice(greys.as_flattened());
    pixels[24..42].copy_from_slice(primaries.as_flattened());
    pixels
}

#[test]
fn colours_are_those_of_torchvision() {
    let cases = reference("jitter");
    assert_eq!(cases.len(), 40);
    for case in cases {
        let (what, factor) = (case["what"].as_str().unwrap(), case["factor"].as_f64().unwrap());
        let mut ours = colours(case["seed"].as_u64().unwrap());
        let adjustment = match what {
            "brightness" => Adjustment::Brightness(factor),
            "contrast" => Adjustment::Contrast(factor),
            "saturation" => Adjustment::Saturation(factor),
            _ => Adjustment::Hue(factor),
        };
        adjustment.apply(&mut ours);
        let theirs = pixels(&case);
        let off: Vec<u8> = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).filter(|off| *off > 0).collect();
        // The hue passes through single-precision arithmetic whose last bit may decide the fraction that is dropped.
        let allowed = if what == "hue" { theirs.len() / 50 } else { 0 };
        assert!(off.len() <= allowed && off.iter().all(|off| *off == 1), "{what} {factor}: {off:?}");
    }
}

#[test]
fn boxes_are_those_of_torchvision_for_the_same_random_numbers() {
    let cases = reference("boxes");
    assert_eq!(cases.len(), 63);
    for case in cases {
        let range = |key: &str| <[f64; 2]>::try_from(numbers(&case[key], Value::as_f64)).unwrap();
        let crop = RandomResizedCrop { scale: range("scale"), ratio: range("ratio") };
        let size = integers(&case["size"]);
        let mut given = numbers(&case["numbers"], Value::as_f64).into_iter();
        let ours = crop.draw_from(size[0], size[1], || given.next().unwrap());
        assert_eq!(vec![ours.left, ours.top, ours.width, ours.height], integers(&case["box"]), "{case}");
    }
}

#[test]
fn a_resized_part_is_that_of_torchvision() {
    for case in reference("crops") {
        let (size, part) = (integers(&case["size"]), integers(&case["box"]));
        let image = noise(size[0], size[1], case["seed"].as_u64().unwrap());
        let part = CropBox { left: part[0], top: part[1], width: part[2], height: part[3] };
        let mut cropped = Image::default();
        cut(&image, part, &mut cropped);
        let side = case["side"].as_u64().unwrap() as usize;
        let mut ours = vec![0; side * side * 3];
        let filter: Interpolation = serde_json::from_value(case["filter"].clone()).unwrap();
        Resampler::new().resize(&cropped, side, side, filter, &mut ours).unwrap();
        let worst = ours.iter().zip(pixels(&case)).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst <= Some(1), "{worst:?} for a part of {size:?}");
    }
}

#[test]
fn a_shifted_image_is_that_of_torchvision() {
    let cases = reference("shifts");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let border: Border = serde_json::from_value(case["border"].clone()).unwrap();
        let shift = Shift { pixels: 3, border };
        let start = <[usize; 2]>::try_from(integers(&case["start"])).unwrap();
        let image = noise(9, 7, 3);
        let mut ours = vec![1; image.pixels().len()];
        shift.apply(image.pixels(), [7, 9], start, &mut ours);
        assert_eq!(ours, pixels(&case), "{border:?} {start:?}");
    }
}

#[test]
fn a_neutral_jitter_changes_nothing_and_factors_stay_in_their_ranges() {
    let none = ColourJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };
    let mut pixels = colours(4);
    none.draw(&mut Draws::of_epoch(0, 0)).into_iter().for_each(|adjustment| adjustment.apply(&mut pixels));
    assert_eq!(pixels, colours(4));

    let jitter = ColourJitter { brightness: 1.5, ..ColourJitter::default() };
    let mut first = [0_usize; 4];
    for row in 0..400 {
        let drawn = jitter.draw(&mut Draws::of_image(Key { seed: 3, epoch: 1, row }));
        for (position, adjustment) in drawn.into_iter().enumerate() {
            let (which, within) = match adjustment {
                Adjustment::Brightness(factor) => (0, (0.0..=2.5).contains(&factor)),
                Adjustment::Contrast(factor) => (1, (0.6..=1.4).contains(&factor)),
                Adjustment::Saturation(factor) => (2, (0.6..=1.4).contains(&factor)),
                Adjustment::Hue(turns) => (3, (-0.1..=0.1).contains(&turns)),
            };
            assert!(within, "{adjustment:?}");
            first[which] += usize::from(position == 0);
        }
    }
    // 100 expected of 400, standard deviation 8.7.
    assert!(first.iter().all(|count| (65..=135).contains(count)), "{first:?}");
}
