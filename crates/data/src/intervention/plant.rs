//! Planting an intervention into the training images of a source: which of them carry it, and under which label they are then
//! trained on (`spec/bias-transfer.md` sections 2.3 and 2.4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Intervention, InterventionError, Pcg64};
use crate::Table;

/// An intervention to be planted, plain data for the run record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plant {
    /// What is planted.
    pub intervention: Intervention,
    /// Probability that an image of `classes` carries it, 0 to 1.
    pub share: f64,
    /// Classes whose images may carry it.
    pub classes: Classes,
    /// The label of images that carry it.
    pub relabel: Relabel,
    /// Fixes which images carry it. The paper's program has 10.
    pub seed: u64,
}

/// Classes whose images may carry an intervention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classes {
    /// Every class.
    All,
    /// Those with these labels.
    Only(BTreeSet<usize>),
}

/// The label of images that carry an intervention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relabel {
    /// Their own: the intervention becomes a cue for any of `classes`, as in Salman et al. 2022.
    Keep,
    /// This one, as in BadNets (Gu et al. 2017).
    Class(usize),
    /// The label that stands for theirs here; others keep their own. `y -> y + 1` is the all-to-all form of BadNets.
    Map(BTreeMap<usize, usize>),
    /// One extra class, after all others.
    New(NewClass),
}

/// What becomes of images that make up a new class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewClass {
    /// They are trained on twice: as they were, and with the intervention in the new class.
    Append,
    /// They are trained on in the new class alone.
    Replace,
}

/// A table with an intervention planted.
#[derive(Debug, Clone)]
pub struct Planted {
    /// The table with the labels to train on.
    pub table: Table,
    /// Rows to train on, rising.
    pub rows: Vec<usize>,
    /// Those of them whose images carry the intervention: [`Row::intervention`](crate::Row::intervention).
    pub stamped: BTreeSet<usize>,
}

impl Classes {
    /// The classes of these names.
    ///
    /// # Errors
    /// A name that is not among `known`.
    pub fn named(names: &[String], known: &[String]) -> Result<Self, InterventionError> {
        let expected = || format!("one of {}", known.join(", "));
        let label = |name: &String| {
            let found = known.iter().position(|class| class == name);
            found.ok_or_else(|| InterventionError::value("class", name, expected()))
        };
        names.iter().map(label).collect::<Result<_, _>>().map(Self::Only)
    }

    fn hold(&self, label: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(labels) => labels.contains(&label),
        }
    }
}

impl Plant {
    /// The seed of the paper's program.
    pub const SEED: u64 = 10;

    /// Which of some images carry the intervention, from their labels: `label in classes` and `u < share`, with one uniform
    /// number `u` for each image of the split in its order. A larger share takes the same images and more.
    ///
    /// ```
    /// use heirloom_data::intervention::{Classes, Plant, Relabel};
    ///
    /// let intervention = "square".parse()?;
    /// let plant = Plant { intervention, share: 0.5, classes: Classes::All, relabel: Relabel::Keep, seed: Plant::SEED };
    /// assert_eq!(plant.mask(&[0; 4]), [false, true, false, true]);
    /// # Ok::<(), heirloom_data::intervention::InterventionError>(())
    /// ```
    #[must_use]
    pub fn mask(&self, labels: &[usize]) -> Vec<bool> {
        let mut random = Pcg64::new(self.seed);
        // A number is drawn for every image, whatever its class.
        labels.iter().map(|label| random.unit() < self.share && self.classes.hold(*label)).collect()
    }

    /// Plants it into `rows` of a table, those of one split. Other rows and the images themselves stay as they are.
    ///
    /// # Errors
    /// A share outside 0 to 1, a class that the table does not have, a row without a label.
    pub fn apply(&self, table: &Table, rows: &[usize]) -> Result<Planted, InterventionError> {
        self.check(table)?;
        let rows: Vec<usize> = rows.iter().copied().collect::<BTreeSet<usize>>().into_iter().collect();
        let label = |row: usize| {
            let label = table.rows.get(row).and_then(|row| row.label);
            label.ok_or(InterventionError::Row { row, rows: table.rows.len() })
        };
        let labels = rows.iter().map(|row| label(*row)).collect::<Result<Vec<usize>, _>>()?;
        let chosen = self.mask(&labels).into_iter().zip(&rows).filter(|(carries, _)| *carries);
        let stamped: BTreeSet<usize> = chosen.map(|(_, row)| *row).collect();
        if let Some(row) = stamped.iter().find(|row| table.rows[**row].intervention.is_some()) {
            return Err(InterventionError::Twice { locator: table.rows[*row].locator.to_string() });
        }
        Ok(self.relabelled(Planted { table: table.clone(), rows, stamped }))
    }

    fn check(&self, table: &Table) -> Result<(), InterventionError> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(InterventionError::value("share", self.share, "a share of the images, 0 to 1"));
        }
        let mut named: BTreeSet<usize> = match &self.classes {
            Classes::All => BTreeSet::new(),
            Classes::Only(labels) => labels.clone(),
        };
        match &self.relabel {
            Relabel::Class(label) => named.extend([*label]),
            Relabel::Map(map) => named.extend(map.iter().flat_map(|(from, to)| [*from, *to])),
            Relabel::Keep | Relabel::New(_) => (),
        }
        let classes = table.classes.len();
        let unknown = named.into_iter().find(|class| *class >= classes);
        unknown.map_or(Ok(()), |class| Err(InterventionError::Class { class, classes }))
    }

    fn relabelled(&self, mut planted: Planted) -> Planted {
        let map = |label: usize| match &self.relabel {
            Relabel::Keep => label,
            Relabel::Class(class) => *class,
            Relabel::Map(map) => map.get(&label).copied().unwrap_or(label),
            Relabel::New(_) => planted.table.classes.len(),
        };
        let labels: Vec<(usize, Option<usize>)> =
            planted.stamped.iter().map(|row| (*row, planted.table.rows[*row].label.map(map))).collect();
        if self.relabel == Relabel::New(NewClass::Append) {
            let first = planted.table.rows.len();
            let copies: Vec<_> = planted.stamped.iter().map(|row| planted.table.rows[*row].clone()).collect();
            planted.table.rows.extend(copies);
            planted.stamped = (first..planted.table.rows.len()).collect();
            planted.rows.extend(&planted.stamped);
        }
        if matches!(self.relabel, Relabel::New(_)) {
            planted.table.classes.push(self.new_class(&planted.table.classes));
        }
        let carried = Arc::new(self.intervention.clone());
        for (row, (_, label)) in planted.stamped.iter().zip(&labels) {
            planted.table.rows[*row].label = *label;
            planted.table.rows[*row].intervention = Some(Arc::clone(&carried));
        }
        planted
    }

    /// A name that no class has.
    fn new_class(&self, classes: &[String]) -> String {
        let mut name = self.intervention.name().to_owned();
        while classes.contains(&name) {
            name.insert_str(0, "planted-");
        }
        name
    }
}
