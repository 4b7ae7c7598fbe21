//! EasyTL on every ordered pair of a table's domains, raw and with CORAL, beside the nearest source row; and whether published figures
//! still hold (`recipes/easytl`).
//!
//! Preprocessing looks at one domain at a time, so each domain is standardised once and its covariance decomposed once.

use heirloom_data::FeatureTable;
use serde::{Deserialize, Serialize};

use super::{Check, Difference};
use crate::adaptation::{
    AdaptationError, Adapted, Coral, Covariance, EasyTl, Preprocessing, Samples, nearest_neighbour,
};
use crate::fit::Share;
use crate::{Block, Features};

/// Rounding that a sum of published figures may carry, in points.
const SLACK: f64 = 1e-9;

/// What stops the study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The table names no domains.
    #[error("{data}: no column `domain` (found {found})")]
    NoDomains {
        /// The table.
        data: String,
        /// Its columns.
        found: String,
    },
    /// A row without a label.
    #[error("{data}: {rows} rows have no label; the study judges every row")]
    Unlabelled {
        /// The table.
        data: String,
        /// Such rows.
        rows: usize,
    },
    /// A pair that cannot be adapted.
    #[error("{source_domain} to {target_domain}: {error}")]
    Pair {
        /// The source.
        source_domain: String,
        /// The target.
        target_domain: String,
        /// What is wrong.
        error: AdaptationError,
    },
    /// A recipe that cannot be read.
    #[error("the recipe is broken: {reason}")]
    Recipe {
        /// What is wrong.
        reason: String,
    },
}

/// A figure for each of the three methods.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures<T> {
    /// EasyTL without alignment.
    pub raw: T,
    /// EasyTL with CORAL.
    pub coral: T,
    /// The label of the nearest source row.
    pub nearest_neighbour: T,
}

/// One source and one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The domain with labels.
    pub source: String,
    /// The domain that is labelled.
    pub target: String,
    /// Rows of the source.
    pub source_rows: usize,
    /// Accuracy on all rows of the target.
    pub accuracy: Figures<Share>,
    /// Target rows that the coverage of the classes took from their nearest class mean, raw and with CORAL.
    pub moved: [usize; 2],
}

/// What the recipe expects, in per cent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Largest difference allowed, in points.
    pub tolerance: f64,
    /// Digest of the table that the figures are of.
    pub data_digest: String,
    /// Averages over the pairs.
    pub average: Figures<f64>,
    /// Every pair.
    pub pairs: Vec<ExpectedPair>,
}

/// What is expected of one pair, in per cent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectedPair {
    /// The domain with labels.
    pub source: String,
    /// The domain that is labelled.
    pub target: String,
    /// Accuracy.
    #[serde(flatten)]
    pub accuracy: Figures<f64>,
}

/// Everything the study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EasyTlStudy {
    /// Digest of the table.
    pub data_digest: String,
    /// Every ordered pair of domains.
    pub pairs: Vec<Pair>,
    /// Mean accuracy over the pairs, 0 to 1.
    pub average: Figures<f64>,
    /// The comparison with the recipe; `None` for data that it is not about.
    pub check: Option<Check>,
}

impl Expected {
    /// The figures of `recipes/easytl/expected.json`.
    ///
    /// # Errors
    /// A recipe that cannot be read.
    pub fn stored() -> Result<Self, StudyError> {
        let text = include_str!("../../../../recipes/easytl/expected.json");
        serde_json::from_str(text).map_err(|error| StudyError::Recipe { reason: error.to_string() })
    }
}

/// One domain, standardised, with its covariance.
struct Domain {
    name: String,
    samples: Samples,
    labels: Vec<usize>,
    covariance: Covariance,
}

/// Runs the study on the principal block of `table`; `expected` is compared where it is about this very table.
///
/// # Errors
/// No column `domain`, rows without a label, domains that cannot be adapted to one another.
pub fn study(table: &FeatureTable, expected: &Expected) -> Result<EasyTlStudy, StudyError> {
    let classes = table.table.classes.len();
    let domains = domains(table)?;
    let mut pairs = Vec::new();
    for source in &domains {
        for target in domains.iter().filter(|target| target.name != source.name) {
            let named = |error| StudyError::Pair {
                source_domain: source.name.clone(),
                target_domain: target.name.clone(),
                error,
            };
            pairs.push(pair(source, target, classes).map_err(named)?);
        }
    }
    let all: Vec<usize> = (0..table.table.rows.len()).collect();
    let mut found = EasyTlStudy { data_digest: table.digest(&all), average: average(&pairs), pairs, check: None };
    found.check = (found.data_digest == expected.data_digest).then(|| check(&found, expected));
    Ok(found)
}

/// The domains in the order of their first rows.
fn domains(table: &FeatureTable) -> Result<Vec<Domain>, StudyError> {
    let data = || table.table.source.display().to_string();
    let column = table.table.attributes.iter().position(|name| name == "domain");
    let column =
        column.ok_or_else(|| StudyError::NoDomains { data: data(), found: table.table.attributes.join(", ") })?;
    let unlabelled = table.table.rows.iter().filter(|row| row.label.is_none()).count();
    if unlabelled > 0 {
        return Err(StudyError::Unlabelled { data: data(), rows: unlabelled });
    }
    let all: Vec<usize> = (0..table.table.rows.len()).collect();
    let features = Features::of_table(table, &all);
    let Some(block) = features.blocks.iter().find(|block| block.tap == table.principal()) else { return Ok(vec![]) };
    let mut names = Vec::<&String>::new();
    for row in &table.table.rows {
        if !names.contains(&&row.attributes[column]) {
            names.push(&row.attributes[column]);
        }
    }
    let domain = |name: &String| {
        let is_of = |row: &usize| table.table.rows[*row].attributes[column] == *name;
        let rows: Vec<usize> = all.iter().copied().filter(is_of).collect();
        let labels = rows.iter().filter_map(|row| table.table.rows[*row].label).collect();
        prepared(name, block, &rows, labels).map_err(|error| StudyError::Pair {
            source_domain: name.clone(),
            target_domain: name.clone(),
            error,
        })
    };
    names.into_iter().map(domain).collect()
}

