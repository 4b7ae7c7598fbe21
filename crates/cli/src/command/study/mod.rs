//! `study`: experiments with the figures that are expected of them.

mod easytl;

use super::Outcome;
use crate::arguments::{StudyArguments, StudyName};
use crate::console::Console;
use crate::failure::Failure;

/// Exit code of a study whose figures are not the expected ones.
const DIFFERS: u8 = 4;

/// Runs `study`.
pub fn run(arguments: &StudyArguments, console: Console) -> Result<Outcome, Failure> {
    match &arguments.name {
        StudyName::Easytl(arguments) => easytl::run(arguments, console),
    }
}
