//! What is asked for, resolved against the network: which tap, which windows, how wide; and whether it fits into memory.

use std::collections::BTreeMap;

use heirloom_engine::Shape;

use super::{ExtractError, Network, Request};
use crate::{Pooling, Windows};

/// The columns of one tap under one set of windows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub tap: String,
    pub shape: Shape,
    pub windows: Windows,
    pub width: usize,
}

/// All columns of an extraction, each computed once, and what every request reads.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Distinct columns, those of one tap side by side.
    pub distinct: Vec<Column>,
    /// For every request: its shape, and its index in `distinct`.
    pub requests: Vec<(Shape, usize)>,
}

impl Columns {
    pub fn new(network: &Network<'_>, requests: &[Request]) -> Result<Self, ExtractError> {
        let taps: Vec<String> = requests.iter().map(|(tap, _)| tap.clone()).collect();
        let shapes = network.graph.tap_shapes(network.preprocess.input_size, &taps)?;
        let mut distinct = Vec::<Column>::new();
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|index| taps.iter().position(|tap| *tap == taps[*index]));
        let mut resolved = vec![(Shape::Vector { channels: 0 }, 0); requests.len()];
        for index in order {
            let (shape, (tap, pooling)) = (shapes[index], &requests[index]);
            let windows = Windows::new(shape, *pooling);
            let known = distinct.iter().position(|column| column.tap == *tap && column.windows == windows);
            resolved[index] = (shape, known.unwrap_or(distinct.len()));
            if known.is_none() {
                distinct.push(Column { tap: tap.clone(), shape, windows, width: windows.width(shape) });
            }
        }
        Ok(Self { distinct, requests: resolved })
    }

    /// Columns of one row over the distinct blocks.
    pub fn width(&self) -> usize {
        self.distinct.iter().map(|column| column.width).sum()
    }

    /// Refuses what would not fit: first any single pooling target, then all together.
    pub fn check_memory(&self, requests: &[Request], rows: usize, limit: u64) -> Result<(), ExtractError> {
        let bytes = |columns: usize| (rows as u64).saturating_mul(columns as u64).saturating_mul(4);
        let mut targets = BTreeMap::<(usize, u8), (Pooling, usize)>::new();
        for ((_, pooling), (_, column)) in requests.iter().zip(&self.requests) {
            let entry = targets.entry((pooling.target, pooling.class_token as u8)).or_insert((*pooling, 0));
            entry.1 += self.distinct[*column].width;
        }
        for (pooling, columns) in targets.values().copied() {
            if bytes(columns) > limit {
                return Err(ExtractError::TooLarge { pooling, rows, columns, bytes: bytes(columns), limit });
            }
        }
        let columns = targets.values().map(|(_, columns)| columns).sum();
        if bytes(columns) > limit {
            return Err(ExtractError::TooLargeTogether { rows, columns, bytes: bytes(columns), limit });
        }
        Ok(())
    }
}
