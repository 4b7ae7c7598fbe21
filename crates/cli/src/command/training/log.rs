//! Metrics of every epoch in files: JSON lines for pandas and the like, events for TensorBoard.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use heirloom_transfer::fit::trained::EpochReport;

use super::tensorboard::Events;
use crate::failure::Failure;

/// Both files, open.
pub struct Log {
    lines: Mutex<File>,
    events: Mutex<Events>,
}

impl Log {
    /// Goes on with `path` where it is there already; the events are in the folder `<path without extension>.tensorboard`.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |path: &Path, error: std::io::Error| Failure::input(format!("{}: {error}", path.display()));
        let lines = File::options().create(true).append(true).open(path).map_err(|error| failed(path, error))?;
        let folder = path.with_extension("tensorboard");
        let events = Events::create(&folder).map_err(|error| failed(&folder, error))?;
        Ok(Self { lines: Mutex::new(lines), events: Mutex::new(events) })
    }

    /// A line that cannot be written is no reason to lose the training.
    pub fn write(&self, epoch: &EpochReport) {
        if let (Ok(mut file), Ok(line)) = (self.lines.lock(), serde_json::to_string(epoch)) {
            let _lost = writeln!(file, "{line}");
        }
        if let Ok(mut events) = self.events.lock() {
            let _lost = events.write(epoch.epoch + 1, &metrics(epoch));
        }
    }
}

fn metrics(epoch: &EpochReport) -> Vec<(&'static str, f64)> {
    let mut metrics = vec![
        ("loss/train", epoch.loss),
        ("accuracy/train", epoch.accuracy),
        ("learning_rate", epoch.learning_rate),
        ("images_per_second", epoch.images as f64 / epoch.seconds.max(1e-9)),
    ];
    metrics.extend(epoch.validation.map(|loss| ("loss/held_out", loss)));
    metrics.extend(epoch.validation_accuracy.map(|accuracy| ("accuracy/held_out", accuracy)));
    metrics
}
