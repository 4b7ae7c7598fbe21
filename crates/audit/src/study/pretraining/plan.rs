//! What a study would compute.

use std::collections::BTreeSet;

use heirloom_transfer::compare::Cells;
use heirloom_transfer::fit::Watch;
use heirloom_zoo::Backbone;

use super::{Item, PretrainingData, PretrainingOptions, Run, Start, Study, StudyError, Task, items};

/// What a phase would compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhasePlan {
    /// The phase.
    pub phase: String,
    /// Networks and heads that no phase before it makes, those that try rates and sources included.
    pub networks: usize,
    /// Images that go through a network, a training step counted three times.
    pub images: usize,
}

/// What each phase would compute, were nothing in the cache.
///
/// # Errors
/// Targets that are not there.
pub fn plan(
    data: &PretrainingData,
    source: &Backbone,
    options: &PretrainingOptions,
    cells: &Cells,
) -> Result<Vec<PhasePlan>, StudyError> {
    let study = Study::new(data, source, options, cells, Watch::default(), None);
    let (mut made, mut parts) = (BTreeSet::new(), BTreeSet::new());
    let mut plans = Vec::new();
    for (phase, items) in items::phases(data, options) {
        let mut plan = PhasePlan { phase, networks: 0, images: 0 };
        for item in items {
            match item {
                Item::Run(run) => {
                    let needed = study.trials(&run).into_iter().chain([run]);
                    for run in needed.collect::<Vec<Run>>().into_iter().filter(|run| made.insert(*run)) {
                        plan.networks += 1;
                        plan.images += study.images_of(&run)?;
                    }
                }
                Item::Source { part, .. } if parts.insert(part) => {
                    plan.networks += 1;
                    let epochs = usize::try_from(study.own_epochs(part)).unwrap_or(usize::MAX);
                    plan.images += 3 * options.parts.get(part).copied().unwrap_or(0) * epochs;
                }
                Item::Strange(run) => plan.images += study.target(run.target)?.split()[1].len(),
                // Twenty steps forth and back.
                Item::Attacked(_) => plan.images += options.attacked * 65,
                Item::Source { .. } | Item::Temperature(_) => {}
            }
        }
        plans.push(plan);
    }
    Ok(plans)
}

impl Study<'_> {
    fn images_of(&self, run: &Run) -> Result<usize, StudyError> {
        let [train, test] = self.target(run.target)?.split();
        let rows = match run.task {
            Task::Rows { each: Some(each), .. } => each * self.target(run.target)?.table.classes.len(),
            Task::Uneven { tenths, .. } => self.uneven(run.target, tenths, run.seed)?.iter().sum(),
            _ => train.len(),
        };
        let epochs = usize::try_from(self.epochs(run)?).unwrap_or(usize::MAX);
        Ok(match (run.start, run.trial, run.task) {
            (Start::Frozen(_), ..) => train.len() + test.len(),
            (_, Some(_), _) => 3 * epochs * rows * 4 / 5 + rows / 5,
            (_, _, Task::Adversarial) => 6 * epochs * rows + test.len(),
            (_, _, Task::Rows { each: None, .. }) => epochs * (3 * rows + test.len()),
            _ => 3 * epochs * rows + test.len(),
        })
    }
}
