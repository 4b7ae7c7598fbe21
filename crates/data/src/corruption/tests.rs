//! Corruptions of a made-up image.

use super::*;

const SIZE: [usize; 2] = [96, 128];

/// A smooth image with an edge and some colour.
fn image() -> Vec<u8> {
    let colour = |at: usize| {
        let (row, column) = (at / SIZE[1], at % SIZE[1]);
        let edge = if column > 61 { 60 } else { 0 };
        [(60 + row + edge) as u8, (90 + column / 2) as u8, (120 + edge) as u8]
    };
    (0..SIZE[0] * SIZE[1]).flat_map(colour).collect()
}

fn corrupted(kind: CommonCorruption, severity: usize, row: usize) -> Vec<u8> {
    let mut pixels = image();
    kind.apply(SIZE, severity, Key { seed: 5, epoch: 0, row }, &mut pixels);
    pixels
}

fn apart(pixels: &[u8]) -> f64 {
    let square = |(one, other): (&u8, &u8)| (f64::from(*one) - f64::from(*other)).powi(2);
    (pixels.iter().zip(&image()).map(square).sum::<f64>() / pixels.len() as f64).sqrt()
}

#[test]
fn every_kind_gets_worse_and_is_fixed_by_its_key() {
    for kind in CommonCorruption::ALL {
        let (least, most) = (corrupted(kind, 1, 0), corrupted(kind, 5, 0));
        assert!(apart(&least) > 0.2 && apart(&most) > apart(&least), "{kind:?} {} {}", apart(&least), apart(&most));
        assert_eq!(least, corrupted(kind, 1, 0));
        assert_eq!((&corrupted(kind, 0, 0), &corrupted(kind, 9, 0)), (&least, &most));
        let drawn = matches!(kind, CommonCorruption::MotionBlur) || kind < CommonCorruption::GaussianBlur;
        assert_eq!(drawn, corrupted(kind, 5, 1) != most, "{kind:?}");
    }
}

#[test]
fn noise_is_as_strong_as_it_says() {
    // In the middle of the range nothing is cut off.
    let mut grey = vec![128; 100 * 100 * 3];
    CommonCorruption::GaussianNoise.apply([100, 100], 1, Key { seed: 0, epoch: 0, row: 0 }, &mut grey);
    let spread = (grey.iter().map(|value| (f64::from(*value) - 128.0).powi(2)).sum::<f64>() / 30_000.0).sqrt();
    assert!((spread - 0.08 * 255.0).abs() < 0.4, "{spread}");
    let mut grey = vec![128; 100 * 100 * 3];
    CommonCorruption::ImpulseNoise.apply([100, 100], 5, Key { seed: 0, epoch: 0, row: 0 }, &mut grey);
    let [black, white] = [0, 255].map(|value| grey.iter().filter(|pixel| **pixel == value).count() as f64 / 30_000.0);
    assert!((black - 0.135).abs() < 0.01 && (white - 0.135).abs() < 0.01, "{black} {white}");
}

/// An even image stays as it is under a blur, larger pixels and less contrast; light and colour follow their formulas.
#[test]
fn what_is_even_stays_even() {
    let even: Vec<u8> = [200, 100, 50].repeat(SIZE[0] * SIZE[1]);
    let of = |kind: CommonCorruption, severity| {
        let mut pixels = even.clone();
        kind.apply(SIZE, severity, Key { seed: 1, epoch: 0, row: 0 }, &mut pixels);
        pixels
    };
    use CommonCorruption as Kind;
    for kind in
        [Kind::GaussianBlur, Kind::DefocusBlur, Kind::MotionBlur, Kind::ZoomBlur, Kind::Contrast, Kind::Pixelation]
    {
        assert_eq!(of(kind, 5), even, "{kind:?}");
    }
    // Value 200/255 + 0.1, all channels in proportion.
    assert_eq!(of(Kind::Brightness, 1)[..3], [226, 113, 56]);
    // Saturation 0.75 becomes 0.225.
    assert_eq!(of(Kind::Saturation, 1)[..3], [200, 170, 155]);
    assert!(of(Kind::Jpeg, 1).iter().zip(&even).all(|(one, other)| one.abs_diff(*other) <= 6));
    let mut grey = vec![128; 12];
    Kind::Saturation.apply([2, 2], 3, Key { seed: 0, epoch: 0, row: 0 }, &mut grey);
    assert_eq!(grey, [128; 12]);
}
