//! `head2toe-ft-plus` (`spec/head2toe.md` section 6): per task, Head2Toe on frozen features or Head2Toe with all weights trained at one of
//! several rates, whichever is right on more validation rows; of equals the one that costs less. Validation rows are a fifth of the
//! training rows; no candidate is fitted on them. Test rows are read once, by what was kept.
//!
//! The frozen candidate reads images at the backbone's own size, as `head2toe` does, the trained ones at that of training.

use std::path::{Path, PathBuf};

use heirloom_training::trainer::EpochReport;
use heirloom_zoo::Backbone;

use super::super::record::Candidate;
use super::super::select::paired_error;
use super::super::{Fit, FitError};
use super::job::{Job, Made};
use super::readout::SelectedColumns;
use super::{Recipe, TrainedFit};
use crate::extract::{Extraction, Network};
use crate::heads::{Head, Method, PROBABILITY_FLOOR, fit_temperature, probabilities};
use crate::store::Store;

/// Rates of the trained candidates as multiples of that of `head2toe-ft`, unless others are asked for: its own, and one like that of
/// training from a fresh head.
pub const RATE_MULTIPLIERS: [f64; 2] = [1.0, 5.0];

/// What a candidate says of the validation rows.
struct Judgement {
    right: usize,
    rows: usize,
    /// Log loss of each row, at the temperature that suits these rows.
    losses: Vec<f64>,
}

impl Judgement {
    fn accuracy(&self) -> f64 {
        self.right as f64 / self.rows.max(1) as f64
    }

    fn log_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len().max(1) as f64
    }
}

/// A network with its head, and how it did.
struct Tried {
    /// What it is, in words.
    setting: String,
    /// The recipe; `None` where no weight was trained.
    recipe: Option<Recipe>,
    made: Made,
    judged: Judgement,
}

impl Tried {
    const fn method(&self) -> &'static str {
        if self.recipe.is_some() { "head2toe-ft" } else { "head2toe" }
    }
}

/// Where the state of the candidate `number`, from 1, is kept: `photos.training` -> `photos.1.training`.
#[must_use]
pub fn candidate_checkpoint(path: &Path, number: usize) -> PathBuf {
    path.with_extension(format!("{number}.training"))
}

