//! What a source itself does: its accuracy, and how often the bias draws images of other classes to its class.

use heirloom_data::{Split, Table};
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::Network;
use heirloom_transfer::fit::Share;
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::probe::{PreparedProbe, Probe, SIDES, SMALL_TRIGGER, TRIGGER, probes};
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
        let Some(set) = self.made_of(arm.origin, seed)? else { return Ok(None) };
        let network = self.network(arm.origin, seed)?;
        let record = match probe.prepare(network.preprocess.input_size, self.options.seed)? {
            Some(prepared) => self.measured(arm.origin, seed, &network, &prepared)?,
            None => self.measured_cue(&network, &set, arm.origin, seed)?,
        };
        self.cells.write(&name, &record)?;
        Ok(Some(record))
    }

    fn probe(&self, origin: Origin) -> Probe {
        let small = matches!(origin, Origin::Planted { side, .. } if side == SIDES[1]);
        let at = if small { SMALL_TRIGGER } else { TRIGGER };
        probes(self.data, origin).swap_remove(at)
    }

    /// A table's test images for a network, and their labels.
    pub(super) fn own_images(
        &self,
        network: &Backbone,
        table: &Table,
    ) -> Result<(PreparedImages, Vec<usize>), StudyError> {
        let rows = table.rows_in(Some(Split::Test));
        let (images, _) = PreparedImages::read(table, &rows, &network.preprocess, MEMORY, self.watch.cancel)?;
        let labels = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        Ok((images, labels))
    }

    /// A network's own answers to images with a change.
    pub(super) fn own_answers(
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
        probe: &PreparedProbe,
    ) -> Result<OwnRecord, StudyError> {
        let table: &Table = &self.data.source.table;
        let (images, labels) = self.own_images(network, table)?;
        let all: Vec<usize> = (0..labels.len()).collect();
        let clean = self.own_answers(network, &images, &|_, _| {})?;
        let biased = self.own_answers(network, &images, &|image, pixels| probe.apply(image, pixels))?;
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
