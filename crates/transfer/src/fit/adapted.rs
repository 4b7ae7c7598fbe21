//! From a labelled source domain to an unlabelled target domain: the orchestration of `fit --source A --target B`.
//!
//! ```text
//! rows of both domains -> principal features -> preprocessing, alignment -> head on the source (folds of the source choose its settings)
//!                                                                     -> labels of the target (easytl: the programme) -> record
//! ```
//!
//! The labels of the target enter the record's scores and nothing else, except where [`AdaptedOptions::safe`] lets them choose. Its features
//! enter what [`AdaptationRecord::target_used_for`] says. Both domains are used whole: splits within them are not looked at.

mod safe;

use std::time::Instant;

use heirloom_data::{FeatureTable, Groups, SplitInput, Table};
use heirloom_zoo::Backbone;

use super::given::Given;
use super::judge::{Judged, held_out};
use super::record::{AdaptationRecord, FitReport, Protocol, Seconds, Share};
use super::scores::{most_probable, verdicts};
use super::select::Selected;
use super::{AUTO, FOLDS, Facts, Fit, FitError, FitOptions, Rows, Watch, extract};
use crate::adaptation::{
    Adaptation, Adapted, Alignment, ColumnScaling, Coverage, Distance, EasyTl, EasyTlResult, Preparation, Samples,
};
use crate::extract::Request;
use crate::heads::{Method, Metric, NcmSettings, Normalization, Settings, Training};
use crate::store::Store;
use crate::{Block, Features, Pooling};
use safe::{Candidates, Safe};

/// From which domain to which, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedOptions {
    /// Column that names the domain of a row.
    pub column: String,
    /// Domains whose labels are used.
    pub sources: Vec<String>,
    /// The domain to label.
    pub target: String,
    /// Preprocessing and alignment.
    pub adaptation: Adaptation,
    /// How many target rows each class gets, for EasyTL; `None` fits the methods of the [`FitOptions`] instead.
    pub easytl: Option<Coverage>,
    /// Whether the labelled rows of the target choose between what was transferred and training on them alone; an error where neither beats
    /// the most frequent class.
    pub safe: bool,
}

/// Adapts on features of a network.
///
/// # Errors
/// Domains that are not there or do not fit together, features that cannot be had, see [`FitError`].
pub fn fit_adapted(
    backbone: &Backbone,
    table: &Table,
    store: Option<&Store>,
    options: &FitOptions,
    adapted: &AdaptedOptions,
    watch: Watch<'_>,
) -> Result<Fit, FitError> {
    let started = Instant::now();
    let options = FitOptions { rows: Some(rows_of(table, options, adapted)?), ..options.clone() };
    let requests: Vec<Request> = vec![(backbone.features.clone(), Pooling::MEAN)];
    let (extracted, digest) = extract(backbone, table, store, &options, &requests, watch)?;
    let given = Given::extracted(backbone, table, extracted, &requests, &options);
    let extracted = started.elapsed();
    let mut fit = Job { given: &given, options: &options, adapted }.run(watch)?;
    fit.record.run.data_digest = digest;
    fit.record.seconds = Seconds::since(started, extracted);
    Ok(fit)
}

/// Adapts on a table of features.
///
/// # Errors
/// As [`fit_adapted`].
pub fn fit_adapted_table(
    table: &FeatureTable,
    options: &FitOptions,
    adapted: &AdaptedOptions,
    watch: Watch<'_>,
) -> Result<Fit, FitError> {
    let started = Instant::now();
    let rows = rows_of(&table.table, options, adapted)?;
    let digest = table.digest(&rows);
    let given = Given::of_table(table, rows);
    let read = started.elapsed();
    let mut fit = Job { given: &given, options, adapted }.run(watch)?;
    fit.record.run.data_digest = Some(digest);
    fit.record.seconds = Seconds::since(started, read);
    Ok(fit)
}

/// Position of the column of domains among the attributes.
fn column(table: &Table, adapted: &AdaptedOptions) -> Result<usize, FitError> {
    let place = table.attributes.iter().position(|attribute| *attribute == adapted.column);
    place.ok_or_else(|| FitError::NoDomains {
        column: adapted.column.clone(),
        found: if table.attributes.is_empty() { "none".to_owned() } else { table.attributes.join(", ") },
    })
}

