//! Progress on standard error: a bar with the remaining time on a terminal, else a line every few seconds.
//! Work that ends within two seconds shows nothing.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::say;

/// Silence at the start.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far a piece of work is. Any thread may report.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    started: Instant,
    shown: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress of `what`, a plural noun (`images`).
    pub fn new(what: &'static str) -> Self {
        let state = State { started: Instant::now(), shown: None, bar: None };
        Self { what, terminal: stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// `done` of `total` are done.
    pub fn report(&self, done: usize, total: usize) {
        let Ok(mut state) = self.state.lock() else { return };
        let elapsed = state.started.elapsed();
        if elapsed < PATIENCE {
            return;
        }
        if self.terminal {
            let bar = state.bar.get_or_insert_with(|| bar(self.what, elapsed));
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        } else if state.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
            state.shown = Some(Instant::now());
            say(&line(self.what, done, total, elapsed));
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Ok(state) = self.state.lock()
            && let Some(bar) = &state.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(what: &str, elapsed: Duration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_elapsed(elapsed);
    let template = format!("{{bar:28}} {{pos}} of {{len}} {what}, {{per_sec:.0}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// One line: how many, how fast, how long still.
fn line(what: &str, done: usize, total: usize, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = heirloom_report::duration((total.saturating_sub(done)) as f64 / rate.max(1e-9));
    format!("{done} of {total} {what}, {rate:.0} a second, about {left} left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_how_fast_and_how_long_still() {
        let text = line("images", 100, 400, Duration::from_secs(4));
        assert_eq!(text, "100 of 400 images, 25 a second, about 12.0 s left");
    }

    #[test]
    fn quick_work_shows_nothing() {
        let progress = Progress::new("images");
        progress.report(1, 2);
        let state = progress.state.lock().unwrap();
        assert!(state.bar.is_none() && state.shown.is_none());
    }
}
