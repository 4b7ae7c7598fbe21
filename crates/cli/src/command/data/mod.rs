//! `data`: making data sets, and writing down which images of one are to be used and what is to be put on them.

mod manifest;
mod poison;
mod structured;
mod subset;

use super::Outcome;
use crate::arguments::{DataAction, DataArguments, MakeWhat};
use crate::console::Console;
use crate::failure::Failure;

/// Runs `data`.
pub fn run(arguments: &DataArguments, console: Console) -> Result<Outcome, Failure> {
    match &arguments.action {
        DataAction::Make(make) => {
            let MakeWhat::Structured(arguments) = &make.what;
            structured::run(arguments, console)
        }
        DataAction::Poison(arguments) => poison::run(arguments, console),
        DataAction::Subset(arguments) => subset::run(arguments, console),
    }
}
