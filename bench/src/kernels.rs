//! Efficiency of the convolution and linear kernels: their rate over the rate of multiply-adds on registers, measured in turn
//! in slices of a few milliseconds, the median of the ratios over many rounds. Time is the thread's own processor time, so that
//! other programs on the same cores take less away.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;

use heirloom_engine::kernels::{
    AlignedBuffer, Attention, Convolution, Isa, RowsMut, Scratch, Stage, Window, multiply_adds,
};
use heirloom_engine::{Activation, Padding};

/// Length of a slice.
const SLICE: Duration = Duration::from_millis(2);

/// A convolution (or linear layer, as one of a single pixel) of a known network.
struct Shape {
    name: &'static str,
    images: usize,
    side: usize,
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
}

const fn shape(name: &'static str, images: usize, side: usize, channels: [usize; 2], window: [usize; 3]) -> Shape {
    let ([input, output], [kernel, stride, padding]) = (channels, window);
    Shape { name, images, side, input, output, kernel, stride, padding, groups: 1 }
}

const SHAPES: &[Shape] = &[
    shape("resnet stem 7x7/2", 1, 224, [3, 64], [7, 2, 3]),
    shape("mobilenet stem 3x3/2", 1, 224, [3, 32], [3, 2, 1]),
    shape("resnet 1x1 64>64 @56", 1, 56, [64, 64], [1, 1, 0]),
    shape("resnet 1x1 64>256 @56", 1, 56, [64, 256], [1, 1, 0]),
    shape("resnet 1x1 256>64 @56", 1, 56, [256, 64], [1, 1, 0]),
    shape("resnet 1x1 256>512/2 @56", 1, 56, [256, 512], [1, 2, 0]),
    shape("resnet 1x1 128>512 @28", 1, 28, [128, 512], [1, 1, 0]),
    shape("resnet 1x1 512>128 @28", 1, 28, [512, 128], [1, 1, 0]),
    shape("resnet 1x1 256>1024 @14", 1, 14, [256, 1024], [1, 1, 0]),
    shape("resnet 1x1 1024>256 @14", 1, 14, [1024, 256], [1, 1, 0]),
    shape("resnet 1x1 512>2048 @7 x8", 8, 7, [512, 2048], [1, 1, 0]),
    shape("resnet 1x1 2048>512 @7 x8", 8, 7, [2048, 512], [1, 1, 0]),
    shape("resnet 3x3 64>64 @56", 1, 56, [64, 64], [3, 1, 1]),
    shape("resnet 3x3 128>128 @28", 1, 28, [128, 128], [3, 1, 1]),
    shape("resnet 3x3 128>128/2 @56", 1, 56, [128, 128], [3, 2, 1]),
    shape("resnet 3x3 256>256 @14", 1, 14, [256, 256], [3, 1, 1]),
    shape("resnet 3x3 512>512 @7", 1, 7, [512, 512], [3, 1, 1]),
    shape("resnet 3x3 512>512 @7 x8", 8, 7, [512, 512], [3, 1, 1]),
    shape("vit patch 16x16 3>192", 1, 224, [3, 192], [16, 16, 0]),
    shape("vit patch 16x16 3>768", 1, 224, [3, 768], [16, 16, 0]),
    shape("convnext patch 4x4 3>96", 1, 224, [3, 96], [4, 4, 0]),
    shape("convnext down 2x2 96>192", 1, 56, [96, 192], [2, 2, 0]),
    shape("vit qkv 192>576 197 rows", 197, 1, [192, 576], [1, 1, 0]),
    shape("vit fc1 192>768 gelu", 197, 1, [192, 768], [1, 1, 0]),
    shape("vit fc2 768>192", 197, 1, [768, 192], [1, 1, 0]),
    shape("vit-b fc1 768>3072 gelu", 197, 1, [768, 3072], [1, 1, 0]),
    shape("mobilenet 1x1 16>64 @112", 1, 112, [16, 64], [1, 1, 0]),
    shape("mobilenet 1x1 72>24 @56", 1, 56, [72, 24], [1, 1, 0]),
    shape("mobilenet 1x1 120>40 @28", 1, 28, [120, 40], [1, 1, 0]),
    shape("mobilenet 1x1 160>960 @7 x8", 8, 7, [160, 960], [1, 1, 0]),
    shape("linear 2048>1000 1 row", 1, 1, [2048, 1000], [1, 1, 0]),
    Shape { groups: 96, ..shape("depthwise 3x3 96 @56", 1, 56, [96, 96], [3, 1, 1]) },
    Shape { groups: 96, ..shape("depthwise 3x3/2 96 @112", 1, 112, [96, 96], [3, 2, 1]) },
    Shape { groups: 120, ..shape("depthwise 5x5 120 @28", 1, 28, [120, 120], [5, 1, 2]) },
    Shape { groups: 96, ..shape("depthwise 7x7 96 @56", 1, 56, [96, 96], [7, 1, 3]) },
];

/// Something to time: runs once and returns its floating-point operations.
type Work = Box<dyn FnMut() -> u64 + Send>;

/// Values in aligned memory, where the engine keeps its activations.
pub fn values(len: usize) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::zeroed(len);
    for (i, value) in buffer.iter_mut().enumerate() {
        *value = (i * 7919 % 1009) as f32 / 1009.0 - 0.5;
    }
    buffer
}

