//! The experiments of Head2Toe (Evci et al., ICML 2022; `spec/head2toe.md` sections 5 and 6) on any tables: methods beside each other on
//! every target, domain affinity against gain, the quality of the ranking, one layer beside the last, and cost.
//!
//! Work is done in stages over all targets, so that a run which is broken off, or whose budget ends, has a minimum for every claim. Every
//! cell is kept in the cache and never computed again.

mod check;
mod claims;
mod correlation;
mod oracle;
mod record;
mod relation;

use std::time::{Duration, Instant};

use heirloom_data::Table;
use heirloom_zoo::Backbone;

pub use check::{Expected, figures};
pub use correlation::Correlation;
pub use oracle::{Beside, Oracle};
pub use record::{Cell, Claim, CostShare, ExpectedFigure, Head2ToeStudy, Relation, TargetResult, Trend, Window};

use crate::compare::cell::{Cells, name_of};
use crate::compare::{Adaptation, CompareError, CompareOptions, Comparison, Entry, Line, compare};
use crate::extract::{ExtractOptions, TableImages};
use crate::fit::Watch;
use crate::fit::trained::{RecipeOptions, TrainedMethod, TrainingEvent};
use crate::heads::{LastLayer, Method, Settings, Solver};
use crate::store::Store;
use crate::{Pooling, pooled_width};
use oracle::Experiment;
use relation::Pairs;

/// Consecutive ranks in a window.
const WINDOW: usize = 2048;
/// Pooling target of windows and of single layers.
const TARGET: usize = 512;

/// A data set of the study.
#[derive(Debug, Clone)]
pub struct StudyTarget {
    /// Its name.
    pub name: String,
    /// Its group, over which means are taken: `near`, `far`, ...
    pub group: String,
    /// What is in the pictures.
    pub about: String,
    /// Its rows.
    pub table: Table,
}

/// The networks of the study.
#[derive(Debug, Clone)]
pub struct Networks {
    /// Networks whose features are frozen; the first is the one of windows and single layers.
    pub frozen: Vec<Backbone>,
    /// Another network, trained independently, as a control of single layers.
    pub control: Option<Backbone>,
    /// The network that is fine-tuned.
    pub tuned: Option<Backbone>,
    /// The architecture that is trained from random weights.
    pub scratch: Option<Backbone>,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct StudyOptions {
    /// Draws of training rows for frozen features.
    pub draws: usize,
    /// Draws, of these, that are trained from scratch.
    pub scratch_draws: usize,
    /// Draws, of these, that are fine-tuned.
    pub tuned_draws: usize,
    /// Epochs from scratch; images of the network's own size.
    pub scratch_epochs: u64,
    /// Epochs of fine-tuning.
    pub tuned_epochs: u64,
    /// Side of the images that are fine-tuned on, in pixels.
    pub tuned_side: usize,
    /// Pooling targets that head2toe and the heads on all layers choose from.
    pub targets: Vec<usize>,
    /// Windows of ranks.
    pub windows: usize,
    /// Layers of a network that stand beside the last one in turn.
    pub layers: usize,
    /// No new part is begun after this time.
    pub budget: Option<Duration>,
    /// Seed of everything.
    pub seed: u64,
    /// How to extract.
    pub extract: ExtractOptions,
}

/// The parts of the study in the order in which they are done: what claims are about comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// linear and head2toe.
    Frozen,
    /// From random weights.
    Scratch,
    /// Runs of consecutive ranks.
    Windows,
    /// One layer beside the last.
    Oracle,
    /// Fine-tuning.
    Tuned,
    /// The heads on all layers.
    All,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Self; 6] = [Self::Frozen, Self::Scratch, Self::Windows, Self::Oracle, Self::Tuned, Self::All];

    /// What it does, for a reader.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frozen => "linear and head2toe",
            Self::Scratch => "training from scratch",
            Self::Tuned => "fine-tuning",
            Self::Windows => "windows of ranks",
            Self::Oracle => "one layer beside the last",
            Self::All => "heads on all layers",
        }
    }
}

/// What a target's comparison found.
struct Found {
    comparison: Comparison,
    /// For each entry, the ranks left out at the top where it is a window of ranks.
    offsets: Vec<Option<usize>>,
}

impl Found {
    /// Ranks left out, where a line is a window of ranks.
    fn offset(&self, line: &Line) -> Option<usize> {
        self.offsets.get(line.entry).copied().flatten()
    }
}

/// Classes beyond which heads on all columns are left out: those of one network would take longer than everything else of a target.
const MOST_CLASSES: usize = 100;

