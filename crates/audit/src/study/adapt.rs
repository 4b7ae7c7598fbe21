//! Adapting a source to a target.

use heirloom_data::intervention::{Classes, Plant, Relabel};
use heirloom_data::{Split, Table};
use heirloom_transfer::fit::trained::{RecipeOptions, TrainedMethod, TrainedOptions, train};
use heirloom_transfer::fit::{Fit, FitError, FitOptions, fit};
use heirloom_transfer::heads::{Method, Settings};
use heirloom_transfer::predictor::{PredictOptions, Predictor};
use heirloom_zoo::Backbone;

use super::cell::{MEMORY, epochs};
use super::natural::TRAIN as NATURAL_TRAIN;
use super::probe::SIDES;
use super::source::trigger;
use super::{Arm, BiasData, BiasOptions, Origin, Regime, Set, Study, StudyError};
use crate::{PreparedImages, balanced, diff::Statistics};

/// Weight decay from scratch (`spec/bias-transfer.md` section 5).
const SCRATCH_DECAY: f64 = 1e-2;

impl Study<'_> {
    /// The target's rows as an arm is given them to train on: as many as it says, with the trigger on the share it says.
    pub fn training_table(&self, arm: &Arm, target: &Set, seed: usize) -> Result<Table, StudyError> {
        let [train, test] = target.split();
        let mut table = target.table.clone();
        let kept = match arm.rows {
            Some(rows) if rows < train.len() => {
                let labels: Vec<usize> = train.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
                balanced(&labels, rows, self.seed(seed)).into_iter().map(|at| train[at]).collect()
            }
            _ => train,
        };
        if arm.stamped > 0.0 {
            let plant = Plant {
                intervention: trigger(SIDES[0]),
                share: arm.stamped,
                classes: Classes::All,
                relabel: Relabel::Keep,
                seed: Plant::SEED.wrapping_add(self.seed(seed)),
            };
            table = plant.apply(&table, &kept)?.table;
        }
        let mut rows: Vec<usize> = kept.into_iter().chain(test).collect();
        rows.sort_unstable();
        table.rows = rows.iter().map(|row| table.rows[*row].clone()).collect();
        Ok(table)
    }

    /// The adapted model.
    pub fn adapted(&self, arm: &Arm, network: &Backbone, table: &Table, seed: usize) -> Result<Predictor, StudyError> {
        let (fit, network) = match arm.regime {
            Regime::Fixed { penalty } => (self.fitted(penalty, network, table, seed)?, network.clone()),
            Regime::Statistics => {
                let network = self.with_statistics(network, table)?;
                (self.fitted(None, &network, table, seed)?, network)
            }
            Regime::Full { rate, decay, .. } => {
                let recipe = RecipeOptions { learning_rate: rate, weight_decay: decay, ..RecipeOptions::default() };
                self.trained(TrainedMethod::Full, recipe, arm, network, table, seed)?
            }
            Regime::Scratch => {
                let recipe = RecipeOptions { weight_decay: Some(SCRATCH_DECAY), ..RecipeOptions::default() };
                self.trained(TrainedMethod::Scratch, recipe, arm, network, table, seed)?
            }
        };
        let artifact = fit.artifact(&network, Vec::new());
        let options = PredictOptions { extract: self.options.extract.clone(), ..PredictOptions::default() };
        Ok(Predictor::new(artifact, options)?)
    }

    fn fitted(&self, penalty: Option<f64>, network: &Backbone, table: &Table, seed: usize) -> Result<Fit, StudyError> {
        let mut options = self.fit_options(vec![Method::Linear], seed);
        if let Some(penalty) = penalty {
            options.settings.linear.penalties = vec![penalty];
        }
        fit(network, table, None, &options, self.watch).map_err(interrupted)
    }

    /// The network with the statistics of the training images in its batch norms.
    fn with_statistics(&self, network: &Backbone, table: &Table) -> Result<Backbone, StudyError> {
        let rows = table.rows_in(Some(Split::Train));
        let (images, _) = PreparedImages::read(table, &rows, &network.preprocess, MEMORY, self.watch.cancel)?;
        let (until, isa) = (vec![network.features.clone()], self.options.extract.isa);
        let measured = Statistics::new(&network.graph, until, &images, isa).map_err(FitError::from)?;
        let nothing = || StudyError::Data { set: network.name.clone(), reason: "it has no batch norms".to_owned() };
        let mut weights = network.weights.clone();
        measured.ok_or_else(nothing)?.measure(&mut weights).map_err(FitError::from)?;
        let weights_digest = heirloom_zoo::weights_digest(&weights);
        Ok(Backbone { weights, weights_digest, ..network.clone() })
    }

    fn trained(
        &self,
        method: TrainedMethod,
        recipe: RecipeOptions,
        arm: &Arm,
        network: &Backbone,
        table: &Table,
        seed: usize,
    ) -> Result<(Fit, Backbone), StudyError> {
        let recipe = RecipeOptions {
            epochs: epochs(self.options, arm),
            image_size: Some(network.preprocess.input_size[0]),
            ..recipe
        };
        let options = TrainedOptions {
            method,
            recipe,
            freeze: Vec::new(),
            train_from: None,
            train_only: Vec::new(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            keep_folded: false,
            keep_epochs: None,
        };
        let fit = self.fit_options(Vec::new(), seed);
        let made = train(network, table, None, &fit, &options, self.watch, self.training).map_err(interrupted)?;
        Ok((made.fit, made.backbone))
    }

    fn fit_options(&self, methods: Vec<Method>, seed: usize) -> FitOptions {
        FitOptions {
            methods,
            rows: None,
            targets: vec![1],
            settings: Settings::default(),
            seed: self.seed(seed),
            extract: self.options.extract.clone(),
        }
    }
}

fn interrupted(error: FitError) -> StudyError {
    match error {
        FitError::Interrupted { .. } => StudyError::Interrupted,
        other => other.into(),
    }
}

/// Images that adapting and judging take, a training step counted three times.
pub(super) fn images(data: &BiasData, options: &BiasOptions, arm: &Arm, target: usize) -> usize {
    let set = match arm.origin {
        Origin::Planted { .. } | Origin::Nothing { stock: false } => data.targets.get(target),
        Origin::Chosen { .. } | Origin::Cue { .. } => None,
        Origin::Stock | Origin::Nothing { stock: true } => data.natural.as_ref(),
    };
    let (train, test) = set.map_or((NATURAL_TRAIN, NATURAL_TRAIN), |set| {
        let [train, test] = set.split();
        (train.len(), test.len())
    });
    // The lopsided source's target holds two classes, the stock network's a draw of its rows.
    let train =
        if arm.origin == Origin::Stock || arm.regime == Regime::Scratch { train.min(NATURAL_TRAIN) } else { train };
    let train = arm.rows.map_or(train, |rows| rows.min(train));
    let probes = super::probe::probes(data, arm.origin).len();
    let epochs = usize::try_from(epochs(options, arm).unwrap_or(0)).unwrap_or(usize::MAX);
    // A head on frozen features needs the features once, statistics a pass of their own.
    let passes = (3 * epochs).max(1 + usize::from(arm.regime == Regime::Statistics));
    train * passes + test * (1 + probes)
}
