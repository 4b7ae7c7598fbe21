//! Linear heads from several labelled domains on frozen features: for a domain that nobody has seen (`spec/regularisers-and-adaptation.md`
//! section D), and for one that is there without labels (section G).
//!
//! ```text
//! training domains --rows by the sum of their sizes, columns by pooled statistics--> 80 % fit, 20 % validation, of each
//! draw of settings x method -> head --accuracy on validation rows--> the best draw -> head --> labels of any domain
//! ```
//!
//! Settings are chosen by accuracy on held-out rows of the **training domains** (DomainBed's training-domain validation, Gulrajani,
//! Lopez-Paz 2021, arXiv 2007.01434). The domain that is judged cannot take part: [`generalise`] has no argument for it, and what it
//! returns is only then shown rows to label.

mod correlation;
mod draw;
mod group;
mod mixed;
mod pooled;
mod several;
#[cfg(test)]
mod tests;
mod trial;

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::adaptation::{AdaptationError, ColumnStatistics, RowScaling, Samples};

pub use draw::Draw;
pub use several::{Combination, Combined, Similarity, combine};

use trial::{Head, Prepared};

/// What the choice of settings goes by, in words for a report.
pub const SELECTION: &str =
    "validation on a fifth of the rows of every training domain; the domain judged is never read";

/// A way to learn from several domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeneralisationMethod {
    /// The mean loss over all domains: empirical risk minimisation, the control.
    Erm,
    /// The same, means and covariances of the logits drawn together (Sun, Saenko 2016).
    Coral,
    /// Domains with a large loss count more (Sagawa et al. 2020).
    GroupDro,
    /// Rows of two domains and their labels mixed (Zhang et al. 2018, between domains as DomainBed does).
    Mixup,
}

impl GeneralisationMethod {
    /// All, the control first.
    pub const ALL: [Self; 4] = [Self::Erm, Self::Coral, Self::GroupDro, Self::Mixup];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erm => "ERM",
            Self::Coral => "CORAL",
            Self::GroupDro => "Group-DRO",
            Self::Mixup => "mixup",
        }
    }
}

/// A domain with its labels.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// Features `[rows, columns]`.
    pub samples: &'a Samples,
    /// Class of each row.
    pub labels: &'a [usize],
}

/// How long, how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneralisationOptions {
    /// Draws of settings that a method chooses from, as many for every method.
    pub draws: usize,
    /// Steps of each training.
    pub steps: usize,
    /// Rows of each domain in a batch.
    pub batch: usize,
    /// What happens to each row before anything else.
    pub rows: RowScaling,
    /// Seed of splits, draws and batches.
    pub seed: u64,
}

impl Default for GeneralisationOptions {
    fn default() -> Self {
        Self { draws: 8, steps: 300, batch: 32, rows: RowScaling::L1, seed: 0 }
    }
}

/// A draw of settings and how it did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The settings.
    pub draw: Draw,
    /// Accuracy on the validation rows, mean over training domains; 0 for a training that diverged.
    pub validation: f64,
}

/// A head that was learned from several domains.
#[derive(Debug, Clone)]
pub struct Generalised {
    /// Every draw.
    pub candidates: Vec<Candidate>,
    /// The one chosen: the best on the validation rows, the first of equals.
    pub chosen: usize,
    rows: RowScaling,
    columns: ColumnStatistics,
    head: Head,
}

impl Generalised {
    /// What was chosen.
    ///
    /// # Panics
    /// Never for what [`generalise`] returned.
    #[must_use]
    pub fn choice(&self) -> Candidate {
        self.candidates[self.chosen]
    }

    /// Classes of rows of any domain, each by itself.
    ///
    /// # Errors
    /// Rows with other columns than the training domains.
    pub fn label(&self, samples: &Samples) -> Result<Vec<usize>, AdaptationError> {
        let (source_columns, target_columns) = (self.columns.mean.len(), samples.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        Ok(self.head.label(&scaled(samples, self.rows, &self.columns)))
    }
}

/// Learns from several labelled domains with the best of some draws of settings.
///
/// ```
/// use heirloom_transfer::adaptation::Samples;
/// use heirloom_transfer::generalisation::{GeneralisationMethod, GeneralisationOptions, Labelled, generalise};
/// let rows = |by: f64| (0..20).flat_map(|at| [if at % 2 == 0 { 3.0 } else { 1.0 }, 2.0, by + 0.01 * at as f64]).collect();
/// let (day, dusk) = (Samples::new(20, 3, rows(1.0))?, Samples::new(20, 3, rows(1.5))?);
/// let labels: Vec<usize> = (0..20).map(|at| at % 2).collect();
/// let domains = [&day, &dusk].map(|samples| Labelled { samples, labels: &labels });
/// let options = GeneralisationOptions { draws: 2, steps: 60, ..GeneralisationOptions::default() };
/// let found = generalise(GeneralisationMethod::Erm, &domains, 2, &options, None)?;
/// let night = Samples::new(2, 3, vec![3.0, 2.0, 2.0, 1.0, 2.0, 2.0])?;
/// assert_eq!(found.label(&night)?, [0, 1]);
/// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
/// ```
///
/// # Errors
/// No domain, domains of different columns, a domain of fewer than ten rows, labels that do not fit, trainings that all diverge, or the
/// flag to stop.
pub fn generalise(
    method: GeneralisationMethod,
    training: &[Labelled<'_>],
    classes: usize,
    options: &GeneralisationOptions,
    cancel: Option<&AtomicBool>,
) -> Result<Generalised, AdaptationError> {
    trial::check(training, classes)?;
    let columns = ColumnStatistics::of(&together(training, options.rows));
    let prepared: Vec<Samples> = training.iter().map(|domain| scaled(domain.samples, options.rows, &columns)).collect();
    let with_labels = prepared.iter().zip(training);
    let domains: Vec<Prepared> = with_labels
        .map(|(samples, domain)| Prepared::split(samples, domain.labels, options.seed))
        .collect::<Result<_, _>>()?;
    let weights = vec![1.0 / domains.len() as f64; domains.len()];
    let found = trial::best(method, &domains, &weights, classes, options, cancel)?;
    Ok(Generalised {
        candidates: found.candidates,
        chosen: found.chosen,
        rows: options.rows,
        columns,
        head: found.head,
    })
}

/// Rows of all domains, each scaled by itself.
fn together(domains: &[Labelled<'_>], rows: RowScaling) -> Samples {
    let (count, columns) = (domains.iter().map(|domain| domain.samples.rows()).sum(), domains[0].samples.columns());
    let mut all = Samples::zeros(count, columns);
    let every = domains.iter().flat_map(|domain| (0..domain.samples.rows()).map(|row| domain.samples.row(row)));
    for (at, row) in every.enumerate() {
        all.row_mut(at).copy_from_slice(row);
        rows.apply(all.row_mut(at));
    }
    all
}

fn scaled(samples: &Samples, rows: RowScaling, columns: &ColumnStatistics) -> Samples {
    let mut out = samples.clone();
    (0..out.rows()).for_each(|row| rows.apply(out.row_mut(row)));
    columns.apply(&mut out);
    out
}