/// What is shared by all parts.
struct Study<'a> {
    networks: &'a Networks,
    options: &'a StudyOptions,
    store: &'a Store,
    watch: Watch<'a>,
    training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
}

/// Runs the study.
///
/// # Errors
/// A target that cannot be read or fitted on, or an interrupt; what was computed stays in the cache.
pub fn study(
    targets: &[StudyTarget],
    networks: &Networks,
    options: &StudyOptions,
    store: &Store,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<Head2ToeStudy, CompareError> {
    let started = Instant::now();
    let study = Study { networks, options, store, watch, training };
    let mut found: Vec<Option<Found>> = targets.iter().map(|_| None).collect();
    let mut oracles: Vec<Option<Oracle>> = vec![None; targets.len()];
    let mut done: Vec<Vec<Stage>> = vec![Vec::new(); targets.len()];
    let mut unfinished = Vec::new();
    // Few classes first: with a budget, heads of a hundred classes on all columns leave no time for those of ten.
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|at| targets[*at].table.classes.len());
    for stage in Stage::ALL.into_iter().filter(|stage| study.has(*stage)) {
        for (at, target) in order.iter().map(|at| (*at, &targets[*at])) {
            if options.budget.is_some_and(|budget| started.elapsed() > budget) {
                unfinished.push(format!("{}: {}", stage.name(), target.name));
                continue;
            }
            let classes = target.table.classes.len();
            if stage == Stage::All && classes > MOST_CLASSES {
                unfinished.push(format!("{}: {} (left out, {classes} classes)", stage.name(), target.name));
                continue;
            }
            study.say(&format!("{}: {}", target.name, stage.name()));
            done[at].push(stage);
            match (stage, &found[at]) {
                (Stage::Oracle, Some(found)) => oracles[at] = study.oracle(target, &found.comparison)?,
                _ => found[at] = Some(study.compare(target, &done[at])?),
            }
        }
    }
    let all = targets.iter().zip(found).zip(oracles);
    let results: Vec<(TargetResult, Pairs)> =
        all.filter_map(|((target, found), oracle)| Some(study.result(target, &found?, oracle))).collect();
    Ok(study.finish(results, unfinished))
}

