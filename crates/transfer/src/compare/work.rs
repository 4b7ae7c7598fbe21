//! What every cell of one comparison shares, and the cells of heads on frozen features.

use std::sync::atomic::Ordering;
use std::time::Instant;

use heirloom_data::Table;
use heirloom_zoo::Backbone;

use super::cell::{Cell, Cells, Key};
use super::cost::{Cost, head_bytes};
use super::draws::Draw;
use super::origin::Origin;
use super::{Adaptation, CompareError, CompareOptions};
use crate::extract::Request;
use crate::fit::trained::TrainingEvent;
use crate::fit::{FitError, Watch, judge};
use crate::heads::{Method, Settings, Training};
use crate::{Features, Pooling};

/// What every cell shares.
pub(super) struct Work<'a> {
    pub table: &'a Table,
    pub cells: Cells,
    pub options: &'a CompareOptions,
    pub watch: Watch<'a>,
    pub training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    /// Row of the table of every used row.
    pub rows: Vec<usize>,
    /// Class of every used row.
    pub labels: Vec<usize>,
    pub draws: Vec<Draw>,
    pub draw_digests: Vec<String>,
}

impl Work<'_> {
    pub fn stage(&self, text: &str) {
        if let Some(stage) = self.watch.stage {
            stage(text);
        }
    }

    /// Ends the comparison where somebody asked for that.
    pub fn go_on(&self) -> Result<(), CompareError> {
        let asked = self.watch.cancel.is_some_and(|cancel| cancel.load(Ordering::SeqCst));
        if asked { Err(CompareError::Interrupted) } else { Ok(()) }
    }

    pub fn test_labels(&self, draw: usize) -> Vec<usize> {
        self.draws[draw].test.iter().map(|place| self.labels[*place]).collect()
    }

    /// What `then` does with the key of a cell.
    pub fn with_key<T>(
        &self,
        origin: Origin<'_>,
        method: Adaptation,
        draw: usize,
        then: impl FnOnce(&Key<'_>) -> Result<T, CompareError>,
    ) -> Result<T, CompareError> {
        let base = origin.base(self);
        let settings = origin.described(method);
        then(&Key {
            version: env!("CARGO_PKG_VERSION"),
            base: &base,
            method: method.name(),
            settings: &settings,
            rows: &self.draw_digests[draw],
            seed: self.options.seed.wrapping_add(draw as u64),
        })
    }

    /// Computes and keeps the frozen cells in `missing` (method, draw), telling each to `done`.
    pub fn frozen(
        &self,
        origin: Origin<'_>,
        missing: &[(Adaptation, usize)],
        mut done: impl FnMut(Adaptation, usize, Result<Cell, FitError>),
        mut next: impl FnMut(Adaptation, usize),
    ) -> Result<(), CompareError> {
        let mut methods: Vec<Method> = missing.iter().flat_map(|(method, _)| origin.heads_of(*method)).collect();
        methods.sort_unstable();
        methods.dedup();
        self.stage(&match origin.backbone() {
            Some(backbone) => format!("features of {}", backbone.name),
            None => "taking the features of the used rows".to_owned(),
        });
        let features = origin.features(self, &methods)?;
        let settings = origin.heads();
        let mut networks: Vec<(Vec<Request>, (f64, f64))> = Vec::new();
        for &(method, draw) in missing {
            self.go_on()?;
            next(method, draw);
            let requests = origin.requests(&origin.heads_of(method));
            let network = match networks.iter().find(|(known, _)| *known == requests) {
                Some((_, network)) => *network,
                None => {
                    let network = origin.network(self, &requests)?;
                    networks.push((requests, network));
                    network
                }
            };
            let cell = self.frozen_cell(origin, &features, &settings, (method, draw), network);
            let cell = match cell {
                Err(CompareError::Fit(error @ FitError::Head(_))) => Err(error),
                other => Ok(other?),
            };
            if let Ok(cell) = &cell {
                self.with_key(origin, method, draw, |key| self.cells.save(key, cell))?;
            }
            done(method, draw, cell);
        }
        Ok(())
    }

    /// One cell; `network` holds operations and seconds of one row.
    fn frozen_cell(
        &self,
        origin: Origin<'_>,
        features: &Features,
        settings: &Settings,
        (method, draw): (Adaptation, usize),
        network: (f64, f64),
    ) -> Result<Cell, CompareError> {
        let Draw { train, folds: inner, test } = &self.draws[draw];
        let mut folds = vec![0; self.rows.len()];
        train.iter().zip(inner).for_each(|(place, fold)| folds[*place] = *fold);
        let classes = self.table.classes.len();
        let training = Training { features, labels: &self.labels, rows: train, folds: &folds, classes };
        let (started, before) = (Instant::now(), heirloom_matrix::operations());
        let selected =
            crate::fit::select::select(&origin.heads_of(method), &training, settings).map_err(FitError::from)?;
        let (head_seconds, after) = (started.elapsed().as_secs_f64(), heirloom_matrix::operations());
        let head = &selected.fitted.head;
        let judged = judge::Judged::by(head, features, test).map_err(FitError::from)?;
        let rows = train.len() as f64;
        let cost = Cost {
            network_operations: rows * network.0,
            head_operations: after.wrapping_sub(before) as f64,
            network_seconds: rows * network.1,
            head_seconds,
            prediction_operations: origin.prediction(head)?,
            stored_bytes: head_bytes(head),
        };
        let choice = match method {
            Adaptation::Auto(_) => format!("{}: {}", head.method().name(), selected.choice),
            _ => selected.choice,
        };
        let cell = Cell::new(choice, &judged, &self.test_labels(draw), classes, cost);
        Ok(Cell { layers: head.layers(features, origin.taps()), ..cell })
    }

    /// Pairs of tap and pooling that the classifier of a trained network reads.
    pub fn last(backbone: &Backbone) -> Request {
        (backbone.features.clone(), Pooling::MEAN)
    }
}
