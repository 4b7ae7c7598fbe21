//! The interventions that rows carry, each prepared once.

use std::sync::Arc;

use super::{Intervention, InterventionError, Stamp};

/// Interventions at the sizes at which they were asked for so far.
#[derive(Debug, Clone, Default)]
pub struct Stamps {
    known: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    intervention: Arc<Intervention>,
    stamp: Stamp,
    digest: [u8; 32],
}

impl Stamps {
    /// What `intervention` does to images of `[height, width]` pixels, with its digest.
    ///
    /// # Errors
    /// As [`Intervention::prepare`] and [`Intervention::digest`].
    pub fn of(
        &mut self,
        intervention: &Arc<Intervention>,
        size: [usize; 2],
    ) -> Result<(&Stamp, [u8; 32]), InterventionError> {
        let at = match self.position(intervention, size) {
            Some(at) => at,
            None => {
                let (stamp, digest) = (intervention.prepare(size)?, intervention.digest()?);
                self.known.push(Known { intervention: Arc::clone(intervention), stamp, digest });
                self.known.len() - 1
            }
        };
        let known = &self.known[at];
        Ok((&known.stamp, known.digest))
    }

    /// The one that was prepared before.
    #[must_use]
    pub fn get(&self, intervention: &Arc<Intervention>, size: [usize; 2]) -> Option<&Stamp> {
        self.position(intervention, size).map(|at| &self.known[at].stamp)
    }

    fn position(&self, intervention: &Arc<Intervention>, size: [usize; 2]) -> Option<usize> {
        let same = |known: &Known| {
            let equal = Arc::ptr_eq(&known.intervention, intervention) || known.intervention == *intervention;
            equal && known.stamp.size() == size
        };
        self.known.iter().position(same)
    }
}