fn convolution(isa: Isa, shape: &Shape) -> Result<Work, String> {
    let &Shape { name, images, side, input, output, kernel, stride, padding, groups } = shape;
    let window = Window::new([side; 2], [kernel; 2], [stride; 2], Padding::all(padding), [1, 1], false)
        .ok_or_else(|| format!("{name}: the window does not fit"))?;
    let weight = values(output * input / groups * kernel * kernel);
    let operator = Convolution::new(isa, window, &weight, output, input, groups);
    let pixels = values(images * window.input_pixels() * input);
    let rows = images * window.output_pixels();
    let (bias, mut result, mut scratch) = (values(output), AlignedBuffer::zeroed(rows * output), Scratch::default());
    let function = if name.ends_with("gelu") { Activation::Gelu } else { Activation::Relu };
    Ok(Box::new(move || {
        let mut stages = [Stage::Bias(&bias), Stage::Activate(function)];
        operator.run(black_box(&pixels), 0..rows, RowsMut::new(&mut result, output), &mut stages, &mut scratch);
        black_box(&result);
        2 * (rows * output * input / groups * kernel * kernel) as u64
    }))
}

fn attention(isa: Isa, tokens: usize, channels: usize, heads: usize) -> Work {
    let operator = Attention::new(isa, tokens, channels, heads);
    let input = values(tokens * 3 * channels);
    let (mut result, mut scratch) = (AlignedBuffer::zeroed(tokens * channels), Scratch::default());
    Box::new(move || {
        operator.run(black_box(&input), 0..tokens, RowsMut::new(&mut result, channels), &mut scratch);
        black_box(&result);
        4 * (tokens * tokens * channels) as u64
    })
}

/// Time this thread has run for.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Operations per second of `work`, repeated for about one slice.
fn rate(work: &mut dyn FnMut() -> u64) -> f64 {
    let start = processor_time();
    let mut operations = 0;
    loop {
        operations += work();
        let elapsed = processor_time() - start;
        if elapsed >= SLICE {
            return operations as f64 / elapsed.as_secs_f64();
        }
    }
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median rate of `work` and median ratio to the peak measured just before and after.
fn measure(isa: Isa, work: &mut Work, rounds: usize) -> (f64, f64) {
    let mut peak = || multiply_adds(isa, 20_000);
    work();
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    let mut before = rate(&mut peak);
    for _ in 0..rounds {
        let found = rate(work);
        let after = rate(&mut peak);
        rates.push(found);
        ratios.push(found / (before + after) * 2.0);
        before = after;
    }
    (median(&mut rates), median(&mut ratios))
}

/// Means over `threads` threads that measure at the same time.
fn together(
    isa: Isa,
    threads: usize,
    rounds: usize,
    make: &(dyn Fn() -> Result<Work, String> + Sync),
) -> Result<(f64, f64), String> {
    let barrier = Barrier::new(threads);
    let found: Result<Vec<_>, String> = std::thread::scope(|scope| {
        let one = || {
            let mut work = make();
            barrier.wait();
            work.as_mut().map(|work| measure(isa, work, rounds)).map_err(|message| message.clone())
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let found = found?;
    let mean = |pick: fn(&(f64, f64)) -> f64| found.iter().map(pick).sum::<f64>() / threads as f64;
    Ok((mean(|f| f.0), mean(|f| f.1)))
}

/// Runs the benchmark: `[--rounds N] [part of a name...]`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (mut rounds, mut names) = (101, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            let value = arguments.next().ok_or("--rounds needs a number")?;
            rounds = value.parse().map_err(|_| format!("--rounds: '{value}' is not a number"))?;
        } else {
            names.push(argument.as_str());
        }
    }
    let isa = Isa::from_environment().map_err(|error| error.to_string())?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let peak = || multiply_adds(isa, 20_000);
    println!("{isa}; registers alone {:.0} GFLOP/s; {rounds} rounds", rate(&mut { peak }) / 1e9);
    println!("{:<28} {:>12} {:>7} {:>12} {:>7}", "", "1 thread", "", "2 threads", "");
    println!("{:<28} {:>12} {:>7} {:>12} {:>7}", "kernel", "GFLOP/s", "ratio", "GFLOP/s each", "ratio");
    let report = |name: &str, make: &(dyn Fn() -> Result<Work, String> + Sync)| -> Result<(), String> {
        let (one, two) = (together(isa, 1, rounds, make)?, together(isa, 2, rounds, make)?);
        println!(
            "{name:<28} {:>12.1} {:>6.1}% {:>12.1} {:>6.1}%",
            one.0 / 1e9,
            one.1 * 100.0,
            two.0 / 1e9,
            two.1 * 100.0
        );
        Ok(())
    };
    for shape in SHAPES.iter().filter(|shape| wanted(shape.name)) {
        report(shape.name, &|| convolution(isa, shape))?;
    }
    for (name, tokens, channels, heads) in [("attention vit-tiny", 197, 192, 3), ("attention vit-base", 197, 768, 12)] {
        if wanted(name) {
            report(name, &|| Ok(attention(isa, tokens, channels, heads)))?;
        }
    }
    Ok(())
}
