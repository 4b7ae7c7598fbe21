//! Peak resident memory of a process that makes some training steps.

use crate::steps::Bench;

type Failure = Box<dyn std::error::Error>;

const STEPS: usize = 3;

/// Runs: `memory ARCHITECTURE SIDE BATCH [--threads N]`; one line of JSON in MiB: at the peak, before the network was made, and
/// activations and gradients alone.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let usage = "usage: memory ARCHITECTURE SIDE BATCH [--threads N]";
    let [architecture, side, batch, rest @ ..] = arguments else { return Err(usage.into()) };
    let threads = match rest {
        [] => 2,
        [option, threads] if option == "--threads" => threads.parse()?,
        _ => return Err(usage.into()),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let before = peak()?;
    let mut bench = Bench::new(architecture, side.parse()?, batch.parse()?, heirloom_engine::Precision::F32)?;
    for _ in 0..STEPS {
        pool.install(|| bench.step().map_err(|error| error.to_string()))?;
    }
    let answer = serde_json::json!({
        "peak_mib": peak()?,
        "before_mib": before,
        "activation_mib": bench.activation_mib(),
    });
    println!("{answer}");
    Ok(())
}

/// The most memory this process had in MiB, as Linux counts it.
pub fn peak() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system does not tell VmHWM")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}
