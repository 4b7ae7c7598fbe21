//! Domains of a study: rows of a table of features, or images through a backbone, by what a column says of each.

use std::path::Path;

use heirloom_audit::balanced;
use heirloom_audit::study::Domain;
use heirloom_data::{FeatureTable, Table as Rows, TableOptions};
use heirloom_transfer::adaptation::Samples;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::store::Store;
use heirloom_transfer::{Block as Columns, Features, Pooling};

use crate::arguments::{SharedArguments, StudyAdaptationArguments, StudyGeneralisationArguments};
use crate::backbone;
use crate::command::cache_folder;
use crate::command::fit::{extract_options, holds_features};
use crate::failure::Failure;
use crate::interrupt::STOP;

/// Where domains come from.
pub struct Domains<'a> {
    data: &'a Path,
    backbone: Option<&'a String>,
    column: &'a String,
    limit: Option<u32>,
    seed: u64,
    memory: Option<u64>,
}

impl<'a> Domains<'a> {
    /// Those of `study adaptation`.
    pub fn of(arguments: &'a StudyAdaptationArguments) -> Self {
        let StudyAdaptationArguments { data, backbone, domain_column: column, limit, seed, memory, .. } = arguments;
        Self { data, backbone: backbone.as_ref(), column, limit: *limit, seed: *seed, memory: *memory }
    }

    /// Those of `study generalisation`.
    pub fn of_generalisation(arguments: &'a StudyGeneralisationArguments) -> Self {
        let StudyGeneralisationArguments { data, backbone, domain_column: column, limit, seed, memory, .. } = arguments;
        Self { data, backbone: backbone.as_ref(), column, limit: *limit, seed: *seed, memory: *memory }
    }

    /// The domains with their features, and the number of classes.
    pub fn open(&self, shared: &SharedArguments, watch: Watch<'_>) -> Result<(Vec<Domain>, usize), Failure> {
        let path = self.data;
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
            return Ok((split(&table.table, &rows, |row| row, block)?, table.table.classes.len()));
        }
        let Some(name) = self.backbone else {
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
        // Images that cannot be used are left out.
        let usable = |(name, rows): (String, Vec<usize>)| {
            (name, rows.into_iter().filter(|row| place(*row).is_some()).collect::<Vec<usize>>())
        };
        let rows: Vec<(String, Vec<usize>)> = rows.into_iter().map(usable).collect();
        Ok((split(&table, &rows, |row| place(row).unwrap_or(0), block)?, table.classes.len()))
    }

    /// Rows of each domain, in the order of their first rows.
    fn chosen(&self, table: &Rows) -> Result<Vec<(String, Vec<usize>)>, Failure> {
        let column = self.column;
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
