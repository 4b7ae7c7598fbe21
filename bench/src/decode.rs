//! Images a second on one thread from encoded bytes to the network's eight-bit input: decode, resize, crop.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use heirloom_data::{Decoder, Image, Interpolation, Preprocess, Resampler, Resize, Table, TableOptions};

/// `decode DATA [shorter side] [crop] [bilinear|bicubic] [seconds]`: reads at most 1000 images into memory, then decodes and
/// prepares them over and over for the given time and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let argument = |at: usize, otherwise: &str| arguments.get(at).map_or(otherwise, String::as_str).to_owned();
    let number = |at: usize, otherwise: &str| argument(at, otherwise).parse::<usize>();
    let data = arguments.first().ok_or("usage: decode DATA [shorter side] [crop] [bilinear|bicubic] [seconds]")?;
    let crop = number(2, "224")?;
    let preprocess = Preprocess {
        input_size: [crop, crop],
        resize: Resize::ShorterSide(number(1, "256")?),
        interpolation: match argument(3, "bilinear").as_str() {
            "bicubic" => Interpolation::Bicubic,
            _ => Interpolation::Bilinear,
        },
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    let seconds: f64 = argument(4, "2").parse()?;

    let table = Table::open(Path::new(data), &TableOptions::default())?;
    let rows: Vec<usize> = (0..table.rows.len().min(1000)).collect();
    let encoded: Vec<Vec<u8>> = table.encoded(&rows).into_iter().collect::<Result<_, _>>()?;
    let (mut decoder, mut resampler, mut image) = (Decoder::default(), Resampler::new(), Image::default());
    let mut prepared = vec![0; preprocess.output_length()];
    let mut once = |bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        decoder.decode_into(bytes, &mut image)?;
        Ok(preprocess.apply_with(&mut resampler, &image, &mut prepared)?)
    };
    for bytes in encoded.iter().take(20) {
        once(bytes)?;
    }
    let (start, mut images) = (Instant::now(), 0);
    'timing: loop {
        for bytes in &encoded {
            once(bytes)?;
            images += 1;
            if start.elapsed().as_secs_f64() > seconds {
                break 'timing;
            }
        }
    }
    let rate = images as f64 / start.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"images_per_second": rate, "images": images, "preprocess": preprocess.describe()})
    );
    Ok(())
}
