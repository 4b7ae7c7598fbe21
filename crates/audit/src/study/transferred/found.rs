//! Everything that was computed, and whether something is in the cache without computing it.

use std::collections::BTreeMap;

use super::pair::{Pair, Partner};
use super::rewound::Rewound;
use super::trained::Trained;
use super::{Item, Run, Study, StudyError, Training};

/// Everything that was computed.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub runs: BTreeMap<Run, Trained>,
    pub pairs: BTreeMap<(Run, Partner), Pair>,
    pub rewound: BTreeMap<Run, Rewound>,
    pub critical: BTreeMap<Run, Rewound>,
    /// Accuracy of a head on frozen features, on the held-out fifth.
    pub frozen: BTreeMap<Run, f64>,
    /// Uncertainty of every test image of a target, by a model that saw none of them.
    pub clear: BTreeMap<usize, Vec<f64>>,
}

impl Study<'_> {
    /// Whether an item can be had without computing anything.
    pub fn is_there(&self, item: &Item) -> Result<bool, StudyError> {
        let whole = |name: Result<String, StudyError>| Ok(self.cells.holds(&name?));
        match item {
            Item::Run(run) => self.has_run(run),
            Item::Pair(run, partner) => {
                let other = match partner {
                    Partner::Run(other) => self.has_run(other)?,
                    Partner::Source => true,
                };
                if other && self.has_run(run)? { whole(self.pair_name(run, partner)) } else { Ok(false) }
            }
            Item::Rewound(run) => {
                if self.has_run(run)? {
                    whole(self.rewound_name(run, false))
                } else {
                    Ok(false)
                }
            }
            Item::Critical(run) => {
                if self.has_run(run)? {
                    whole(self.rewound_name(run, true))
                } else {
                    Ok(false)
                }
            }
            Item::Frozen(run) => whole(self.frozen_name(run)),
            Item::Clear(target) => {
                let name = self.clear_name(*target)?;
                Ok(name.is_none_or(|name| self.cells.holds(&name)))
            }
        }
    }

    /// A run's name hangs on its rate, and that on the runs that tried rates.
    fn has_run(&self, run: &Run) -> Result<bool, StudyError> {
        if !matches!(run.training, Training::Part { rate: Some(_) }) {
            for trial in self.trials(run) {
                if !self.cells.holds(&self.run_name(&trial)?) {
                    return Ok(false);
                }
            }
        }
        Ok(self.cells.holds(&self.run_name(run)?))
    }
}
