//! One source adapted to one target in one way: the answers to its test images.

use std::collections::BTreeMap;

use heirloom_data::Table;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::predictor::Predictor;
use heirloom_transfer::store::NUMERICS;
use serde::{Deserialize, Serialize};

use super::probe::{Probe, probes};
use super::{Arm, BiasOptions, Origin, Regime, Set, Study, StudyError};
use crate::{ChangedImages, PreparedImages, predicted_classes};

/// Most memory that a target's images may take, in bytes.
pub(super) const MEMORY: u64 = 1 << 31;

/// Labels and answers of a target's test images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    pub labels: Vec<usize>,
    /// Answers to the images as they are.
    pub clean: Vec<usize>,
    /// Answers with each probe.
    pub changed: Vec<Vec<usize>>,
    /// Which of two kinds each image is of, where the measure goes by that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<usize>,
}

/// Cells by arm, seed and target.
#[derive(Debug, Default)]
pub(super) struct Found {
    cells: BTreeMap<(String, usize, usize), Cell>,
}

impl Found {
    pub fn insert(&mut self, arm: &Arm, seed: usize, target: usize, cell: Cell) {
        self.cells.insert((name(arm), seed, target), cell);
    }

    pub fn get(&self, arm: &Arm, seed: usize, target: usize) -> Option<&Cell> {
        self.cells.get(&(name(arm), seed, target))
    }
}

/// Settings print every digit that tells them apart.
fn name(arm: &Arm) -> String {
    format!("{arm:?}")
}

/// Epochs of training through the network; those of the study where the arm leaves them open.
pub(super) fn epochs(options: &BiasOptions, arm: &Arm) -> Option<u64> {
    let [full, scratch] = match arm.origin {
        origin if origin.is_of_stock() => options.natural_epochs,
        _ => options.target_epochs,
    };
    match arm.regime {
        Regime::Fixed { .. } | Regime::Statistics => None,
        Regime::Full { epochs, .. } => Some(epochs.unwrap_or(full)),
        Regime::Scratch => Some(scratch),
    }
}

/// Everything that decides a cell.
#[derive(Serialize)]
struct Key<'a> {
    study: &'static str,
    version: &'static str,
    numerics: String,
    arm: &'a Arm,
    /// Epochs of training through the network, where the arm leaves them to the study.
    epochs: Option<u64>,
    /// The source's name in the cache, or the digest of the network it is.
    source: String,
    target: &'a str,
    probes: Vec<String>,
    seed: u64,
}

impl Study<'_> {
    /// The cell, from the cache or computed; `None` where it is not there and may not be begun.
    pub fn cell(&self, arm: &Arm, seed: usize, target: usize, may_begin: bool) -> Result<Option<Cell>, StudyError> {
        let target = self.target(arm, seed, target)?;
        let probes = probes(self.data, arm.origin);
        let key = Key {
            study: "bias-transfer",
            version: env!("CARGO_PKG_VERSION"),
            numerics: self.numerics(),
            arm,
            epochs: epochs(self.options, arm),
            source: self.source_name(arm.origin, seed)?,
            target: &target.digest,
            probes: probes.iter().map(Probe::key).collect::<Result<_, _>>()?,
            seed: self.seed(seed),
        };
        let name = name_of(&key)?;
        let kept = self.cells.read::<Cell>(&name)?;
        if kept.is_some() || !may_begin {
            return Ok(kept);
        }
        self.say(&format!("{} on {}, seed {}", arm.in_words(), target.name, seed + 1));
        let network = self.network(arm.origin, seed)?;
        let table = self.training_table(arm, &target, seed)?;
        let model = self.adapted(arm, &network, &table, seed)?;
        let cell = self.answered(&model, &target, arm.origin)?;
        self.cells.write(&name, &cell)?;
        Ok(Some(cell))
    }

    /// Names of numbers that depend on the program's kernels.
    pub fn numerics(&self) -> String {
        format!("{NUMERICS} {:?}", self.options.extract.isa)
    }

    /// The seed of everything drawn for the sources and targets of one number.
    pub fn seed(&self, seed: usize) -> u64 {
        self.options.seed.wrapping_add(seed as u64)
    }

    /// The data that an arm is adapted to.
    pub fn target(&self, arm: &Arm, seed: usize, target: usize) -> Result<Set, StudyError> {
        match arm.origin {
            Origin::Planted { .. } | Origin::Nothing { stock: false } => Ok(self.data.targets[target].clone()),
            Origin::Chosen { .. } => self.chosen_target(),
            Origin::Cue { .. } => self.cue()?.target(self.seed(seed)),
            Origin::Stock | Origin::Nothing { stock: true } => self.natural_target(seed),
        }
    }

    fn answered(&self, model: &Predictor, target: &Set, origin: Origin) -> Result<Cell, StudyError> {
        let [_, test] = target.split();
        let table: &Table = &target.table;
        let preprocess = model.preprocess();
        let (images, skipped) = PreparedImages::read(table, &test, preprocess, MEMORY, self.watch.cancel)?;
        if let Some(one) = skipped.first() {
            let reason = format!("{}: {}", one.locator, one.reason);
            return Err(StudyError::Data { set: target.name.clone(), reason });
        }
        let labels = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        let all: Vec<usize> = (0..images.table_rows().len()).collect();
        let answers = |change: &(dyn Fn(usize, &mut [u8]) + Sync)| -> Result<Vec<usize>, StudyError> {
            let changed = ChangedImages { images: &images, change, shown: &|_| {} };
            let found = predicted_classes(model, &changed, &all, self.watch.cancel)?;
            Ok(found.into_iter().map(|(_, class)| class).collect())
        };
        let clean = answers(&|_, _| {})?;
        let mut changed = Vec::new();
        for probe in probes(self.data, origin) {
            if let Some(probe) = probe.prepare(preprocess.input_size, self.options.seed)? {
                changed.push(answers(&|image, pixels| probe.apply(image, pixels))?);
            }
        }
        let kinds = match origin {
            Origin::Cue { .. } => self.cue()?.kinds_in(table)?,
            _ => Vec::new(),
        };
        let of_image = |row: &usize| kinds.get(*row).copied().flatten();
        let kinds = images.table_rows().iter().filter_map(of_image).collect();
        Ok(Cell { labels, clean, changed, kinds })
    }
}
