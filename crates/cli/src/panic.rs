//! A defect of the program ends in one short message and exit code 3, never in a stack trace for the user to read.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::Mutex;

use crate::command::Outcome;
use crate::failure::Failure;

/// Where the first panic happened; later ones usually follow from it.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Replaces the standard report of a panic, which `RUST_BACKTRACE` keeps.
pub fn install() {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        set_hook(Box::new(remember));
    }
}

fn remember(info: &PanicHookInfo<'_>) {
    if let (Ok(mut place), Some(location)) = (PLACE.lock(), info.location())
        && place.is_empty()
    {
        *place = format!(" at {location}");
    }
}

/// Runs `body`; a panic becomes an internal failure that carries its message and place.
pub fn contained(body: impl FnOnce() -> Result<Outcome, Failure>) -> Result<Outcome, Failure> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let place = PLACE.lock().map(|place| place.clone()).unwrap_or_default();
        Err(Failure::internal(format!("{text}{place}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_failure_with_its_message() {
        let failure = contained(|| panic!("index 3 of 2")).err().unwrap();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().contains("index 3 of 2"));
    }
}
