//! Rows with their features, however they came about: by a network from images, or as such from a table of features.

use heirloom_data::{FeatureTable, Table};
use heirloom_engine::Precision;
use heirloom_zoo::Backbone;

use super::FitOptions;
use super::copies::Copies;
use super::record::{BackboneRecord, SkippedRow};
use crate::Features;
use crate::extract::{Extracted, Parity, Request};

/// What a head is fitted on, with all that the record says about it.
pub(super) struct Given<'a> {
    /// Labels, groups, splits.
    pub table: &'a Table,
    /// Features of the rows in use.
    pub features: Features,
    /// Row of the table of each.
    pub rows: Vec<usize>,
    /// Rows that are copies of one another.
    pub copies: Copies,
    /// The block that is read by methods that read one.
    pub principal: String,
    /// Names of the layers by depth; none without a network.
    pub taps: Vec<String>,
    /// The network, where there is one.
    pub backbone: Option<BackboneRecord>,
    /// Kernels that ran it; `none` without a network.
    pub isa: String,
    /// Precision of the network's products.
    pub precision: Precision,
    /// What the check of bf16 found, where it decided.
    pub parity: Option<Parity>,
    /// What features were rounded to before they were used.
    pub feature_storage: Precision,
    /// Names of what was read.
    pub read: Vec<String>,
    /// Rows without features.
    pub skipped: Vec<SkippedRow>,
    /// Warnings of the extraction and of the network.
    pub notes: Vec<String>,
    /// Images through the network a second.
    pub images_per_second: Option<f64>,
}

impl<'a> Given<'a> {
    /// By a network.
    pub fn extracted(
        backbone: &Backbone,
        table: &'a Table,
        extracted: Extracted,
        requests: &[Request],
        options: &FitOptions,
    ) -> Self {
        let Extracted { features, rows, summary } = extracted;
        let last = features.blocks.iter().find(|block| block.tap == backbone.features);
        let copies = Copies::find(table, &rows, last);
        let by_image = summary.skipped.iter();
        let by_image = by_image.map(|row| SkippedRow { locator: row.locator.clone(), reason: row.reason.clone() });
        let mut notes = summary.warnings;
        notes.extend(backbone.notes.iter().cloned());
        Self {
            table,
            copies,
            principal: backbone.features.clone(),
            taps: backbone.taps.clone(),
            backbone: Some(backbone.into()),
            isa: options.extract.isa.name().to_owned(),
            precision: options.extract.precision,
            parity: options.extract.parity.clone(),
            feature_storage: options.extract.storage,
            read: requests.iter().map(|(tap, pooling)| format!("{tap}@{}", pooling.target)).collect(),
            skipped: skipped_by(table).chain(by_image).collect(),
            notes,
            images_per_second: (summary.computed > 0).then_some(summary.images_per_second),
            features,
            rows,
        }
    }

    /// From a table of features: all its blocks.
    pub fn of_table(given: &'a FeatureTable, rows: Vec<usize>) -> Self {
        let features = Features::of_table(given, &rows);
        Self {
            table: &given.table,
            copies: Copies::of_features(&features),
            principal: given.principal().to_owned(),
            taps: Vec::new(),
            backbone: None,
            isa: "none".to_owned(),
            precision: Precision::F32,
            parity: None,
            feature_storage: Precision::F32,
            read: given.blocks.iter().map(|block| block.name.clone()).collect(),
            skipped: skipped_by(&given.table).collect(),
            notes: Vec::new(),
            images_per_second: None,
            features,
            rows,
        }
    }
}

/// Rows that the table itself left out.
fn skipped_by(table: &Table) -> impl Iterator<Item = SkippedRow> {
    table.skipped.iter().map(|row| SkippedRow { locator: row.locator.clone(), reason: row.reason.clone() })
}