impl Study<'_> {
    fn say(&self, text: &str) {
        if let Some(stage) = self.watch.stage {
            stage(text);
        }
    }

    /// Whether there is anything to do in a stage.
    fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Frozen => true,
            Stage::Scratch => self.networks.scratch.is_some(),
            Stage::Tuned => self.networks.tuned.is_some(),
            Stage::Windows => self.options.windows > 0,
            Stage::Oracle => self.options.layers > 0,
            Stage::All => true,
        }
    }

    /// Everything that the stages so far need of a target; what was there before is taken from the cache.
    fn compare(&self, target: &StudyTarget, stages: &[Stage]) -> Result<Found, CompareError> {
        let entries: Vec<Entry<'_>> = stages.iter().flat_map(|stage| self.entries(*stage)).collect();
        let options = CompareOptions {
            draws: self.options.draws,
            train_rows: None,
            rows: None,
            time_limit: None,
            seed: self.options.seed,
            extract: self.options.extract.clone(),
        };
        let comparison = compare(&entries, &target.table, self.store, &options, self.watch, self.training)?;
        let offset = |entry: &Entry<'_>| {
            let is_window = entry.settings.head2toe.last_layer == LastLayer::Never;
            is_window.then_some(entry.settings.head2toe.rank_offset)
        };
        Ok(Found { comparison, offsets: entries.iter().map(offset).collect() })
    }

    /// All targets together.
    fn finish(&self, mut results: Vec<(TargetResult, Pairs)>, unfinished: Vec<String>) -> Head2ToeStudy {
        let affinity = |result: &TargetResult| {
            let first = result.relations.first().and_then(|relation| relation.affinity);
            first.map_or(f64::NEG_INFINITY, |affinity| affinity.value)
        };
        results.sort_by(|(a, _), (b, _)| affinity(b).total_cmp(&affinity(a)));
        let networks: Vec<String> = self.networks.frozen.iter().map(|network| network.name.clone()).collect();
        let pairs: Vec<&Pairs> = results.iter().map(|(_, pairs)| pairs).collect();
        let trends = claims::trends(&networks, &pairs, self.options.seed);
        let of: Vec<&TargetResult> = results.iter().map(|(result, _)| result).collect();
        let claims = claims::claims(&of, &trends, self.options.seed);
        Head2ToeStudy {
            version: env!("CARGO_PKG_VERSION").to_string(),
            targets: results.into_iter().map(|(result, _)| result).collect(),
            trends,
            claims,
            unfinished,
        }
    }

    fn entries(&self, stage: Stage) -> Vec<Entry<'_>> {
        let frozen = |methods: &[Method]| -> Vec<Entry<'_>> {
            let methods: Vec<Adaptation> = methods.iter().map(|method| Adaptation::Frozen(*method)).collect();
            let entry = |network| Entry::new(network, methods.clone(), &self.options.targets);
            self.networks.frozen.iter().map(entry).collect()
        };
        let trained = |network: &'_ Option<Backbone>, method| -> Vec<Adaptation> {
            network.as_ref().map(|_| Adaptation::Trained(method)).into_iter().collect()
        };
        match stage {
            Stage::Frozen => frozen(&[Method::Linear, Method::Head2Toe]),
            Stage::All => frozen(&[Method::AllL1, Method::AllL2, Method::AllL21]),
            Stage::Scratch => {
                let methods = trained(&self.networks.scratch, TrainedMethod::Scratch);
                let recipe = RecipeOptions { epochs: Some(self.options.scratch_epochs), ..RecipeOptions::default() };
                let draws = Some(self.options.scratch_draws);
                let entry =
                    |network| Entry { recipe: recipe.clone(), draws, ..Entry::new(network, methods.clone(), &[]) };
                self.networks.scratch.iter().map(entry).collect()
            }
            Stage::Tuned => {
                let methods = trained(&self.networks.tuned, TrainedMethod::Full);
                let recipe = RecipeOptions {
                    epochs: Some(self.options.tuned_epochs),
                    image_size: Some(self.options.tuned_side),
                    ..RecipeOptions::default()
                };
                let draws = Some(self.options.tuned_draws);
                let entry =
                    |network| Entry { recipe: recipe.clone(), draws, ..Entry::new(network, methods.clone(), &[]) };
                self.networks.tuned.iter().map(entry).collect()
            }
            Stage::Windows => self.networks.frozen.first().map(|network| self.windows(network)).unwrap_or_default(),
            Stage::Oracle => vec![],
        }
    }

    /// Head2Toe on ranks 0 to 2047, 2048 to 4095, ... of one pooling target, for as many as there are.
    fn windows<'b>(&self, network: &'b Backbone) -> Vec<Entry<'b>> {
        let columns = columns(network, TARGET);
        let whole = columns / WINDOW;
        let entry = |window: usize| {
            let mut settings = Settings::default();
            // Half a column more than the window, so that the floor of the product is the window.
            settings.head2toe.fractions = vec![(WINDOW as f64 + 0.5) / columns as f64];
            settings.head2toe.rank_offset = window * WINDOW;
            settings.head2toe.last_layer = LastLayer::Never;
            if let Solver::Exact { group_penalties, .. } = &mut settings.head2toe.solver {
                *group_penalties = vec![0.1];
            }
            let methods = vec![Adaptation::Frozen(Method::Head2Toe)];
            Entry { settings, draws: Some(1), ..Entry::new(network, methods, &[TARGET]) }
        };
        (0..self.options.windows.min(whole)).map(entry).collect()
    }

    fn oracle(&self, target: &StudyTarget, comparison: &Comparison) -> Result<Option<Oracle>, CompareError> {
        let (Some(network), Some(draw)) = (self.networks.frozen.first(), comparison.draw_rows.first()) else {
            return Ok(None);
        };
        let images = TableImages::new(&target.table, self.store.cache());
        let experiment = Experiment {
            network,
            other: self.networks.control.as_ref(),
            table: &target.table,
            images: &images,
            store: self.store,
            draw,
            target: TARGET,
            most_taps: self.options.layers,
            seed: self.options.seed,
            extract: &self.options.extract,
            watch: self.watch,
        };
        let (cells, name) = (Cells::new(self.store.cache()), name_of(&experiment.described()?)?);
        if let Some(known) = cells.read(&name)? {
            return Ok(Some(known));
        }
        let oracle = experiment.run()?;
        cells.write(&name, &oracle)?;
        Ok(Some(oracle))
    }
}

/// Columns of all taps at a pooling target; 0 for a network whose shapes cannot be told, which no entry could be computed for either.
fn columns(network: &Backbone, target: usize) -> usize {
    let shapes = network.graph.tap_shapes(network.preprocess.input_size, &network.taps).unwrap_or_default();
    shapes.into_iter().map(|shape| pooled_width(shape, Pooling::to(target))).sum()
}