/// The rows in use: labelled ones of the sources, all of the target.
fn rows_of(table: &Table, options: &FitOptions, adapted: &AdaptedOptions) -> Result<Vec<usize>, FitError> {
    let column = column(table, adapted)?;
    let domain = |row: usize| table.rows.get(row).and_then(|row| row.attributes.get(column)).map_or("", String::as_str);
    let all = options.rows.clone().unwrap_or_else(|| (0..table.rows.len()).collect());
    for name in adapted.sources.iter().chain([&adapted.target]) {
        if !all.iter().any(|row| domain(*row) == name) {
            let mut found: Vec<&str> = all.iter().map(|row| domain(*row)).collect();
            found.sort_unstable();
            found.dedup();
            return Err(FitError::NoDomain {
                column: adapted.column.clone(),
                domain: name.clone(),
                found: found.into_iter().take(20).collect::<Vec<_>>().join(", "),
            });
        }
    }
    if adapted.sources.contains(&adapted.target) {
        return Err(FitError::SameDomain { domain: adapted.target.clone() });
    }
    let labelled = |row: usize| table.rows.get(row).is_some_and(|row| row.label.is_some());
    let is_source = |row: usize| adapted.sources.iter().any(|source| source == domain(row)) && labelled(row);
    Ok(all.into_iter().filter(|row| domain(*row) == adapted.target || is_source(*row)).collect())
}

/// What one adaptation works on.
struct Job<'a> {
    given: &'a Given<'a>,
    options: &'a FitOptions,
    adapted: &'a AdaptedOptions,
}

/// Places of both domains among the rows given.
struct Domains {
    source: Vec<usize>,
    target: Vec<usize>,
    /// Class of every row; 0 for a target row without one, which is never looked at.
    labels: Vec<usize>,
}

