//! The cells of methods that train through the backbone.

use heirloom_data::{Split, Table};

use heirloom_zoo::Backbone;

use super::cell::Cell;
use super::cost::{Cost, head_bytes, pass, prediction};
use super::origin::{Origin, Seen};
use super::work::Work;
use super::{Adaptation, CompareError};
use crate::fit::judge::Judged;
use crate::fit::trained::{TrainedFit, TrainedMethod, TrainedOptions, train};
use crate::fit::{FitError, FitOptions};

impl Work<'_> {
    /// Computes and keeps one cell.
    pub fn trained(&self, seen: Seen<'_>, method: TrainedMethod, draw: usize) -> Result<Cell, CompareError> {
        let Seen { entry, store, .. } = seen;
        let (table, rows) = self.split(draw);
        let options = FitOptions {
            methods: Vec::new(),
            rows: Some(rows.clone()),
            targets: entry.targets.clone(),
            settings: entry.settings.clone(),
            seed: self.options.seed.wrapping_add(draw as u64),
            extract: self.options.extract.clone(),
        };
        let trained = TrainedOptions {
            method,
            recipe: entry.recipe.clone(),
            freeze: Vec::new(),
            train_from: None,
            train_only: Vec::new(),
            checkpoint: None,
            time_limit: self.options.time_limit,
            recompute: false,
            keep_folded: false,
            keep_epochs: None,
        };
        let fitted = train(entry.backbone, &table, Some(store), &options, &trained, self.watch, self.training);
        let fitted = match fitted {
            Err(FitError::Interrupted { .. } | FitError::Stopped { .. }) => return Err(CompareError::Interrupted),
            other => other?,
        };
        let test = &self.draws[draw].test;
        let place = |place: &usize| rows.binary_search(&self.rows[*place]).ok();
        let places: Vec<usize> = test.iter().filter_map(place).collect();
        let judged = Judged::by(&fitted.fit.head, &fitted.fit.features, &places).map_err(FitError::from)?;
        let cost = self.trained_cost(entry.backbone, &fitted, method, draw)?;
        let choice = fitted.fit.record.choice.clone();
        let cell = Cell::new(choice, &judged, &self.test_labels(draw), self.table.classes.len(), cost);
        self.with_key(Origin::Images(seen), Adaptation::Trained(method), draw, |key| self.cells.save(key, &cell))?;
        Ok(cell)
    }

    /// The table with the draw's rows as its training and test rows, and those rows, rising.
    fn split(&self, draw: usize) -> (Table, Vec<usize>) {
        let draw = &self.draws[draw];
        let mut table = self.table.clone();
        let mut rows = Vec::new();
        for (places, split) in [(&draw.train, Split::Train), (&draw.test, Split::Test)] {
            for place in places {
                let row = self.rows[*place];
                if let Some(row) = table.rows.get_mut(row) {
                    row.split = Some(split);
                }
                rows.push(row);
            }
        }
        rows.sort_unstable();
        (table, rows)
    }

    /// Three passes for every image trained on, one for every image that chooses the epoch, every epoch, and one over the training
    /// rows where a head is fitted first.
    fn trained_cost(
        &self,
        pretrained: &Backbone,
        fitted: &TrainedFit,
        method: TrainedMethod,
        draw: usize,
    ) -> Result<Cost, CompareError> {
        let (network, head, record) = (&fitted.backbone, &fitted.fit.head, &fitted.fit.record);
        let image = pass(network, &[Self::last(network)])?;
        let trained: usize = fitted.epochs.iter().map(|epoch| epoch.images).sum();
        let train = self.draws[draw].train.len();
        let validation = fitted.epochs.len() * train.saturating_sub(record.rows.train);
        let before = if method.begins_fitted() { train } else { 0 };
        let weights: usize = network.weights.tensors.values().map(|tensor| tensor.values.len()).sum();
        let outside = matches!(method, TrainedMethod::Head2ToeFt | TrainedMethod::Head2ToeFtPlus);
        let classifier = if outside { head_bytes(head) } else { 0.0 };
        // A head on weights that never moved is all that is kept.
        let moved = if network.weights_digest == pretrained.weights_digest { 0.0 } else { 4.0 * weights as f64 };
        // Of a linearised network the pretrained weights stay as they are.
        let moved = if method == TrainedMethod::Linearised { own_bytes(network, pretrained) } else { moved };
        Ok(Cost {
            network_operations: image * (3 * trained + validation + before) as f64 + fitted.work.network,
            head_operations: fitted.work.products,
            network_seconds: record.seconds.fit,
            head_seconds: 0.0,
            prediction_operations: prediction(network, head)?,
            stored_bytes: moved + classifier,
        })
    }
}

/// Bytes of the tensors that `pretrained` does not have.
fn own_bytes(network: &Backbone, pretrained: &Backbone) -> f64 {
    let own =
        network.weights.tensors.iter().filter(|(key, tensor)| pretrained.weights.tensors.get(*key) != Some(*tensor));
    own.map(|(_, tensor)| 4.0 * tensor.values.len() as f64).sum()
}
