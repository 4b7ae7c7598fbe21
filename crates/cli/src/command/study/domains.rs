//! Domains of a study: rows of a table of features, or images through a backbone, by what a column says of each.

use heirloom_audit::balanced;
use heirloom_audit::study::Domain;
use heirloom_data::{FeatureTable, Table as Rows, TableOptions};
use heirloom_report::{Page, counted};
use heirloom_transfer::adaptation::Samples;
use heirloom_transfer::extract::{Extraction, Network, Progress as Extracting};
use heirloom_transfer::fit::{SkippedRow, Watch};
use heirloom_transfer::store::Store;
use heirloom_transfer::{Block as Columns, Features, Pooling};
use serde_json::{Value, json};

use super::watched;
use crate::arguments::{DomainsArguments, SharedArguments};
use crate::backbone;
use crate::command::audit::gathered::all_skipped;
use crate::command::fit::{extract_options, holds_features};
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::STOP;
use crate::progress::Progress;

/// The domains of a data set.
struct Opened {
    domains: Vec<Domain>,
    classes: usize,
    /// Rows that could not be used.
    skipped: Vec<SkippedRow>,
}

impl DomainsArguments {
    /// The domains with their features, and the rows that could not be used.
    fn open(&self, shared: &SharedArguments, watch: Watch<'_>) -> Result<Opened, Failure> {
        let path = self.data.as_path();
        if holds_features(path)? {
            if self.backbone.is_some() {
                let fact = format!("{} holds features, and a backbone is for images", path.display());
                return Err(Failure::input(fact).hint("leave --backbone out"));
            }
            let table = FeatureTable::open(path, &TableOptions::default())?;
            let rows = self.chosen(&table.table)?;
            let features = Features::of_table(&table, &(0..table.table.rows.len()).collect::<Vec<_>>());
            let block = features.blocks.iter().find(|block| block.tap == table.principal());
            let block = block.ok_or_else(|| Failure::input(format!("{} holds no features", path.display())))?;
            let domains = split(&table.table, &rows, |row| row, block)?;
            let skipped = all_skipped(&table.table, Vec::new());
            return Ok(Opened { domains, classes: table.table.classes.len(), skipped });
        }
        let Some(name) = &self.backbone else {
            let fact = format!("{} holds images, and no backbone was named", path.display());
            return Err(Failure::input(fact).hint("name one with --backbone, as in --backbone deit_tiny_patch16_224"));
        };
        let backbone = backbone::open(Some(name))?;
        let table = Rows::open(path, &TableOptions::default())?;
        let rows = self.chosen(&table)?;
        let wanted: Vec<usize> = rows.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        let requests = [(backbone.features.clone(), Pooling::MEAN)];
        let store = Store::new(&cache_folder(shared)?);
        let mut extraction = Extraction::new(Network::from(&backbone), &table, &wanted, &requests);
        extraction.options = extract_options(self.memory, shared);
        (extraction.store, extraction.progress, extraction.cancel) = (Some(&store), watch.progress, Some(&STOP));
        let extracted = extraction.run()?;
        let [block] = extracted.features.blocks.as_slice() else {
            return Err(Failure::internal("one block of features was asked for"));
        };
        let place = |row: usize| extracted.rows.binary_search(&row).ok();
        let usable = |(name, rows): (String, Vec<usize>)| {
            (name, rows.into_iter().filter(|row| place(*row).is_some()).collect::<Vec<usize>>())
        };
        let rows: Vec<(String, Vec<usize>)> = rows.into_iter().map(usable).collect();
        let domains = split(&table, &rows, |row| place(row).unwrap_or(0), block)?;
        let skipped = all_skipped(&table, extracted.summary.skipped);
        Ok(Opened { domains, classes: table.classes.len(), skipped })
    }

