//! Efficiency of the kernels of training: rate of the weight gradient, the input gradient and the forward pass of the layers of
//! known networks, over the rate of multiply-adds on registers, measured in turn, the median of the ratios over some rounds.
//! Time is the thread's own processor time, so that other programs on the same cores take less away.

use std::hint::black_box;

use heirloom_engine::Padding;
use heirloom_engine::kernels::training::{ConvolutionGradient, TrainingScratch};
use heirloom_engine::kernels::{AlignedBuffer, Convolution, Isa, RowsMut, Window, multiply_adds};

use crate::kernels::{median, processor_time, values};

/// A convolution, or a linear layer as one of a single pixel, with the images of a training batch.
struct Layer {
    name: &'static str,
    images: usize,
    side: usize,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    groups: usize,
}

const fn layer(
    name: &'static str,
    images: usize,
    side: usize,
    channels: [usize; 2],
    [kernel, stride]: [usize; 2],
) -> Layer {
    Layer { name, images, side, channels, kernel, stride, groups: 1 }
}

const fn depthwise(name: &'static str, images: usize, side: usize, channels: usize, window: [usize; 2]) -> Layer {
    Layer { groups: channels, ..layer(name, images, side, [channels; 2], window) }
}

const LAYERS: &[Layer] = &[
    layer("resnet-20 3x3 3>16 @32", 128, 32, [3, 16], [3, 1]),
    layer("resnet-20 3x3 16>16 @32", 128, 32, [16, 16], [3, 1]),
    layer("resnet-20 3x3/2 16>32 @32", 128, 32, [16, 32], [3, 2]),
    layer("resnet-20 1x1/2 16>32 @32", 128, 32, [16, 32], [1, 2]),
    layer("resnet-20 3x3 32>32 @16", 128, 16, [32, 32], [3, 1]),
    layer("resnet-20 3x3/2 32>64 @16", 128, 16, [32, 64], [3, 2]),
    layer("resnet-20 3x3 64>64 @8", 128, 8, [64, 64], [3, 1]),
    layer("resnet-18 7x7/2 3>64 @64", 64, 64, [3, 64], [7, 2]),
    layer("resnet-18 3x3 64>64 @16", 64, 16, [64, 64], [3, 1]),
    layer("resnet-18 3x3/2 64>128 @16", 64, 16, [64, 128], [3, 2]),
    layer("resnet-18 1x1/2 64>128 @16", 64, 16, [64, 128], [1, 2]),
    layer("resnet-18 3x3 128>128 @8", 64, 8, [128, 128], [3, 1]),
    layer("resnet-18 3x3/2 128>256 @8", 64, 8, [128, 256], [3, 2]),
    layer("resnet-18 3x3 256>256 @4", 64, 4, [256, 256], [3, 1]),
    layer("resnet-18 3x3/2 256>512 @4", 64, 4, [256, 512], [3, 2]),
    layer("resnet-18 3x3 512>512 @2", 64, 2, [512, 512], [3, 1]),
    layer("resnet-18 3x3 64>64 @56", 16, 56, [64, 64], [3, 1]),
    layer("resnet-18 3x3 512>512 @7", 16, 7, [512, 512], [3, 1]),
    layer("mobilenet 3x3/2 3>16 @96", 64, 96, [3, 16], [3, 2]),
    layer("mobilenet 1x1 16>64 @48", 64, 48, [16, 64], [1, 1]),
    layer("mobilenet 1x1 72>24 @24", 64, 24, [72, 24], [1, 1]),
    layer("mobilenet 1x1 40>120 @12", 64, 12, [40, 120], [1, 1]),
    layer("mobilenet 1x1 112>672 @6", 64, 6, [112, 672], [1, 1]),
    layer("mobilenet 1x1 960>160 @3", 64, 3, [960, 160], [1, 1]),
    layer("mobilenet 960>1280 @1", 64, 1, [960, 1280], [1, 1]),
    depthwise("mobilenet dw 3x3 16 @48", 64, 48, 16, [3, 1]),
    depthwise("mobilenet dw 3x3/2 64 @48", 64, 48, 64, [3, 2]),
    depthwise("mobilenet dw 3x3 72 @24", 64, 24, 72, [3, 1]),
    depthwise("mobilenet dw 5x5/2 72 @24", 64, 24, 72, [5, 2]),
    depthwise("mobilenet dw 5x5 120 @12", 64, 12, 120, [5, 1]),
    depthwise("mobilenet dw 3x3 480 @6", 64, 6, 480, [3, 1]),
    depthwise("mobilenet dw 5x5 960 @3", 64, 3, 960, [5, 1]),
    layer("vit patch 16x16/16 3>192", 8, 224, [3, 192], [16, 16]),
    layer("vit qkv 192>576", 1576, 1, [192, 576], [1, 1]),
    layer("vit proj 192>192", 1576, 1, [192, 192], [1, 1]),
    layer("vit fc1 192>768", 1576, 1, [192, 768], [1, 1]),
    layer("vit fc2 768>192", 1576, 1, [768, 192], [1, 1]),
];

