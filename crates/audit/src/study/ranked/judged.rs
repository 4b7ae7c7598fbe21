//! One network on one set: scores and a frozen head from training rows, and what the head makes of the test rows.

use heirloom_transfer::Features;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::{ExtractError, Extraction, Network, Request, graph_digest};
use heirloom_transfer::fit::FitError;
use heirloom_transfer::heads::Head;
use heirloom_transfer::ranking::{Candidate, Judge, Score, candidate, folds_of, requests};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::{Item, Study};
use crate::predicted::largest;
use crate::study::{Set, StudyError};

/// Raised whenever a score comes out otherwise from the same rows: what is kept of the old one is then not read.
const RANKED: u32 = 3;

/// What is kept of a network on a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judged {
    /// Scores, and what else was measured on training rows.
    pub candidate: Candidate,
    /// Accuracy of the cross-validated probe on training rows.
    pub probe: f64,
    /// Accuracy on test rows of the head that the probe fits on all training rows.
    pub truth: f64,
}

impl Study<'_> {
    /// A network's cell on a set; `None` where it is not in the cache and may not be begun.
    pub fn judged(&self, network: usize, set: usize, may_begin: bool) -> Result<Option<Judged>, StudyError> {
        let (backbone, data) = (&self.networks[network].backbone, &self.sets[set]);
        let name = name_of(&("ranking", RANKED, self.base(backbone), &data.digest, Score::ALL, self.options.seed))?;
        if let Some(kept) = self.cells.read::<Judged>(&name)? {
            return Ok(Some(kept));
        }
        if !may_begin {
            return Ok(None);
        }
        self.say(Item::Judged { network, set });
        let (candidate, head) = self.scored(backbone, data)?;
        let right = candidate.right.iter().filter(|right| **right).count();
        let probe = right as f64 / candidate.right.len().max(1) as f64;
        let truth = self.truth(backbone, data, &head)?;
        let judged = Judged { candidate, probe, truth };
        self.cells.write(&name, &judged)?;
        Ok(Some(judged))
    }

    /// Everything of a network that decides what it computes.
    pub fn base(&self, backbone: &Backbone) -> impl Serialize + use<> {
        let extract = &self.options.extract;
        let kernels = format!("{:?} {:?} {:?}", extract.isa, extract.precision, extract.storage);
        let network = [backbone.weights_digest.clone(), graph_digest(&backbone.graph), backbone.preprocess.describe()];
        (env!("CARGO_PKG_VERSION"), network, kernels)
    }

    /// Scores and probe, from training rows alone.
    pub(super) fn scored(&self, backbone: &Backbone, data: &Set) -> Result<(Candidate, Head), StudyError> {
        let [train, _] = data.split();
        let (features, seconds) = self.features(backbone, data, &train, &requests(backbone))?;
        let labels = labels(data, &train);
        let judge = Judge {
            labels: &labels,
            folds: &folds_of(&data.table, &train, self.options.seed)?,
            classes: data.table.classes.len(),
            scores: &Score::ALL,
            seed: self.options.seed,
        };
        Ok(candidate(backbone, features, &judge, seconds)?)
    }

    /// Share of the test rows that the head answers right.
    fn truth(&self, backbone: &Backbone, data: &Set, head: &Head) -> Result<f64, StudyError> {
        let [_, test] = data.split();
        let last: Vec<Request> = requests(backbone).into_iter().take(1).collect();
        let (features, _) = self.features(backbone, data, &test, &last)?;
        let rows: Vec<usize> = (0..test.len()).collect();
        let logits = head.logits(&features, &rows).map_err(FitError::from)?;
        let answers = logits.chunks(data.table.classes.len().max(1)).map(largest);
        let right = answers.zip(labels(data, &test)).filter(|(answer, label)| answer == label).count();
        Ok(right as f64 / test.len().max(1) as f64)
    }

    /// Features of some rows, all of which must be readable, and the seconds of computing these rows alone: the store works in runs of rows that
    /// hold others too.
    fn features(
        &self,
        backbone: &Backbone,
        data: &Set,
        rows: &[usize],
        requests: &[Request],
    ) -> Result<(Features, f64), StudyError> {
        let mut extraction = Extraction::new(Network::from(backbone), &data.table, rows, requests);
        extraction.options = self.options.extract.clone();
        (extraction.store, extraction.progress) = (Some(self.store), self.watch.progress);
        extraction.cancel = self.watch.cancel;
        let extracted = extraction.run().map_err(|error| self.unless_stopped(error))?;
        let summary = &extracted.summary;
        let rate = summary.images_per_second;
        let seconds = if rate > 0.0 { rows.len() as f64 / rate } else { summary.seconds };
        match summary.skipped.first() {
            None => Ok((extracted.features, seconds)),
            Some(row) => Err(StudyError::Data {
                set: data.name.clone(),
                reason: format!("{} cannot be used: {}", row.locator, row.reason),
            }),
        }
    }

    fn unless_stopped(&self, error: ExtractError) -> StudyError {
        let stopped = self.watch.cancel.is_some_and(|cancel| cancel.load(std::sync::atomic::Ordering::Relaxed));
        if stopped { StudyError::Interrupted } else { error.into() }
    }
}

fn labels(data: &Set, rows: &[usize]) -> Vec<usize> {
    rows.iter().map(|row| data.table.rows[*row].label.unwrap_or(0)).collect()
}
