//! Images per second of a frozen pass to the logits, with the FMA rate measured right after it.
//!
//! Every thread runs blocks of images through the same plan, as extraction does. With `--serve` each line read from standard
//! input is a number of seconds to measure for, answered by one line of JSON, so that another program can take turns.

use std::io::BufRead;
use std::time::{Duration, Instant};

use heirloom_engine::kernels::{multiply_adds, tile_multiply_adds};
use heirloom_engine::{Isa, Pixels, Plan, PlanOptions, Precision, Workspace};

/// What was asked for on the command line.
struct Request {
    path: String,
    threads: usize,
    block: usize,
    precision: Precision,
    serve: bool,
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let value = |name: &str, default: usize| match arguments.iter().position(|argument| argument == name) {
        None => Ok(default),
        Some(at) => arguments
            .get(at + 1)
            .and_then(|text| text.parse().ok())
            .filter(|&number| number > 0)
            .ok_or_else(|| format!("{name} takes a positive number")),
    };
    let precision = match arguments.iter().position(|argument| argument == "--precision") {
        None => Precision::F32,
        Some(at) => {
            arguments.get(at + 1).ok_or("--precision takes f32 or bf16")?.parse().map_err(|error| format!("{error}"))?
        }
    };
    let path = arguments.first().filter(|path| !path.starts_with("--")).cloned();
    Ok(Request {
        path: path.ok_or("usage: forward WEIGHTS [--threads N] [--block N] [--precision f32|bf16] [--serve]")?,
        threads: value("--threads", 2)?,
        block: value("--block", 4)?,
        precision,
        serve: arguments.iter().any(|argument| argument == "--serve"),
    })
}

/// Runs the benchmark.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let request = parse(arguments)?;
    let backbone = heirloom_zoo::open(&request.path).map_err(|error| error.to_string())?;
    let taps = vec![backbone.logits.clone().unwrap_or_else(|| backbone.features.clone())];
    let input_size = backbone.preprocess.input_size;
    let (isa, precision) = (Isa::detect_for(request.precision), request.precision);
    let options = PlanOptions { input_size, taps: taps.clone(), isa, precision };
    let plan = Plan::compile(&backbone.graph, &backbone.weights, &options).map_err(|error| error.to_string())?;
    let cost = backbone.graph.cost(input_size, &taps).map_err(|error| error.to_string())?;
    let pixels = vec![128u8; request.block * input_size[0] * input_size[1] * 3];
    let measure = |seconds: f64| {
        let rate = throughput(&plan, &pixels, &request, Duration::from_secs_f64(seconds));
        let peak = peak_rate(isa, request.threads, Duration::from_millis(100));
        let fraction = rate * cost.flops as f64 / peak;
        serde_json::json!({"images_per_second": rate, "kernels": isa, "peak_gflops": peak / 1e9, "fraction_of_peak": fraction})
    };
    if !request.serve {
        println!("{}", measure(3.0));
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let seconds = line.map_err(|error| error.to_string())?.trim().parse().map_err(|_| "expected seconds")?;
        println!("{}", measure(seconds));
    }
    Ok(())
}

/// Images per second over all threads.
fn throughput(plan: &Plan, pixels: &[u8], request: &Request, length: Duration) -> f64 {
    let one = || {
        let mut workspace = Workspace::default();
        let mut images = 0;
        let mut run = || plan.run_each(Pixels::Bytes(pixels), request.block, &mut workspace, |_, _| {});
        if run().is_err() {
            return 0.0;
        }
        let start = Instant::now();
        while start.elapsed() < length {
            if run().is_err() {
                return 0.0;
            }
            images += request.block;
        }
        images as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..request.threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

/// Floating-point operations per second of all threads on registers alone, in f32.
pub fn multiply_add_rate(threads: usize, length: Duration) -> f64 {
    peak_rate(Isa::detect(), threads, length)
}

/// Floating-point operations per second of all threads on registers or tiles alone.
fn peak_rate(isa: Isa, threads: usize, length: Duration) -> f64 {
    let one = || {
        let (start, mut operations) = (Instant::now(), 0);
        while start.elapsed() < length {
            operations += match isa {
                Isa::Amx => tile_multiply_adds(20_000),
                _ => multiply_adds(isa, 20_000),
            };
        }
        operations as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}
