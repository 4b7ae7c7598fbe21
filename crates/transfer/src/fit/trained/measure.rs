//! The trained network measured: features of all rows, its classifier as head, the record.

use heirloom_training::trainer::EpochReport;
use heirloom_zoo::Backbone;

use super::super::given::Given;
use super::super::judge::Judged;
use super::super::select::Selected;
use super::super::{Facts, Fit, FitError, Rows, Seconds, check, data_digest};
use super::head;
use super::job::Job;
use super::parts::VALIDATION;
use super::readout::SelectedColumns;
use crate::Pooling;
use crate::extract::{Extraction, Network};
use crate::heads::{Choice, Fitted, Head, fit_temperature};
use crate::store::Store;

impl Job<'_> {
    /// Features of all used rows by the trained network, its classifier as head, the temperature of the validation rows, and the
    /// record. Features of weights that never moved may come from `store`.
    pub(super) fn measure(
        &self,
        network: &Backbone,
        head: Option<Head>,
        store: Option<&Store>,
        trained_seconds: f64,
    ) -> Result<Fit, FitError> {
        let penultimate = (network.features.clone(), Pooling::MEAN);
        let mut requests = head.as_ref().map_or_else(Vec::new, SelectedColumns::inputs);
        if !requests.contains(&penultimate) {
            requests.push(penultimate);
        }
        let mut extraction = Extraction::new(Network::from(network), self.table, &self.parts.rows.table, &requests);
        extraction.options = self.options.extract.clone();
        extraction.store = store;
        (extraction.progress, extraction.cancel) = (self.watch.progress, self.watch.cancel);
        let extracted = extraction.run()?;
        let skipped = extracted.summary.skipped.len();
        let given = Given::extracted(network, self.table, extracted, &requests, self.options);
        let rows = self.kept(&given.rows);
        check(self.table, &rows, skipped)?;
        let mut head = match head {
            Some(head) => head,
            None => head::of_network(network, &given.features, self.classes())?,
        };
        let validation: Vec<usize> =
            rows.train.iter().copied().filter(|place| rows.folds[*place] == VALIDATION).collect();
        let out_of_fold = head.logits(&given.features, &validation)?;
        let labels: Vec<usize> = validation.iter().map(|place| rows.labels[*place]).collect();
        head.set_temperature(fit_temperature(&out_of_fold, self.classes(), &labels).value);
        let judged = Judged::by(&head, &given.features, &rows.test)?;
        let selected = self.selected(head, validation, out_of_fold);
        let facts = Facts { given: &given, options: self.options, protocol: self.parts.protocol };
        let mut record = facts.record(&selected, &judged, &rows);
        record.method = self.recipe.method.name().to_owned();
        record.requested = record.method.clone();
        // The features here are those of the layers that are read; what was left out is not among them.
        record.layers.clear();
        // Validation rows chose the epoch and the temperature; no weight was fitted on them.
        record.rows.train -= selected.fitted.choice.rows.len();
        record.run.data_digest = data_digest(self.table, &given.rows);
        record.run.settings = serde_json::to_value(&self.recipe).unwrap_or_default();
        let total = self.started.elapsed().as_secs_f64();
        record.seconds = Seconds { extract: total - trained_seconds, fit: trained_seconds, total };
        Ok(Fit {
            head: selected.fitted.head,
            record,
            features: given.features,
            fitted_rows: rows.train,
            preparation: None,
        })
    }

    /// The parts by position among the rows that have features.
    fn kept(&self, rows: &[usize]) -> Rows {
        let all = &self.parts.rows;
        let old: Vec<usize> = rows.iter().filter_map(|row| all.table.iter().position(|used| used == row)).collect();
        let new =
            |places: &[usize]| -> Vec<usize> { (0..old.len()).filter(|place| places.contains(&old[*place])).collect() };
        Rows {
            table: rows.to_vec(),
            labels: old.iter().map(|place| all.labels[*place]).collect(),
            train: new(&all.train),
            test: new(&all.test),
            folds: old.iter().map(|place| all.folds[*place]).collect(),
        }
    }

    fn selected(&self, head: Head, validation: Vec<usize>, out_of_fold: Vec<f32>) -> Selected {
        let choice = Choice {
            table: Vec::new(),
            best: 0,
            chosen: 0,
            certificate: None,
            warnings: Vec::new(),
            rows: validation,
            out_of_fold,
        };
        Selected { fitted: Fitted { head, choice }, candidates: Vec::new(), choice: String::new() }
    }

    pub(super) fn choice(&self, best: Option<(u64, f64)>, epochs: &[EpochReport], timed_out: bool) -> String {
        let best = best.map_or(String::new(), |(epoch, loss)| {
            format!("; epoch {} of {} kept (validation log loss {loss:.3})", epoch + 1, self.recipe.epochs)
        });
        let busy = epochs.iter().map(|epoch| epoch.busy).fold(1.0, f64::min);
        let waiting = if busy < 0.95 {
            format!("; the network waited for images {:.0} % of the time", 100.0 * (1.0 - busy))
        } else {
            String::new()
        };
        let limit = if timed_out { "; ended by the time limit" } else { "" };
        format!("{}{best}{waiting}{limit}", self.recipe.summary())
    }
}
