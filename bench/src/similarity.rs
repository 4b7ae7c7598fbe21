//! Seconds of comparing all layers of two networks; `bench/peers/similarity.py` writes the networks and the images and compares.
//!
//! `heirloom-bench similarity A B PIXELS SIDE BATCH LAYER,LAYER,...`. PIXELS holds the images, u8 `[image, SIDE, SIDE, 3]`.

use std::error::Error;
use std::time::Instant;

use heirloom_audit::diff::{Side, SimilarityOptions, similarity};
use heirloom_audit::{AuditWatch, PreparedImages};
use heirloom_data::Preprocess;
use heirloom_engine::Isa;
use heirloom_training::random::generator;
use heirloom_transfer::extract::{Images, Network, Prepared, Scratch};
use heirloom_transfer::store::Digest;

/// Memory that values and Gram matrices may take.
const MEMORY: u64 = 3 << 29;

/// Images in memory.
struct Raw {
    pixels: Vec<u8>,
    length: usize,
}

impl Images for Raw {
    fn rows(&self) -> usize {
        self.pixels.len() / self.length.max(1)
    }

    fn locator(&self, row: usize) -> String {
        format!("image {row}")
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        rows.iter().map(|_| Ok(Digest::default())).collect()
    }

    fn prepare(
        &self,
        rows: &[usize],
        _: &Preprocess,
        _: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        let copy = |(row, out): (&usize, &mut [u8])| {
            out.copy_from_slice(&self.pixels[row * self.length..(row + 1) * self.length]);
            Ok(Prepared { digest: Digest::default(), problem: None })
        };
        rows.iter().zip(out.chunks_mut(self.length)).map(copy).collect()
    }
}

/// Runs the measurement and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [first, second, pixels, side, batch, layers] = arguments else {
        return Err("usage: heirloom-bench similarity A B PIXELS SIDE BATCH LAYER,LAYER,...".into());
    };
    let backbones = [heirloom_zoo::open_path(first.as_ref())?, heirloom_zoo::open_path(second.as_ref())?];
    let side: usize = side.parse()?;
    let raw = Raw { pixels: std::fs::read(pixels)?, length: side * side * 3 };
    let rows: Vec<usize> = (0..raw.rows()).collect();
    let (images, _) = PreparedImages::read(&raw, &rows, &backbones[0].preprocess, u64::MAX, None)?;
    let taps: Vec<String> = layers.split(',').map(str::to_owned).collect();
    let sides =
        backbones.each_ref().map(|network| Side { network: Network::from(network), taps: &taps, images: &images });
    let options = SimilarityOptions { batch: batch.parse()?, seed: 0, memory: MEMORY, isa: Isa::detect() };
    let started = Instant::now();
    let found = similarity(&sides[0], &sides[1], &options, AuditWatch::default())?;
    let seconds = started.elapsed().as_secs_f64();
    // The batches of the comparison, so that a peer can make the same.
    let mut order = rows;
    generator(options.seed, "batches of images", &[]).shuffle(&mut order);
    let values: Vec<Option<f64>> = found.pairs.iter().map(|pair| pair.unbiased).collect();
    let record = serde_json::json!({ "bench": "similarity", "layers": taps.len(), "images": found.images, "batch": found.batch,
        "seconds": seconds, "peak_mib": crate::memory::peak()?, "order": order, "values": values });
    println!("{record}");
    Ok(())
}
