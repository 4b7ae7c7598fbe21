//! The two outputs. What is said along the way goes to standard error; what a command was asked for goes to standard output:
//! one JSON object under `--json`, else the text or table itself.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::command::Outcome;
use crate::failure::Failure;

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
    quiet: bool,
}

/// A line on standard error. A closed standard error is no reason to stop.
pub fn say(text: &str) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

impl Console {
    /// With `json`, standard output carries one JSON object and nothing else.
    pub fn new(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// The same without what is said along the way, for a command that runs as a part of another.
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// A line for the person at the terminal.
    pub fn say(self, text: impl AsRef<str>) {
        if !self.quiet {
            say(text.as_ref());
        }
    }

    /// A line that says what is done next.
    pub fn stage(self, text: &str) {
        self.say(format!("{text} ..."));
    }

    /// The text that the command was asked for; nothing under `--json`, where the object says it.
    pub fn answer(self, text: &str) -> Result<(), Failure> {
        if self.json || self.quiet { Ok(()) } else { write_out(text) }
    }

    /// Prints how the command ended and gives its exit code.
    pub fn finish(self, outcome: Result<Outcome, Failure>) -> ExitCode {
        let (object, code) = match outcome {
            Ok(outcome) => (outcome.json, outcome.code),
            Err(failure) => {
                say(&failure.to_string());
                (failure.to_json(), failure.code())
            }
        };
        if self.json
            && let Err(failure) = write_out(&format!("{object}\n"))
        {
            say(&failure.to_string());
            return ExitCode::from(failure.code());
        }
        ExitCode::from(code)
    }
}

/// Writes to standard output. A reader that has gone away (`| head`) has what it wanted.
fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::input(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// Labels and values in two columns; a line without a label continues the one above.
pub fn facts(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(label, value)| format!("{label:<width$}  {value}\n")).collect()
}

/// Every line moved in by two spaces.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