impl Job<'_> {
    /// Tries every candidate, keeps one and measures it.
    pub(super) fn run_plus(mut self, pretrained: &Backbone) -> Result<TrainedFit, FitError> {
        let mut tried = vec![self.frozen(pretrained)?];
        let base = self.recipe.clone();
        let multipliers = self.trained.recipe.rate_multipliers.clone().unwrap_or_else(|| RATE_MULTIPLIERS.to_vec());
        let prepared = self.prepare(pretrained)?;
        for (index, multiplier) in multipliers.into_iter().enumerate() {
            if self.trained.time_limit.is_some_and(|limit| self.started.elapsed() >= limit) {
                self.warnings.push(format!("the time limit came before {multiplier} times the rate was tried"));
                continue;
            }
            self.recipe = Recipe { learning_rate: two_digits(base.learning_rate * multiplier), ..base.clone() };
            self.multiplier = multiplier;
            self.checkpoint = self.trained.checkpoint.as_deref().map(|path| candidate_checkpoint(path, index + 1));
            self.stage(&format!("candidate {}: all weights at rate {}", index + 2, self.recipe.learning_rate));
            let made = self.train_once(&prepared)?;
            let judged = self.judged(&made, None)?;
            let setting = format!("all weights, learning rate {}", self.recipe.learning_rate);
            tried.push(Tried { setting, recipe: Some(self.recipe.clone()), made, judged });
        }
        drop(prepared);
        let kept = most_right(&tried.iter().map(|one| one.judged.right).collect::<Vec<_>>());
        let (candidates, reason) = (candidates(&tried, kept), reason(&tried, kept));
        let epochs: Vec<EpochReport> = tried.iter().flat_map(|one| one.made.epochs.clone()).collect();
        let states: Vec<PathBuf> = tried.iter().filter_map(|one| one.made.checkpoint.clone()).collect();
        let Tried { recipe, made, .. } = tried.swap_remove(kept);
        let store = if recipe.is_none() { self.store } else { None };
        let frozen = recipe.is_none();
        self.recipe = recipe.unwrap_or(base);
        let mut fitted = self.finish(made, store)?;
        self.tell(&mut fitted.fit, frozen, candidates, &reason);
        fitted.epochs = epochs;
        // The model takes their place; a file that cannot be removed does no harm.
        states.iter().for_each(|path| drop(std::fs::remove_file(path)));
        Ok(fitted)
    }

    /// Head2Toe on frozen features of the training rows.
    fn frozen(&self, pretrained: &Backbone) -> Result<Tried, FitError> {
        self.stage("candidate 1: frozen weights");
        let head = self.probe(pretrained, Method::Head2Toe, self.head_settings(pretrained))?.head;
        let made = Made {
            network: pretrained.clone(),
            head: Some(head),
            best: None,
            epochs: Vec::new(),
            movement: None,
            timed_out: false,
            checkpoint: None,
            seconds: self.started.elapsed().as_secs_f64(),
        };
        let judged = self.judged(&made, self.store)?;
        Ok(Tried { setting: "frozen weights".to_owned(), recipe: None, made, judged })
    }

    /// What a candidate says of the validation rows.
    fn judged(&self, made: &Made, store: Option<&Store>) -> Result<Judgement, FitError> {
        let Some(head) = &made.head else { return Err(crate::heads::HeadError::NoRows.into()) };
        let (logits, labels) = self.validation_logits(&made.network, head, store)?;
        let classes = self.classes();
        let temperature = fit_temperature(&logits, classes, &labels).value;
        let rows = probabilities(&logits, classes, temperature);
        let loss = |(row, label): (&[f32], &usize)| -f64::from(row[*label]).max(PROBABILITY_FLOOR).ln();
        let is_right = |(row, label): &(&[f32], &usize)| super::super::scores::most_probable(row) == **label;
        Ok(Judgement {
            right: logits.chunks(classes).zip(&labels).filter(is_right).count(),
            rows: labels.len(),
            losses: rows.chunks(classes).zip(&labels).map(loss).collect(),
        })
    }

    /// Logits and classes of the validation rows that can be read.
    fn validation_logits(
        &self,
        network: &Backbone,
        head: &Head,
        store: Option<&Store>,
    ) -> Result<(Vec<f32>, Vec<usize>), FitError> {
        let mut rows = self.parts.validation.clone();
        rows.sort_unstable();
        let requests = SelectedColumns::inputs(head);
        let mut extraction = Extraction::new(Network::from(network), self.table, &rows, &requests);
        extraction.options = self.options.extract.clone();
        (extraction.store, extraction.cancel) = (store, self.watch.cancel);
        let extracted = extraction.run()?;
        let all: Vec<usize> = (0..extracted.rows.len()).collect();
        let label = |row: &usize| self.table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
        Ok((head.logits(&extracted.features, &all)?, extracted.rows.iter().map(label).collect()))
    }

    /// Writes into the record what was kept, and from what.
    fn tell(&self, fit: &mut Fit, frozen: bool, candidates: Vec<Candidate>, reason: &str) {
        let record = &mut fit.record;
        record.candidates = candidates;
        record.choice = if frozen { reason.to_owned() } else { format!("{reason}; {}", record.choice) };
        if let Some(settings) = record.run.settings.as_object_mut() {
            settings.insert("kept".to_owned(), serde_json::json!(if frozen { "head2toe" } else { "head2toe-ft" }));
        }
    }
}

/// The first of those with the most right rows: candidates stand in the order of their cost.
fn most_right(right: &[usize]) -> usize {
    (0..right.len()).fold(0, |best, at| if right[at] > right[best] { at } else { best })
}

/// The table for the record; standard errors are those of the difference from the lowest log loss, paired over rows.
fn candidates(tried: &[Tried], kept: usize) -> Vec<Candidate> {
    let lowest = tried.iter().min_by(|a, b| a.judged.log_loss().total_cmp(&b.judged.log_loss()));
    let reference = lowest.map_or(&[][..], |one| &one.judged.losses);
    let line = |(at, one): (usize, &Tried)| Candidate {
        method: one.method().to_owned(),
        setting: one.setting.clone(),
        log_loss: one.judged.log_loss(),
        standard_error: paired_error(&one.judged.losses, reference),
        accuracy: one.judged.accuracy(),
        chosen: at == kept,
    };
    tried.iter().enumerate().map(line).collect()
}

/// What was kept and why.
fn reason(tried: &[Tried], kept: usize) -> String {
    let percent = |one: &Tried| format!("{:.1} %", 100.0 * one.judged.accuracy());
    let others: Vec<String> = tried
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != kept)
        .map(|(_, one)| format!("{} with {}", percent(one), one.setting))
        .collect();
    let against = if others.is_empty() { String::new() } else { format!(", against {}", others.join(", ")) };
    let one = &tried[kept];
    let rows = one.judged.rows;
    format!("kept {} ({}): {} of {rows} validation rows right{against}", one.method(), one.setting, percent(one))
}

/// Two digits, so that the rate shown is the rate used.
fn two_digits(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_cheapest_is_kept() {
        assert_eq!(most_right(&[7, 7, 6]), 0);
        assert_eq!(most_right(&[7, 9, 9]), 1);
        assert_eq!(most_right(&[3]), 0);
    }

    #[test]
    fn every_candidate_keeps_its_own_state() {
        assert_eq!(candidate_checkpoint(Path::new("a/photos.training"), 2), PathBuf::from("a/photos.2.training"));
        assert_eq!(two_digits(1e-3 * 5.0).to_string(), "0.005");
    }
}
