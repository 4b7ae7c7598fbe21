//! Heads that are fitted on frozen features before training.

use std::sync::Arc;

use heirloom_engine::Tensor;
use heirloom_zoo::Backbone;

use super::super::{FitError, requests};
use super::job::Job;
use super::readout::{KEYS, SelectedColumns};
use super::{TrainedMethod, head};
use crate::extract::{Extraction, Network};
use crate::heads::{Fitted, LastLayer, Method, Normalization, Settings, Training};

/// A head beside the network, with its parameters.
pub(super) struct FirstHead {
    pub columns: Arc<SelectedColumns>,
    pub parameters: Vec<(String, Tensor)>,
}

impl Job<'_> {
    /// Fits the head that the method begins with. A linear one goes into the network's classifier; Head2Toe's is returned.
    pub(super) fn first_head(&self, network: &mut Backbone) -> Result<Option<FirstHead>, FitError> {
        match self.trained.method {
            TrainedMethod::LpFt => self.linear_probe(network).map(|()| None),
            TrainedMethod::Head2ToeFt | TrainedMethod::Head2ToeFtPlus => {
                let mut settings = self.head_settings(network);
                settings.head2toe.targets = self.options.targets.clone();
                settings.head2toe.last_layer = LastLayer::Never;
                let fitted = self.probe(network, Method::Head2Toe, settings)?;
                let (columns, parameters) = SelectedColumns::of_head(&fitted.head, network)?;
                let parameters = KEYS.iter().map(|key| (*key).to_owned()).zip(parameters).collect();
                Ok(Some(FirstHead { columns: Arc::new(columns), parameters }))
            }
            _ => Ok(None),
        }
    }

    /// Logistic regression on frozen features in the place of the network's classifier.
    pub(super) fn linear_probe(&self, network: &mut Backbone) -> Result<(), FitError> {
        let mut settings = self.head_settings(network);
        // A map that is linear in the features as they come, so that the network's classifier can hold it.
        settings.linear.normalization = Normalization::PerFeature;
        let fitted = self.probe(network, Method::Linear, settings)?;
        head::into_network(&fitted.head, network)
    }

    pub(super) fn head_settings(&self, network: &Backbone) -> Settings {
        Settings { penultimate: network.features.clone(), ..self.options.settings.clone() }
    }

    /// A head on frozen features of the training rows alone.
    pub(super) fn probe(&self, network: &Backbone, method: Method, settings: Settings) -> Result<Fitted, FitError> {
        self.stage("fitting the head on frozen features");
        let requests = requests(network, &[method], &self.options.targets, &self.options.settings);
        let mut rows = self.parts.train.clone();
        rows.sort_unstable();
        let mut extraction = Extraction::new(Network::from(network), self.table, &rows, &requests);
        extraction.options = self.options.extract.clone();
        (extraction.progress, extraction.cancel) = (self.watch.progress, self.watch.cancel);
        extraction.store = self.store;
        let extracted = extraction.run()?;
        let place = |row: &usize| self.parts.rows.table.iter().position(|used| used == row).unwrap_or(0);
        let places: Vec<usize> = extracted.rows.iter().map(place).collect();
        let of = |all: &[usize]| -> Vec<usize> { places.iter().map(|place| all[*place]).collect() };
        let (labels, folds) = (of(&self.parts.rows.labels), of(&self.parts.rows.folds));
        let all: Vec<usize> = (0..places.len()).collect();
        let (features, classes) = (&extracted.features, self.classes());
        let training = Training { features, labels: &labels, rows: &all, folds: &folds, classes };
        Ok(crate::heads::fit(method, &training, &settings)?)
    }
}
