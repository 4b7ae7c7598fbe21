//! Hostile bytes: every way in which an encoded image can be wrong ends in a named problem, without a panic and without
//! memory beyond the limits.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use heirloom_data::{Decoder, Format, Image, Limits, Problem, decode, stored_size};
use proptest::prelude::*;

fn stored(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode").join(name)).unwrap()
}

const FILES: [&str; 12] = [
    "420_odd.jpg",
    "progressive_420.jpg",
    "grey.jpg",
    "cmyk_adobe.jpg",
    "restart.jpg",
    "palette.png",
    "interlaced.png",
    "rgb_16_bit.png",
    "lossy.webp",
    "lossless.webp",
    "palette.bmp",
    "one_bit.bmp",
];

#[test]
fn what_is_not_read_is_named_by_content() {
    let cases: &[(&[u8], Problem)] = &[
        (b"", Problem::Empty),
        (b"<html><body>404</body></html>", Problem::NotAnImage { start: "3c 68 74 6d 6c 3e 3c 62".to_owned() }),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic....", Problem::Unsupported { format: Format::Heic }),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf....", Problem::Unsupported { format: Format::Avif }),
        (b"II*\0\x08\0\0\0", Problem::Unsupported { format: Format::Tiff }),
        (b"GIF89a\x01\0\x01\0", Problem::Unsupported { format: Format::Gif }),
        (b"\xff\x0a\xfa\x1f", Problem::Unsupported { format: Format::JpegXl }),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Problem::Unsupported { format: Format::Svg }),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(bytes).as_ref(), Err(expected), "{bytes:?}");
    }
    assert!(Problem::Unsupported { format: Format::Heic }.hint().unwrap().contains("heif-convert"));
}

#[test]
fn the_name_of_a_file_decides_nothing() {
    // The same bytes are what they are: PNG content is read as PNG whatever it was called.
    assert_eq!(Format::of(&stored("rgb.png")), Some(Format::Png));
    assert_eq!(decode(&stored("rgb.png")).unwrap(), decode(&stored("rgb.bmp")).unwrap());
}

#[test]
fn every_truncation_of_a_jpeg_is_a_problem() {
    for name in ["420_odd.jpg", "progressive_420.jpg", "grey.jpg"] {
        let bytes = stored(name);
        for length in (0..bytes.len()).step_by(7) {
            assert!(decode(&bytes[..length]).is_err(), "{name} cut to {length} of {} bytes", bytes.len());
        }
        let cut = decode(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
        assert!(matches!(cut, Problem::Truncated { format: Format::Jpeg, .. }), "{cut:?}");
    }
}

#[test]
fn a_cut_off_png_webp_or_bmp_is_a_problem() {
    for name in ["rgb.png", "palette.png", "lossy.webp", "lossless.webp", "rgb.bmp"] {
        let bytes = stored(name);
        let problem = decode(&bytes[..bytes.len() / 2]).unwrap_err();
        assert!(matches!(problem, Problem::Truncated { .. } | Problem::Broken { .. }), "{name}: {problem:?}");
    }
}

#[test]
fn garbage_after_a_jpeg_is_ignored() {
    let mut bytes = stored("420_odd.jpg");
    let clean = decode(&bytes).unwrap();
    bytes.extend_from_slice(b"trailing bytes of a camera");
    assert_eq!(decode(&bytes).unwrap(), clean);
}

/// A file of `name` whose header claims the given size.
fn claiming(name: &str, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = stored(name);
    match Format::of(&bytes).unwrap() {
        Format::Jpeg => {
            let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2]).unwrap();
            bytes[at + 5..at + 7].copy_from_slice(&(height as u16).to_be_bytes());
            bytes[at + 7..at + 9].copy_from_slice(&(width as u16).to_be_bytes());
        }
        Format::Png => {
            bytes[16..20].copy_from_slice(&width.to_be_bytes());
            bytes[20..24].copy_from_slice(&height.to_be_bytes());
            // A decoder that checks the header's checksum must find it right.
            let checksum = crc32(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
        }
        Format::Bmp => {
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[22..26].copy_from_slice(&height.to_le_bytes());
        }
        other => panic!("{other}"),
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header() {
    for name in ["420_odd.jpg", "progressive_420.jpg", "rgb.png", "rgb.bmp"] {
        let bomb = claiming(name, 60_000, 60_000);
        assert_eq!(stored_size(&bomb).ok(), Some((60_000, 60_000)), "{name}");
        let problem = decode(&bomb).unwrap_err();
        let expected = Problem::TooManyPixels { width: 60_000, height: 60_000, limit: Limits::default().pixels };
        assert_eq!(problem, expected, "{name}");
    }
}

#[test]
fn a_header_that_claims_more_than_the_data_holds_is_a_problem_or_a_padded_image() {
    for name in ["rgb.png", "rgb.bmp"] {
        assert!(decode(&claiming(name, 3000, 3000)).is_err(), "{name}");
    }
}

#[test]
fn a_size_of_nothing_is_a_problem() {
    for name in ["420_odd.jpg", "rgb.png", "rgb.bmp"] {
        assert!(decode(&claiming(name, 0, 10)).is_err(), "{name}");
    }
}

#[test]
fn own_limits_hold() {
    let bytes = stored("rgb.png");
    let (width, height) = stored_size(&bytes).unwrap();
    let mut image = Image::default();
    let pixels = (width * height) as u64;
    assert!(Decoder::new(Limits { pixels, ..Limits::default() }).decode_into(&bytes, &mut image).is_ok());
    let problem = Decoder::new(Limits { pixels: pixels - 1, ..Limits::default() }).decode_into(&bytes, &mut image);
    assert_eq!(problem, Err(Problem::TooManyPixels { width, height, limit: pixels - 1 }));
    let limit = bytes.len() as u64 - 1;
    let problem = Decoder::new(Limits { encoded_bytes: limit, ..Limits::default() }).decode_into(&bytes, &mut image);
    assert_eq!(problem, Err(Problem::TooManyBytes { bytes: limit + 1, limit }));
}

#[test]
fn a_decoder_is_as_good_after_a_broken_image_as_before() {
    let mut decoder = Decoder::default();
    let mut image = Image::default();
    for name in FILES {
        let bytes = stored(name);
        let _ = decoder.decode_into(&bytes[..bytes.len() / 2], &mut image);
        decoder.decode_into(&bytes, &mut image).unwrap();
        assert_eq!(image, decode(&bytes).unwrap(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Changed and cut bytes give an image within the limits or a problem; the property is that nothing else happens.
    #[test]
    fn changed_bytes_never_panic(
        file in 0..FILES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        keep in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let mut bytes = stored(FILES[file]);
        for (place, value) in changes {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()) + 1);
        }
        // A small limit keeps headers that were changed to claim millions of pixels from costing time.
        let limits = Limits { pixels: 1_000_000, encoded_bytes: 1 << 20 };
        let mut image = Image::default();
        match Decoder::new(limits).decode_into(&bytes, &mut image) {
            Ok(_) => {
                prop_assert!((image.width() * image.height()) as u64 <= limits.pixels);
                prop_assert_eq!(image.pixels().len(), image.width() * image.height() * 3);
            }
            Err(problem) => prop_assert!(!problem.to_string().is_empty()),
        }
        let _ = stored_size(&bytes);
    }

    #[test]
    fn random_bytes_after_a_signature_never_panic(
        signature in prop::sample::select(vec![
            &b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8L", b"BM",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [signature, &rest].concat();
        let limits = Limits { pixels: 1_000_000, ..Limits::default() };
        let _ = Decoder::new(limits).decode_into(&bytes, &mut Image::default());
    }
}
