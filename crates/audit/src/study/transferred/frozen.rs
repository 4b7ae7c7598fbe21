//! What a linear head on the frozen features of a checkpoint is worth: a cheaper guess of what fine-tuning from it will be worth.

use heirloom_transfer::compare::name_of;
use heirloom_transfer::fit::{Fit, FitError, FitOptions, fit};
use heirloom_transfer::heads::{Method, Settings};
use heirloom_zoo::Backbone;

use super::rates::held_out;
use super::{Run, Study, StudyError};

impl Study<'_> {
    pub fn frozen_name(&self, run: &Run) -> Result<String, StudyError> {
        let (start, target) = (self.start_name(run)?, &self.target(run.target)?.digest);
        let version = env!("CARGO_PKG_VERSION");
        Ok(name_of(&("what-transfers frozen", version, self.numerics(), start, target, self.seed(run.replica)))?)
    }

    /// Share of the held-out fifth that a head on what a run begins with answers right; the head sees the other training images alone.
    pub fn frozen(&self, run: &Run) -> Result<f64, StudyError> {
        self.kept(&self.frozen_name(run)?, || {
            let target = self.target(run.target)?;
            let table = held_out(&target.table, self.seed(run.replica));
            let fitted = self.fitted(&self.start(run)?, &table, self.seed(run.replica))?;
            Ok(fitted.record.scores.accuracy.value)
        })
    }

    /// A linear head on frozen features.
    pub fn fitted(&self, network: &Backbone, table: &heirloom_data::Table, seed: u64) -> Result<Fit, StudyError> {
        let options = FitOptions {
            methods: vec![Method::Linear],
            rows: None,
            targets: vec![1],
            settings: Settings::default(),
            seed,
            extract: self.options.extract.clone(),
        };
        match fit(network, table, None, &options, self.watch) {
            Err(FitError::Interrupted { .. }) => Err(StudyError::Interrupted),
            other => Ok(other?),
        }
    }
}
