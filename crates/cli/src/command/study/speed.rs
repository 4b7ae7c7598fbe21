//! How fast this machine runs a network, for the plans of studies.

use std::time::Instant;

use heirloom_data::{Split, Table};
use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_zoo::Backbone;

use crate::failure::Failure;

/// How much slower a training step is than its three passes, and decoding beside it.
pub const SLOWER: f64 = 1.5;
/// Images on which the speed is measured.
const TIMED: usize = 256;

/// Images a second up to the features.
pub fn images_a_second(network: &Backbone, table: &Table) -> Result<f64, Failure> {
    let mut rows = table.rows_in(Some(Split::Test));
    rows.truncate(TIMED);
    let requests = [(network.features.clone(), Pooling::MEAN)];
    let started = Instant::now();
    Extraction::new(Network::from(network), table, &rows, &requests).run()?;
    Ok(rows.len() as f64 / started.elapsed().as_secs_f64().max(1e-3))
}
