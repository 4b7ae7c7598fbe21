//! Training images a second from decoded images to finished batches: what the input pipeline can feed a network with.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use heirloom_data::augment::{Augmentation, Preset};
use heirloom_data::batches::{
    Batch, DecodeOptions, DecodedImages, Loader, LoaderOptions, epoch_order, typical_shorter_side,
};
use heirloom_data::{Interpolation, Preprocess, Resize, Table, TableOptions};

/// `batches DATA [side] [none|flip|crop|strong] [batch size] [threads] [memory limit in MiB] [seconds]`: decodes the whole
/// table, makes epochs for the given time and prints one JSON object.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let argument = |at: usize, otherwise: &str| arguments.get(at).map_or(otherwise, String::as_str).to_owned();
    let number = |at: usize, otherwise: &str| argument(at, otherwise).parse::<usize>();
    let data = arguments.first().ok_or("usage: batches DATA [side] [preset] [batch size] [threads] [MiB] [seconds]")?;
    let (side, batch_size, threads) = (number(1, "64")?, number(3, "64")?, number(4, "1")?);
    let preprocess = Preprocess {
        input_size: [side, side],
        resize: Resize::ShorterSide(side * 8 / 7),
        interpolation: Interpolation::Bilinear,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let table = Table::open(Path::new(data), &TableOptions::default())?;
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let shorter_side = typical_shorter_side(&table, &rows).ok_or("no image can be read")?;
    let augmentation = Augmentation::preset(argument(2, "crop").parse::<Preset>()?, preprocess, shorter_side);
    let options = DecodeOptions { memory_limit: (number(5, "1024")? as u64) << 20, ..DecodeOptions::default() };

    let start = Instant::now();
    let mut silent = |_, _| ControlFlow::Continue(());
    let images = Arc::new(DecodedImages::new(&table, &rows, &augmentation, &options, &mut silent)?);
    let decoding = start.elapsed().as_secs_f64();
    let loader = Loader::new(images.clone(), augmentation.clone(), LoaderOptions { threads, ..Default::default() })?;
    let (seconds, start) = (argument(6, "2").parse::<f64>()?, Instant::now());
    let (mut made, mut worked, mut batch) = (0, 0.0, Batch::default());
    for epoch in 0.. {
        let mut batches = loader.epoch(epoch, &epoch_order(&images.rows(), 0, epoch), batch_size)?;
        while start.elapsed().as_secs_f64() < seconds && batches.next_into(&mut batch)? {
            made += batch.images();
        }
        worked += batches.worked().as_secs_f64();
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    let (in_memory, on_disk) = images.bytes();
    println!(
        "{}",
        serde_json::json!({
            "augmentation": augmentation.describe(),
            "side": side,
            "threads": threads,
            "images_per_second": made as f64 / start.elapsed().as_secs_f64(),
            "images_per_thread_second": made as f64 / worked,
            "decoded_per_second": images.len() as f64 / decoding,
            "bytes_in_memory": in_memory,
            "bytes_on_disk": on_disk,
        })
    );
    Ok(())
}
