//! Ctrl-C. Every file that matters is written under another name and renamed, so the process may end at any time: finished
//! parts stay, unfinished ones never carry a final name. An extraction is asked to stop first, so that it can say how far it came.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console::say;

/// Set by the first Ctrl-C; an extraction stops when it sees it.
pub static STOP: AtomicBool = AtomicBool::new(false);
/// Whether somebody watches [`STOP`].
static WATCHED: AtomicBool = AtomicBool::new(false);
/// What the user should know when the work is broken off here.
static NOTE: Mutex<&str> = Mutex::new("nothing was written");

/// Exit code of a process that ended by an interrupt.
pub const INTERRUPTED: u8 = 130;

/// While it lives, an interrupt sets [`STOP`] instead of ending the process; a second one ends it.
#[derive(Debug)]
pub struct Watching;

impl Watching {
    /// Begins to watch.
    pub fn begin() -> Self {
        WATCHED.store(true, Ordering::SeqCst);
        Self
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHED.store(false, Ordering::SeqCst);
    }
}

/// Says what an interrupt from now on leaves behind.
pub fn note(text: &'static str) {
    if let Ok(mut note) = NOTE.lock() {
        *note = text;
    }
}

/// What an interrupt leaves behind here.
pub fn noted() -> &'static str {
    NOTE.lock().map(|note| *note).unwrap_or_default()
}

/// Installs the handler. Where none can be installed, the system's own handling (end at once) stays, which is as safe.
pub fn install() {
    let _unavailable = ctrlc::set_handler(|| {
        if WATCHED.load(Ordering::SeqCst) && !STOP.swap(true, Ordering::SeqCst) {
            return;
        }
        say(&format!("\ninterrupted: {}", noted()));
        std::process::exit(i32::from(INTERRUPTED));
    });
}
