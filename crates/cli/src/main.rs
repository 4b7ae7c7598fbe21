//! The heirloom command: parse what was typed, check it, call the libraries, print. No mathematics.

mod arguments;
mod backbone;
mod command;
mod console;
mod failure;
mod interrupt;
mod panic;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use arguments::CommandLine;
use console::Console;

fn main() -> ExitCode {
    panic::install();
    let line = CommandLine::parse();
    let console = Console::new(line.shared.json);
    interrupt::install();
    let outcome = panic::contained(|| command::run(line, console));
    console.finish(outcome)
}
