//! The heirloom command: parse what was typed, check it, call the libraries, print. No mathematics.

mod arguments;
mod backbone;
mod command;
mod console;
mod failure;
mod interrupt;
mod panic;
mod progress;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::CommandLine;
use console::Console;

fn main() -> ExitCode {
    panic::install();
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let line = CommandLine::read(&typed).unwrap_or_else(|error| error.exit());
    let console = Console::new(line.shared.json);
    interrupt::install();
    let outcome = panic::contained(|| command::run(line, console));
    console.finish(outcome)
}