    /// Rows of each domain, in the order of their first rows.
    fn chosen(&self, table: &Rows) -> Result<Vec<(String, Vec<usize>)>, Failure> {
        let column = &self.domain_column;
        let at = table.attributes.iter().position(|name| name == column).ok_or_else(|| {
            let known = if table.attributes.is_empty() { "none".to_owned() } else { table.attributes.join(", ") };
            let fact =
                format!("{} has no column '{column}'; its columns besides labels: {known}", table.source.display());
            Failure::input(fact).hint("name the column of domains with --domain-column")
        })?;
        let mut domains = Vec::<(String, Vec<usize>)>::new();
        for (row, entry) in table.rows.iter().enumerate().filter(|(_, entry)| entry.label.is_some()) {
            let name = entry.attributes.get(at).cloned().unwrap_or_default();
            match domains.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.push(row),
                None => domains.push((name, vec![row])),
            }
        }
        for (_, rows) in domains.iter_mut() {
            if let Some(limit) = self.limit {
                let labels: Vec<usize> = rows.iter().filter_map(|row| table.rows[*row].label).collect();
                let few = balanced(&labels, limit as usize, self.seed);
                *rows = few.into_iter().map(|at| rows[at]).collect();
            }
            rows.sort_unstable();
        }
        Ok(domains)
    }

    /// The study, unless its page is already there: `study` is given the domains with their features, and the number of classes. With what it
    /// finds, the rows that could not be used.
    pub fn watched<T>(
        &self,
        shared: &SharedArguments,
        console: Console,
        kept: &'static str,
        what: [&'static str; 2],
        study: impl FnOnce(&[Domain], usize, Watch<'_>) -> Result<T, Failure>,
    ) -> Result<(T, Vec<SkippedRow>), Failure> {
        if let Some(path) = &self.output {
            refuse_to_replace(path, self.force)?;
        }
        watched(kept, console, |watch, _| {
            let Opened { domains, classes, skipped } = self.open(shared, watch)?;
            let [done, things] = what;
            if let Some(stage) = watch.stage {
                stage(&format!("{}, each {done}", counted(domains.len(), "domain")));
            }
            let progress = Progress::new(things);
            let report = |state: &Extracting| progress.report(state.done, state.total);
            Ok((study(&domains, classes, Watch { progress: Some(&report), ..watch })?, skipped))
        })
    }

    /// Writes the page, answers in the terminal, and gives the object of a study that found `found` under `options`.
    pub fn tell(
        &self,
        study: &str,
        [found, options]: [Value; 2],
        skipped: &[SkippedRow],
        (page, mut text): (Page, String),
        console: Console,
    ) -> Result<Outcome, Failure> {
        if let Some(path) = &self.output {
            write_whole(path, page.to_html().as_bytes())?;
            text.push_str(&format!("page: {}\n", path.display()));
        }
        for row in skipped {
            text.push_str(&format!("skipped: {}: {}\n", row.locator, row.reason));
        }
        console.answer(&text)?;
        let mut object = found;
        object["skipped"] = json!(skipped);
        object["command"] = json!("study");
        object["study"] = json!(study);
        object["data"] = json!(self.data);
        object["backbone"] = json!(self.backbone);
        object["options"] = options;
        object["page"] = json!(self.output);
        Ok(Outcome::done(object))
    }

    /// The line below the title of a page, where `how` says what was done with the domains.
    pub fn lead(&self, how: &str) -> String {
        let on = self.backbone.as_ref().map_or_else(String::new, |backbone| format!(" through {backbone}"));
        let (data, seed, version) = (self.data.display(), self.seed, env!("CARGO_PKG_VERSION"));
        format!("{data}{on}: {how}; seed {seed}, heirloom {version}")
    }
}

fn split(
    table: &Rows,
    domains: &[(String, Vec<usize>)],
    place: impl Fn(usize) -> usize,
    block: &Columns,
) -> Result<Vec<Domain>, Failure> {
    let domain = |(name, rows): &(String, Vec<usize>)| {
        let picks: Vec<usize> = rows.iter().map(|row| place(*row)).collect();
        let samples = Samples::of_block(block, &picks).map_err(|error| Failure::input(format!("{name}: {error}")))?;
        let labels = rows.iter().filter_map(|row| table.rows[*row].label).collect();
        Ok(Domain { name: name.clone(), samples, labels })
    };
    domains.iter().map(domain).collect()
}
