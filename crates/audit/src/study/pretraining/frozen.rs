//! Linear heads on the frozen features of a source.

use std::sync::Arc;

use heirloom_data::SplitInput;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::heads::{Given, Input, LinearSettings, Training, fit_linear_given};
use heirloom_transfer::{Features, Pooling};

use super::trained::Trained;
use super::{Origin, Run, Start, Study, StudyError, Task};

/// Folds that the penalty is chosen on.
const FOLDS: usize = 5;

impl Study<'_> {
    /// A head on the features of a run's source, its penalty chosen by cross-validation on the run's training rows.
    pub fn frozen(&self, run: &Run) -> Result<Trained, StudyError> {
        let set = self.target(run.target)?;
        self.say(&run.in_words(&set.name));
        let Start::Frozen(origin) = run.start else {
            let reason = "its features are not frozen".to_owned();
            return Err(StudyError::Data { set: set.name.clone(), reason });
        };
        let features = self.features(origin, run.target)?;
        let chosen = self.training_rows(run)?;
        let labels: Vec<usize> = chosen.table.rows.iter().map(|row| row.label.unwrap_or(0)).collect();
        let folds = FOLDS.min(labels.len());
        let input = SplitInput { labels: &labels, groups: None, keys: None };
        let folds = heirloom_data::folds(input, folds, self.seed(run.seed))
            .map_err(|error| StudyError::Data { set: set.name.clone(), reason: error.to_string() })?;
        let mut of_row = (vec![0; features.rows], vec![0; features.rows]);
        for (at, row) in chosen.rows.iter().enumerate() {
            (of_row.0[*row], of_row.1[*row]) = (labels[at], folds.fold_of[at]);
        }
        let training = Training {
            features: &features,
            labels: &of_row.0,
            rows: &chosen.rows,
            folds: &of_row.1,
            classes: set.table.classes.len(),
        };
        let inputs = features.blocks.iter().map(Input::whole).collect();
        let balanced = matches!(run.task, Task::Uneven { balanced: true, .. });
        let weights = balanced.then(|| {
            let mut weights = vec![1.0; features.rows];
            chosen.rows.iter().zip(balanced_weights(&labels)).for_each(|(row, weight)| weights[*row] = weight);
            weights
        });
        let given = Given { weights: weights.as_deref(), ..Given::default() };
        let refuse = |error: heirloom_transfer::heads::HeadError| StudyError::Data {
            set: set.name.clone(),
            reason: error.to_string(),
        };
        let fitted = fit_linear_given(&training, inputs, &LinearSettings::default(), given).map_err(refuse)?;
        let test = set.split()[1].clone();
        let logits = fitted.head.logits(&features, &test).map_err(refuse)?;
        let labels = test.iter().map(|row| set.table.rows[*row].label.unwrap_or(0)).collect();
        let (rows, wrong) = (chosen.rows.len(), chosen.wrong);
        Ok(Trained { rate: 0.0, rows, epochs: 0, wrong, curve: Vec::new(), labels, logits })
    }

    /// Features of all rows of a target, computed once.
    fn features(&self, origin: Origin, target: usize) -> Result<Arc<Features>, StudyError> {
        if let Some(features) = self.extracted.lock().ok().and_then(|kept| kept.get(&(origin, target)).cloned()) {
            return Ok(features);
        }
        let (network, set) = (self.origin(origin)?, self.target(target)?);
        let rows: Vec<usize> = (0..set.table.rows.len()).collect();
        let requests = [(network.features.clone(), Pooling::MEAN)];
        let mut extraction = Extraction::new(Network::from(&network), &set.table, &rows, &requests);
        (extraction.options, extraction.cancel) = (self.options.extract.clone(), self.watch.cancel);
        let found = extraction.run()?;
        if found.rows.len() != rows.len() {
            let reason = format!("{} of its images have no features", rows.len() - found.rows.len());
            return Err(StudyError::Data { set: set.name.clone(), reason });
        }
        let features = Arc::new(found.features);
        if let Ok(mut kept) = self.extracted.lock() {
            kept.insert((origin, target), Arc::clone(&features));
        }
        Ok(features)
    }
}

/// What every row counts so that classes count the same.
fn balanced_weights(labels: &[usize]) -> Vec<f64> {
    let classes = labels.iter().max().map_or(0, |last| last + 1);
    let mut counts = vec![0_usize; classes];
    labels.iter().for_each(|label| counts[*label] += 1);
    let present = counts.iter().filter(|count| **count > 0).count() as f64;
    labels.iter().map(|label| labels.len() as f64 / (present * counts[*label] as f64)).collect()
}
