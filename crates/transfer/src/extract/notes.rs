//! What went wrong with the store without stopping the run: counted, the first of each kind in full.

use std::sync::{Mutex, PoisonError};

use crate::store::StoreError;

/// Counters that any thread may raise.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    replaced: usize,
    first_replaced: Option<String>,
    not_stored: usize,
    fault: Option<StoreError>,
    unsettled: usize,
}

impl Notes {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stored block could not be used.
    pub fn replaced(&self, error: &StoreError) {
        self.with(|inner| {
            inner.replaced += 1;
            inner.first_replaced.get_or_insert_with(|| error.to_string());
        });
    }

    /// `blocks` blocks could not be written.
    pub fn not_stored(&self, blocks: usize, fault: StoreError) {
        self.with(|inner| {
            inner.not_stored += blocks;
            inner.fault.get_or_insert(fault);
        });
    }

    /// `blocks` blocks were not written because a row's file changed or could not be read again.
    pub fn unsettled(&self, blocks: usize) {
        self.with(|inner| inner.unsettled += blocks);
    }

    /// Blocks that could not be written and why the first one could not.
    pub fn take_fault(&self) -> Option<(usize, StoreError)> {
        self.with(|inner| inner.fault.take().map(|fault| (inner.not_stored, fault)))
    }

    pub fn blocks_not_stored(&self) -> usize {
        self.with(|inner| inner.not_stored + inner.unsettled)
    }

    pub fn blocks_replaced(&self) -> usize {
        self.with(|inner| inner.replaced)
    }

    /// One line for each kind.
    pub fn warnings(&self) -> Vec<String> {
        self.with(|inner| {
            let mut lines = Vec::new();
            if let Some(first) = &inner.first_replaced {
                lines.push(format!("{} stored blocks of features were computed anew; the first: {first}", inner.replaced));
            }
            if let Some(fault) = &inner.fault {
                let blocks = inner.not_stored;
                lines.push(format!("{blocks} blocks of features could not be stored (nothing is lost, the next run computes them again); the first: {fault}"));
            }
            if inner.unsettled > 0 {
                let blocks = inner.unsettled;
                lines.push(format!("{blocks} blocks of features were not stored: an image changed or could not be read again during the run"));
            }
            lines
        })
    }
}