/// What a layer computes in a step of training.
struct Step {
    operations: f64,
    forward: Convolution,
    gradient: ConvolutionGradient,
    weight: AlignedBuffer,
    input: AlignedBuffer,
    output: AlignedBuffer,
    channels: usize,
    scratch: TrainingScratch,
}

impl Step {
    fn new(isa: Isa, layer: &Layer) -> Result<Self, String> {
        let &Layer { name, images, side, channels: [input, output], kernel, stride, groups } = layer;
        let padding = if kernel == stride { Padding::NONE } else { Padding::all(kernel / 2) };
        let window = Window::new([side; 2], [kernel; 2], [stride; 2], padding, [1, 1], false)
            .ok_or_else(|| format!("{name}: the window does not fit"))?;
        let weight = values(output * input / groups * kernel * kernel);
        let pixels = images * window.output_pixels();
        Ok(Self {
            operations: 2.0 * (pixels * weight.len()) as f64,
            forward: Convolution::new(isa, window, &weight, output, input, groups),
            gradient: ConvolutionGradient::new(isa, window, output, input, groups),
            weight,
            input: values(images * window.input_pixels() * input),
            output: values(pixels * output),
            channels: output,
            scratch: TrainingScratch::default(),
        })
    }

    fn weight_gradient(&mut self) {
        self.gradient.weight(black_box(&self.input), &self.output, &mut self.weight, &mut self.scratch);
    }

    fn input_gradient(&mut self) {
        self.gradient.input(black_box(&self.output), &mut self.input, None, &mut self.scratch);
    }

    fn forward(&mut self) {
        let to = RowsMut::new(&mut self.output, self.channels);
        self.forward.run_batch(black_box(&self.input), to, Vec::new(), &mut self.scratch);
    }

    fn pack(&mut self) {
        self.forward.repack(black_box(&self.weight));
        self.gradient.pack(black_box(&self.weight));
    }
}

/// Operations per second of the peak, for about a millisecond.
fn peak(isa: Isa) -> f64 {
    let start = processor_time();
    let operations = multiply_adds(isa, 20_000);
    operations as f64 / (processor_time() - start).as_secs_f64()
}

/// Median rate and median ratio to the peak measured just before and after.
fn measure(isa: Isa, rounds: usize, step: &mut Step, work: fn(&mut Step)) -> (f64, f64) {
    work(step);
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    let mut before = peak(isa);
    for _ in 0..rounds {
        let start = processor_time();
        work(step);
        let found = step.operations / (processor_time() - start).as_secs_f64();
        let after = peak(isa);
        rates.push(found);
        ratios.push(found / (before + after) * 2.0);
        before = after;
    }
    (median(&mut rates), median(&mut ratios))
}

/// Runs the benchmark on one thread: `[--rounds N] [part of a name...]`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (mut rounds, mut names) = (15, Vec::new());
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
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
    println!("{isa}; registers alone {:.0} GFLOP/s; one thread, {rounds} rounds", peak(isa) / 1e9);
    println!("{:<28} {:>14} {:>14} {:>14} {:>9}", "GFLOP/s, ratio", "weight", "input", "forward", "pack ms");
    for layer in LAYERS.iter().filter(|layer| names.is_empty() || names.iter().any(|part| layer.name.contains(part))) {
        let mut step = Step::new(isa, layer)?;
        let works: [fn(&mut Step); 4] = [Step::weight_gradient, Step::input_gradient, Step::forward, Step::pack];
        // In a pool of one thread the kernels run on the thread that measures.
        let [weight, input, forward, (packed, _)] =
            pool.install(|| works.map(|work| measure(isa, rounds, &mut step, work)));
        let show = |(rate, ratio): (f64, f64)| format!("{:.0} {:>5.1}%", rate / 1e9, ratio * 100.0);
        let (pack, name) = (step.operations / packed * 1e3, layer.name);
        println!("{name:<28} {:>14} {:>14} {:>14} {pack:>9.3}", show(weight), show(input), show(forward));
    }
    Ok(())
}
