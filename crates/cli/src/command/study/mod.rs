//! `study`: experiments with the figures that are expected of them.

mod easytl;
mod head2toe;

use super::Outcome;
use crate::arguments::{SharedArguments, StudyArguments, StudyName};
use crate::console::Console;
use crate::failure::Failure;

/// Exit code of a study whose figures are not the expected ones.
const DIFFERS: u8 = 4;

/// Runs `study`.
pub fn run(arguments: &StudyArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    match &arguments.name {
        StudyName::Easytl(arguments) => easytl::run(arguments, console),
        StudyName::Head2toe(arguments) => head2toe::run(arguments, shared, console),
    }
}
