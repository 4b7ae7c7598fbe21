//! Progress on standard error: a bar with the remaining time on a terminal, else a line every few seconds.
//! Work that ends within two seconds shows nothing.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use heirloom_transfer::fit::trained::{EpochReport, StepReport};

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

    /// Removes the bar and counts from now on, for another piece of work.
    pub fn restart(&self) {
        self.finish();
        if let Ok(mut state) = self.state.lock() {
            *state = State { started: Instant::now(), shown: None, bar: None };
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Progress of training: one line with epoch, step, loss, accuracy, images a second and the time left.
#[derive(Debug)]
pub struct TrainingProgress {
    terminal: bool,
    state: Mutex<TrainingState>,
}

#[derive(Debug)]
struct TrainingState {
    started: Instant,
    steps: u64,
    images: usize,
    right: usize,
    /// Smoothed over about twenty steps.
    loss: Option<f64>,
    shown: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl TrainingProgress {
    /// Nothing done yet.
    pub fn new() -> Self {
        let state = TrainingState {
            started: Instant::now(),
            steps: 0,
            images: 0,
            right: 0,
            loss: None,
            shown: None,
            bar: None,
        };
        Self { terminal: stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// A step was made.
    pub fn step(&self, step: &StepReport) {
        let Ok(mut state) = self.state.lock() else { return };
        if state.steps == 0 {
            state.started = Instant::now();
        }
        if step.step_in_epoch == 0 {
            (state.images, state.right) = (0, 0);
        }
        state.steps += 1;
        state.images += step.images;
        state.right += step.right;
        state.loss = Some(state.loss.map_or(step.loss, |loss| 0.95 * loss + 0.05 * step.loss));
        let elapsed = state.started.elapsed();
        let line = state.line(step, elapsed);
        if elapsed < PATIENCE {
            return;
        }
        if self.terminal {
            let bar = state.bar.get_or_insert_with(line_bar);
            bar.set_message(line);
            bar.tick();
        } else if state.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
            state.shown = Some(Instant::now());
            say(&line);
        }
    }

    /// The line of a complete epoch.
    pub fn epoch(&self, epoch: &EpochReport) -> String {
        self.finish();
        let accuracy =
            epoch.validation_accuracy.map_or(String::new(), |share| format!(", accuracy {:.1} %", 100.0 * share));
        let validation = epoch.validation.map_or(String::new(), |loss| format!("; held out: loss {loss:.3}{accuracy}"));
        let best = if epoch.best { " (best)" } else { "" };
        let rate = epoch.images as f64 / epoch.seconds.max(1e-9);
        format!(
            "epoch {}: loss {:.3}, accuracy {:.1} %{validation}{best}; {rate:.0} images/s",
            epoch.epoch + 1,
            epoch.loss,
            100.0 * epoch.accuracy
        )
    }

    /// Removes the line.
    pub fn finish(&self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(bar) = state.bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl TrainingState {
    fn line(&self, step: &StepReport, elapsed: Duration) -> String {
        let all = step.steps_per_epoch * step.epochs;
        let done = step.epoch * step.steps_per_epoch + step.step_in_epoch + 1;
        let pace = elapsed.as_secs_f64() / self.steps.max(1) as f64;
        let left = heirloom_report::duration(pace * all.saturating_sub(done) as f64);
        format!(
            "epoch {} of {}, step {} of {}: loss {:.3}, accuracy {:.1} %, {:.0} images/s, about {left} left",
            step.epoch + 1,
            step.epochs,
            step.step_in_epoch + 1,
            step.steps_per_epoch,
            self.loss.unwrap_or_default(),
            100.0 * self.right as f64 / self.images.max(1) as f64,
            step.images as f64 / pace.max(1e-9)
        )
    }
}

fn line_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
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
