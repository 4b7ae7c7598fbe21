//! What a source itself does: its accuracy, and how often the bias draws images of other classes to its class.

use heirloom_data::{Split, Table};
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::Network;
use heirloom_transfer::fit::Share;
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::probe::{Probe, SIDES, SMALL_TRIGGER, TRIGGER, probes};
use super::{Arm, Form, Origin, Study, StudyError};
use crate::{ChangedImages, PreparedImages, network_classes};

/// Most memory that the source's test images may take, in bytes.
const MEMORY: u64 = 1 << 31;

/// A source, measured on the test images of its own data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRecord {
    pub origin: Origin,
    pub seed: usize,
    pub accuracy: Share,
    /// Of the images of other classes, those answered with the class of the bias, as they are and with the bias put on.
    pub drawn: [Share; 2],
}

impl Study<'_> {
    /// The record of an arm's source; `None` where nothing is made here, or it is not there and may not be begun.
    pub fn own(&self, arm: &Arm, seed: usize, may_begin: bool) -> Result<Option<OwnRecord>, StudyError> {
        if !matches!(arm.origin, Origin::Planted { .. } | Origin::Chosen { .. } | Origin::Cue { .. }) {
            return Ok(None);
        }
        let probe = self.probe(arm.origin);
        let key = ("bias-transfer own", self.source_name(arm.origin, seed)?, probe.key()?, &self.data.source.digest);
        let name = name_of(&key)?;
        let kept = self.cells.read::<OwnRecord>(&name)?;
        if kept.is_some() || !may_begin {
            return Ok(kept);
        }
        let record = match arm.origin {
            Origin::Cue { .. } => self.own_of_cue(arm.origin, seed)?,
            origin => self.measured(origin, seed, &self.network(origin, seed)?, &probe)?,
        };
        self.cells.write(&name, &record)?;
        Ok(Some(record))
    }

    fn probe(&self, origin: Origin) -> Probe {
        let small = matches!(origin, Origin::Planted { side, .. } if side == SIDES[1]);
        let at = if small { SMALL_TRIGGER } else { TRIGGER };
        probes(self.data, origin).swap_remove(at)
    }

    /// Labels, rows and answers of a table's test images, as they are.
    pub(super) fn own_answers(&self, network: &Backbone, table: &Table) -> Result<[Vec<usize>; 3], StudyError> {
        let rows = table.rows_in(Some(Split::Test));
        let (images, _) = PreparedImages::read(table, &rows, &network.preprocess, MEMORY, self.watch.cancel)?;
        let rows = images.table_rows().to_vec();
        let labels = rows.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        Ok([labels, rows, self.answers_of(network, &images, &|_, _| {})?])
    }

    fn answers_of(
        &self,
        network: &Backbone,
        images: &PreparedImages,
        change: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) -> Result<Vec<usize>, StudyError> {
        let all: Vec<usize> = (0..images.table_rows().len()).collect();
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let changed = ChangedImages { images, change, shown: &|_| {} };
        let (extract, cancel) = (&self.options.extract, self.watch.cancel);
        let found = network_classes(Network::from(network), &logits, &changed, &all, extract, cancel)?;
        Ok(found.into_iter().map(|(_, class)| class).collect())
    }

    fn measured(
        &self,
        origin: Origin,
        seed: usize,
        network: &Backbone,
        probe: &Probe,
    ) -> Result<OwnRecord, StudyError> {
        let table: &Table = &self.data.source.table;
        let rows = table.rows_in(Some(Split::Test));
        let (images, _) = PreparedImages::read(table, &rows, &network.preprocess, MEMORY, self.watch.cancel)?;
        let labels: Vec<usize> = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        let all: Vec<usize> = (0..labels.len()).collect();
        let clean = self.answers_of(network, &images, &|_, _| {})?;
        let probe = probe.prepare(network.preprocess.input_size, self.options.seed)?;
        let biased = self.answers_of(network, &images, &|image, pixels| probe.apply(image, pixels))?;
        let named = self.data.source.class(&self.data.class)?;
        let new_class = matches!(origin, Origin::Planted { form: Form::Append | Form::Replace, .. });
        let class = if new_class { table.classes.len() } else { named };
        let others: Vec<usize> = all.iter().copied().filter(|image| labels[*image] != named).collect();
        let drawn = |answers: &[usize]| {
            Share::of(others.iter().filter(|image| answers[**image] == class).count(), others.len())
        };
        let right = all.iter().filter(|image| clean[**image] == labels[**image]).count();
        Ok(OwnRecord { origin, seed, accuracy: Share::of(right, all.len()), drawn: [drawn(&clean), drawn(&biased)] })
    }
}
