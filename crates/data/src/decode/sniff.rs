//! Image formats recognised by content: the extension of a file is never believed.

use std::fmt;

/// An image format that is recognised, read or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// JPEG, baseline and progressive. Read.
    Jpeg,
    /// PNG. Read.
    Png,
    /// WebP, lossy and lossless; the first frame of an animation. Read.
    WebP,
    /// Windows bitmap. Read.
    Bmp,
    /// High-efficiency image file, as phones write it.
    Heic,
    /// AV1 image file.
    Avif,
    /// TIFF and the raw camera formats built on it.
    Tiff,
    /// GIF.
    Gif,
    /// JPEG XL.
    JpegXl,
    /// JPEG 2000.
    Jpeg2000,
    /// Scalable vector graphics.
    Svg,
    /// PDF document.
    Pdf,
    /// Photoshop document.
    Psd,
    /// Windows icon.
    Ico,
    /// MP4 or QuickTime video.
    Video,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Bmp => "BMP",
            Format::Heic => "HEIC",
            Format::Avif => "AVIF",
            Format::Tiff => "TIFF",
            Format::Gif => "GIF",
            Format::JpegXl => "JPEG-XL",
            Format::Jpeg2000 => "JPEG-2000",
            Format::Svg => "SVG",
            Format::Pdf => "PDF",
            Format::Psd => "PSD",
            Format::Ico => "ICO",
            Format::Video => "MP4",
        })
    }
}

impl Format {
    /// Whether [`crate::decode`] reads it.
    pub fn is_read(self) -> bool {
        matches!(self, Format::Jpeg | Format::Png | Format::WebP | Format::Bmp)
    }

    /// How to turn it into something that is read.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Format::Heic => {
                Some("convert to JPEG, e.g. `heif-convert photo.heic photo.jpg` (package libheif-examples)")
            }
            Format::Avif => Some("convert to PNG, e.g. `avifdec image.avif image.png` (package libavif-bin)"),
            Format::Tiff | Format::Gif | Format::Jpeg2000 | Format::Psd | Format::Ico => {
                Some("convert to PNG, e.g. `magick image.tif image.png` (package imagemagick)")
            }
            Format::JpegXl => Some("convert to JPEG, e.g. `djxl image.jxl image.jpg` (package libjxl-tools)"),
            Format::Svg | Format::Pdf => Some("render it to PNG first"),
            Format::Video => Some("extract frames first, e.g. `ffmpeg -i video.mp4 frame-%05d.png`"),
            Format::Jpeg | Format::Png | Format::WebP | Format::Bmp => None,
        }
    }

    /// The format of these bytes, by their first few; `None` when they begin like no format known here.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        const SIGNATURES: &[(&[u8], Format)] = &[
            (b"\xFF\xD8\xFF", Format::Jpeg),
            (b"\x89PNG\r\n\x1A\n", Format::Png),
            (b"BM", Format::Bmp),
            (b"GIF87a", Format::Gif),
            (b"GIF89a", Format::Gif),
            (b"II*\0", Format::Tiff),
            (b"MM\0*", Format::Tiff),
            (b"II+\0", Format::Tiff),
            (b"MM\0+", Format::Tiff),
            (b"\xFF\x0A", Format::JpegXl),
            (b"\0\0\0\x0CJXL ", Format::JpegXl),
            (b"\0\0\0\x0CjP  ", Format::Jpeg2000),
            (b"\xFF\x4F\xFF\x51", Format::Jpeg2000),
            (b"%PDF", Format::Pdf),
            (b"8BPS", Format::Psd),
            (b"\0\0\x01\0", Format::Ico),
        ];
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Some(Format::WebP);
        }
        if bytes.get(4..8) == Some(b"ftyp") {
            return Some(iso_media(bytes));
        }
        let by_signature = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
        by_signature.map(|(_, format)| *format).or_else(|| is_svg(bytes).then_some(Format::Svg))
    }
}

/// Which of the ISO base media formats: the brands of the `ftyp` box decide.
fn iso_media(bytes: &[u8]) -> Format {
    let length = bytes.first_chunk::<4>().map_or(0, |head| u32::from_be_bytes(*head) as usize);
    let brands = bytes.get(8..length.clamp(12, 256).min(bytes.len())).unwrap_or_default();
    let has = |wanted: &[&[u8]]| brands.chunks_exact(4).any(|brand| wanted.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        Format::Avif
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        Format::Heic
    } else {
        Format::Video
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(1024)).unwrap_or_default());
    let text = head.trim_start_matches('\u{feff}').trim_start();
    text.starts_with("<svg") || (text.starts_with("<?xml") || text.starts_with("<!--")) && text.contains("<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_recognised_by_its_first_bytes() {
        let cases: &[(&[u8], Option<Format>)] = &[
            (b"\xFF\xD8\xFF\xE0", Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1A\n", Some(Format::Png)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some(Format::WebP)),
            (b"RIFF\x24\0\0\0WAVEfmt ", None),
            (b"BM\x36\0", Some(Format::Bmp)),
            (b"GIF89a", Some(Format::Gif)),
            (b"II*\0\x08", Some(Format::Tiff)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(Format::Heic)),
            (b"\0\0\0\x1Cftypmif1\0\0\0\0mif1avifmiaf", Some(Format::Avif)),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Some(Format::Video)),
            (b"\xFF\x0A\x00", Some(Format::JpegXl)),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=", Some(Format::Svg)),
            (b"<?xml version=\"1.0\"?>\n<note>", None),
            (b"hello", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Format::of(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_read_has_a_hint() {
        for format in [Format::Heic, Format::Avif, Format::Tiff, Format::Gif, Format::JpegXl, Format::Svg] {
            assert!(!format.is_read() && format.hint().is_some(), "{format}");
        }
    }
}