impl Job<'_> {
    fn run(&self, watch: Watch<'_>) -> Result<Fit, FitError> {
        let stage = |text: &str| watch.stage.map_or((), |stage| stage(text));
        let block = self.block()?;
        let domains = self.domains()?;
        stage("bringing the domains together");
        let source = Samples::of_block(block, &domains.source)?;
        let target = Samples::of_block(block, &domains.target)?;
        let together = self.adapted.adaptation.apply(&source, &target)?;
        stage("choosing and fitting");
        let rows = self.rows(&domains)?;
        let answer = self.answer(&together, &domains, &rows)?;
        stage("the same without the target");
        let apart = Adaptation { alignment: Alignment::Raw, ..self.adapted.adaptation };
        let apart = apart.without_target().apply(&source, &target)?;
        let plain = Job { adapted: &self.without_coverage(), ..*self }.answer(&apart, &domains, &rows)?;

        let alone = self.labelled(&domains, &rows)?;
        if alone.is_some() {
            stage("asking whether the source helps");
        }
        let safe = alone.as_ref().map(|alone| self.safe(alone, &answer)).transpose()?;
        let mut record = self.shown(&domains, &answer, safe.as_ref(), alone.as_ref().unwrap_or(&rows), &rows);
        let right = self.right(&plain.judged, &domains);
        let adaptation = self.record(&domains, &answer, Share::of(right, plain.judged.rows.len()));
        let fallback = safe.as_ref().and_then(|safe| safe.fallback.as_ref());
        let adaptation = AdaptationRecord { safe: safe.as_ref().map(|safe| safe.choice.clone()), ..adaptation };
        record.adaptation = Some(match fallback {
            Some(selected) => self.without_source(adaptation, selected, &domains)?,
            None => adaptation,
        });
        record.run.settings["adaptation"] = serde_json::to_value(&record.adaptation).unwrap_or_default();
        if let (Some(alone), Some(selected)) = (alone, safe.and_then(|safe| safe.fallback)) {
            let (head, features) = (selected.fitted.head, self.given.features.clone());
            return Ok(Fit { head, record, features, fitted_rows: alone.train, preparation: None });
        }
        let preparation = Preparation {
            tap: block.tap.clone(),
            pooling: block.pooling,
            width: block.width,
            rows: self.adapted.adaptation.preprocessing.rows,
            columns: together.target_columns,
        };
        Ok(Fit {
            head: answer.selected.fitted.head,
            record,
            features: answer.features,
            fitted_rows: domains.target,
            preparation: Some(preparation),
        })
    }

    /// The record of what is written: what was transferred, or what was fitted on the target alone.
    fn shown(&self, domains: &Domains, answer: &Answer, safe: Option<&Safe>, alone: &Rows, rows: &Rows) -> FitReport {
        let protocol = if safe.is_some() { Protocol::NestedCv } else { Protocol::TargetDomain };
        let judged = safe.map_or(&answer.judged, |safe| &safe.judged);
        let facts = Facts { given: self.given, options: self.options, protocol };
        let mut record = match safe.and_then(|safe| safe.fallback.as_ref()) {
            Some(selected) => facts.record(selected, judged, alone),
            None => FitReport { refitted: false, ..facts.record(&answer.selected, judged, rows) },
        };
        // A label that a head from another domain contradicts is no probable mistake.
        record.suspects.clear();
        record.warnings.extend(self.foreign_classes(domains));
        if self.adapted.easytl.is_some() {
            record.requested = "easytl".to_owned();
        }
        if self.adapted.easytl.is_some() && safe.is_none_or(|safe| safe.fallback.is_none()) {
            record.method = "easytl".to_owned();
            (record.choice, record.candidates) =
                (format!("{} alignment", self.adapted.adaptation.alignment.name()), vec![]);
        }
        record
    }

    /// The block that is adapted.
    fn block(&self) -> Result<&Block, FitError> {
        let name = &self.given.principal;
        let block =
            self.given.features.blocks.iter().find(|block| block.tap == *name && block.pooling == Pooling::MEAN);
        Ok(block.ok_or_else(|| crate::heads::missing_block(&self.given.features, name, 1))?)
    }

    fn domains(&self) -> Result<Domains, FitError> {
        let (table, column) = (self.given.table, column(self.given.table, self.adapted)?);
        let row = |place: usize| table.rows.get(self.given.rows[place]);
        let is_target = |place: &usize| {
            row(*place).is_some_and(|row| row.attributes.get(column).is_some_and(|name| *name == self.adapted.target))
        };
        let (target, source) = (0..self.given.rows.len()).partition(is_target);
        let labels =
            (0..self.given.rows.len()).map(|place| row(place).and_then(|row| row.label).unwrap_or(0)).collect();
        Ok(Domains { source, target, labels })
    }

    /// The source in folds that keep groups and copies together; the labelled rows of the target to be judged.
    fn rows(&self, domains: &Domains) -> Result<Rows, FitError> {
        let (table, used) = (self.given.table, &self.given.rows);
        let labels: Vec<usize> = domains.source.iter().map(|place| domains.labels[*place]).collect();
        let groups = self.groups(&domains.source);
        let needed = 2;
        if distinct(&groups) < needed {
            return Err(FitError::TooFewGroups { rows: groups.len(), groups: distinct(&groups), needed });
        }
        let folds = self.folds(&domains.source, &labels, &groups)?;
        let labelled = |place: &usize| table.rows.get(used[*place]).is_some_and(|row| row.label.is_some());
        Ok(Rows {
            table: used.clone(),
            labels: domains.labels.clone(),
            train: domains.source.clone(),
            test: domains.target.iter().copied().filter(labelled).collect(),
            folds,
        })
    }

    /// Which of these rows must stay together.
    fn groups(&self, places: &[usize]) -> Vec<usize> {
        let mut groups = Groups::of_table(self.given.table, &self.given.rows);
        groups.unite_sets(&self.given.copies.groups);
        let groups = groups.ids();
        places.iter().map(|place| groups[*place]).collect()
    }

    /// The fold of every row given; 0 for those that are not among `places`.
    fn folds(&self, places: &[usize], labels: &[usize], groups: &[usize]) -> Result<Vec<usize>, FitError> {
        let input = SplitInput { labels, groups: Some(groups), keys: None };
        let made = heirloom_data::folds(input, FOLDS.min(distinct(groups)), self.options.seed)?;
        let mut folds = vec![0; self.given.rows.len()];
        places.iter().zip(made.fold_of).for_each(|(place, fold)| folds[*place] = fold);
        Ok(folds)
    }

    /// Fits on the source as it has been brought to the target, and labels the target.
    fn answer(&self, together: &Adapted, domains: &Domains, rows: &Rows) -> Result<Answer, FitError> {
        let features = self.features(together, domains)?;
        let classes = self.given.table.classes.len();
        let (methods, settings) = self.methods();
        let training =
            Training { features: &features, labels: &rows.labels, rows: &rows.train, folds: &rows.folds, classes };
        let (selected, mut all) = held_out(&methods, &training, &settings, &domains.target)?;
        let mut moved = 0;
        if let Some(coverage) = &self.adapted.easytl {
            let result = self.programme(together, domains, coverage)?;
            moved = result.moved;
            agree(&mut all, &result.labels, classes);
        }
        let counts = counts(&all, classes);
        let judged = all.only(|place| rows.test.binary_search(place).is_ok(), classes);
        Ok(Answer { selected, judged, features, moved, counts })
    }

    /// Both domains as one block, each row in the place it was given.
    fn features(&self, together: &Adapted, domains: &Domains) -> Result<Features, FitError> {
        let model = self.block()?;
        let mut values = vec![0.0; self.given.rows.len() * model.width];
        for (samples, places) in [(&together.source, &domains.source), (&together.target, &domains.target)] {
            for (row, place) in places.iter().enumerate() {
                let out = &mut values[place * model.width..(place + 1) * model.width];
                out.iter_mut().zip(samples.row(row)).for_each(|(out, value)| *out = *value as f32);
            }
        }
        let block = Block { values, ..model.empty() };
        Ok(Features { rows: self.given.rows.len(), blocks: vec![block] })
    }

    /// What is fitted on the source. EasyTL's rule for single rows is the nearest class mean.
    fn methods(&self) -> (Vec<Method>, Settings) {
        let mut settings = self.options.settings.clone();
        settings.penultimate = self.given.principal.clone();
        if self.adapted.easytl.is_some() {
            settings.ncm = NcmSettings { metrics: vec![Metric::Euclidean], normalization: Normalization::None };
            return (vec![Method::Ncm], settings);
        }
        (self.typed(), settings)
    }

    /// The methods that were named, or those that `auto` chooses among.
    fn typed(&self) -> Vec<Method> {
        let auto = AUTO.into_iter().filter(|method| !method.reads_all_taps());
        let typed = &self.options.methods;
        if typed.is_empty() { auto.collect() } else { typed.clone() }
    }

    /// The labelled rows of the target in folds, where they are to choose; `rows` has them as those to be judged.
    fn labelled(&self, domains: &Domains, rows: &Rows) -> Result<Option<Rows>, FitError> {
        if !self.adapted.safe {
            return Ok(None);
        }
        let labels: Vec<usize> = rows.test.iter().map(|place| domains.labels[*place]).collect();
        let groups = self.groups(&rows.test);
        if distinct(&groups) < safe::GROUPS {
            let (domain, needed) = (self.adapted.target.clone(), safe::GROUPS);
            return Err(FitError::TooFewLabelled { domain, rows: labels.len(), groups: distinct(&groups), needed });
        }
        let folds = self.folds(&rows.test, &labels, &groups)?;
        let (table, labels) = (rows.table.clone(), rows.labels.clone());
        Ok(Some(Rows { table, labels, train: rows.test.clone(), test: Vec::new(), folds }))
    }

    /// The choice between what was transferred and the target's own labels, on features as they are.
    fn safe(&self, alone: &Rows, answer: &Answer) -> Result<Safe, FitError> {
        let mut settings = self.options.settings.clone();
        settings.penultimate = self.given.principal.clone();
        let candidates = Candidates {
            features: &self.given.features,
            rows: alone,
            classes: self.given.table.classes.len(),
            methods: &self.typed(),
            settings: &settings,
            transferred: &answer.judged,
        };
        candidates.choose()
    }

    /// The record where the source is not used: nothing of the unlabelled target is in the model.
    fn without_source(
        &self,
        record: AdaptationRecord,
        selected: &Selected,
        domains: &Domains,
    ) -> Result<AdaptationRecord, FitError> {
        let classes = self.given.table.classes.len();
        let all = Judged::by(&selected.fitted.head, &self.given.features, &domains.target)?;
        let target_counts = counts(&all, classes);
        Ok(AdaptationRecord { transductive: false, target_used_for: Vec::new(), moved: 0, target_counts, ..record })
    }

    /// EasyTL over the classes that the source has.
    fn programme(&self, together: &Adapted, domains: &Domains, coverage: &Coverage) -> Result<EasyTlResult, FitError> {
        let mut present: Vec<usize> = domains.source.iter().map(|place| domains.labels[*place]).collect();
        present.sort_unstable();
        present.dedup();
        let local = |place: &usize| present.partition_point(|class| *class < domains.labels[*place]);
        let labels: Vec<usize> = domains.source.iter().map(local).collect();
        let method =
            EasyTl { adaptation: self.adapted.adaptation, distance: Distance::Euclidean, coverage: coverage.clone() };
        let mut result = method.label_adapted(together, &labels, present.len())?;
        result.labels.iter_mut().for_each(|label| *label = present[*label]);
        Ok(result)
    }

    fn without_coverage(&self) -> AdaptedOptions {
        AdaptedOptions { easytl: self.adapted.easytl.as_ref().map(|_| Coverage::None), ..self.adapted.clone() }
    }

    fn right(&self, judged: &Judged, domains: &Domains) -> usize {
        let verdicts = verdicts(judged, &domains.labels, self.given.table.classes.len());
        verdicts.iter().filter(|verdict| verdict.label == verdict.predicted).count()
    }

    /// Labelled target rows of classes that no source row shows: nothing can recognise them.
    fn foreign_classes(&self, domains: &Domains) -> Option<String> {
        let table = self.given.table;
        let shown = |class: usize| domains.source.iter().any(|place| domains.labels[*place] == class);
        let label = |place: &&usize| table.rows.get(self.given.rows[**place]).and_then(|row| row.label);
        let foreign = domains.target.iter().filter(|place| label(place).is_some_and(|class| !shown(class))).count();
        (foreign > 0).then(|| {
            format!("{foreign} target rows are of classes that the source does not have; they count as mistakes")
        })
    }

    fn record(&self, domains: &Domains, answer: &Answer, without_target: Share) -> AdaptationRecord {
        let adaptation = self.adapted.adaptation;
        let mut uses: Vec<String> = adaptation.uses_of_target().into_iter().map(str::to_owned).collect();
        if self.adapted.easytl.as_ref().is_some_and(|coverage| *coverage != Coverage::None) {
            uses.push("distances of all its rows together (coverage of the classes)".to_owned());
        }
        AdaptationRecord {
            column: self.adapted.column.clone(),
            sources: self.adapted.sources.clone(),
            target: self.adapted.target.clone(),
            source_rows: domains.source.len(),
            target_rows: domains.target.len(),
            preprocessing: adaptation.preprocessing,
            alignment: adaptation.alignment,
            coverage: self.adapted.easytl.clone(),
            transductive: !uses.is_empty(),
            target_used_for: uses,
            moved: answer.moved,
            target_counts: answer.counts.clone(),
            without_target,
            safe: None,
        }
    }
}

/// Different entries.
fn distinct(groups: &[usize]) -> usize {
    groups.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Rows by the class they are given.
fn counts(judged: &Judged, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    judged.probabilities.chunks(classes.max(1)).for_each(|row| counts[most_probable(row)] += 1);
    counts
}

/// A head fitted on the source and what it says of the target.
struct Answer {
    selected: Selected,
    /// The labelled rows of the target.
    judged: Judged,
    features: Features,
    moved: usize,
    /// Target rows by the class they are given.
    counts: Vec<usize>,
}

/// Makes the class of each row its most probable one: where the programme gave it another, their probabilities are exchanged.
fn agree(judged: &mut Judged, labels: &[usize], classes: usize) {
    for all in [&mut judged.probabilities, &mut judged.uncalibrated] {
        for (row, &label) in all.chunks_mut(classes.max(1)).zip(labels) {
            row.swap(most_probable(row), label);
        }
    }
}

impl Adaptation {
    /// The same without any use of the target: columns by statistics of the source.
    fn without_target(mut self) -> Self {
        if self.preprocessing.columns == ColumnScaling::DomainZScore {
            self.preprocessing.columns = ColumnScaling::SourceZScore;
        }
        self
    }
}
