//! Speed of the engine, of decoding and of the input pipeline, one subcommand a measurement.

// A benchmark's output is what it prints.
#![allow(clippy::print_stdout)]

mod batches;
mod coverage;
mod curves;
mod decode;
mod forward;
mod gradients;
mod head2toe;
mod heads;
mod kernels;
mod memory;
mod scan;
mod scores;
mod search;
mod similarity;
mod steps;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("batches") => batches::run(&arguments[1..]),
        Some("coverage") => coverage::run(&arguments[1..]),
        Some("curves") => curves::run(&arguments[1..]),
        Some("decode") => decode::run(&arguments[1..]),
        Some("forward") => Ok(forward::run(&arguments[1..])?),
        Some("gradients") => Ok(gradients::run(&arguments[1..])?),
        Some("head2toe") => head2toe::run(&arguments[1..]),
        Some("heads") => heads::run(&arguments[1..]),
        Some("kernels") => Ok(kernels::run(&arguments[1..])?),
        Some("memory") => memory::run(&arguments[1..]),
        Some("scan") => scan::run(&arguments[1..]),
        Some("scores") => scores::run(&arguments[1..]),
        Some("search") => search::run(&arguments[1..]),
        Some("similarity") => similarity::run(&arguments[1..]),
        Some("steps") => steps::run(&arguments[1..]),
        _ => Err(
            "usage: heirloom-bench batches|coverage|curves|decode|forward|gradients|head2toe|heads|kernels|memory|scan|scores|search|\
             similarity|steps ..."
            .into(),
        ),
    }
}