fn prepared(name: &str, block: &Block, rows: &[usize], labels: Vec<usize>) -> Result<Domain, AdaptationError> {
    let samples = Samples::of_block(block, rows)?;
    let (samples, _, _) = Preprocessing::EASYTL.apply(&samples, &samples);
    let covariance = Covariance::of(&samples, "domain")?;
    Ok(Domain { name: name.to_owned(), samples, labels, covariance })
}

fn pair(source: &Domain, target: &Domain, classes: usize) -> Result<Pair, AdaptationError> {
    let method = EasyTl::default();
    let share = |labels: &[usize]| {
        let right = labels.iter().zip(&target.labels).filter(|(found, label)| found == label).count();
        Share::of(right, target.labels.len())
    };
    let adapted = |source| Adapted { source, target: target.samples.clone(), target_columns: None };
    let raw = method.label_adapted(&adapted(source.samples.clone()), &source.labels, classes)?;
    let aligned = Coral::new(&source.covariance, &target.covariance, 1.0)?.align(&source.samples);
    let coral = method.label_adapted(&adapted(aligned), &source.labels, classes)?;
    let nearest = nearest_neighbour(&source.samples, &source.labels, &target.samples)?;
    Ok(Pair {
        source: source.name.clone(),
        target: target.name.clone(),
        source_rows: source.labels.len(),
        accuracy: Figures { raw: share(&raw.labels), coral: share(&coral.labels), nearest_neighbour: share(&nearest) },
        moved: [raw.moved, coral.moved],
    })
}

fn average(pairs: &[Pair]) -> Figures<f64> {
    let mean = |figure: fn(&Figures<Share>) -> f64| {
        pairs.iter().map(|pair| figure(&pair.accuracy)).sum::<f64>() / pairs.len().max(1) as f64
    };
    Figures {
        raw: mean(|figures| figures.raw.value),
        coral: mean(|figures| figures.coral.value),
        nearest_neighbour: mean(|figures| figures.nearest_neighbour.value),
    }
}

fn check(found: &EasyTlStudy, expected: &Expected) -> Check {
    let mut check = Check { figures: 0, tolerance: expected.tolerance, differences: Vec::new() };
    let mut compare = |what: String, expected_figure: f64, found: Option<f64>| {
        check.figures += 1;
        let close = |found: f64| (100.0 * found - expected_figure).abs() <= expected.tolerance + SLACK;
        if !found.is_some_and(close) {
            let found = found.map(|found| 100.0 * found);
            check.differences.push(Difference { what, expected: expected_figure, found });
        }
    };
    for pair in &expected.pairs {
        let same = |other: &&Pair| other.source == pair.source && other.target == pair.target;
        let accuracy = found.pairs.iter().find(same).map(|pair| &pair.accuracy);
        let what = |method: &str| format!("{} to {}, {method}", pair.source, pair.target);
        compare(what("raw"), pair.accuracy.raw, accuracy.map(|figures| figures.raw.value));
        compare(what("coral"), pair.accuracy.coral, accuracy.map(|figures| figures.coral.value));
        let nearest = accuracy.map(|figures| figures.nearest_neighbour.value);
        compare(what("nearest neighbour"), pair.accuracy.nearest_neighbour, nearest);
    }
    compare("average, raw".into(), expected.average.raw, Some(found.average.raw));
    compare("average, coral".into(), expected.average.coral, Some(found.average.coral));
    let nearest = expected.average.nearest_neighbour;
    compare("average, nearest neighbour".into(), nearest, Some(found.average.nearest_neighbour));
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(value: f64) -> Share {
        Share { value, low: 0.0, high: 1.0, n: 100 }
    }

    #[test]
    fn a_figure_that_moved_is_named() {
        let expected = Expected::stored().unwrap();
        let pairs: Vec<Pair> = expected
            .pairs
            .iter()
            .map(|pair| Pair {
                source: pair.source.clone(),
                target: pair.target.clone(),
                source_rows: 1,
                accuracy: Figures {
                    raw: share(pair.accuracy.raw / 100.0),
                    coral: share(pair.accuracy.coral / 100.0 + 0.0004),
                    nearest_neighbour: share(pair.accuracy.nearest_neighbour / 100.0),
                },
                moved: [0, 0],
            })
            .collect();
        let mut found = EasyTlStudy { data_digest: String::new(), average: average(&pairs), pairs, check: None };
        let right = check(&found, &expected);
        assert_eq!((right.figures, right.differences.len()), (39, 0), "{:?}", right.differences);
        found.pairs[3].accuracy.coral.value -= 0.0011;
        found.pairs.remove(7);
        let wrong = check(&found, &expected).differences;
        assert_eq!(wrong[0].what, "amazon to Caltech, coral");
        assert_eq!((wrong.len(), wrong[1].found), (4, None));
    }
}
