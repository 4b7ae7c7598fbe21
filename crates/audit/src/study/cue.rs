//! A cue that photographs carry as they are (`spec/bias-transfer.md` section 7): in the source all images of some classes are of one kind
//! (sketches, say) and all others of another, so that the kind tells the classes apart. The target's images are of neither; it is judged
//! on both.

use heirloom_data::Table;
use heirloom_transfer::fit::Share;
use heirloom_zoo::Backbone;

use super::chosen::taken;
use super::natural::TRAIN;
use super::own::OwnRecord;
use super::{Origin, Set, Study, StudyError};
use crate::balanced;

/// Images of several kinds, and which classes one of them shall give away.
#[derive(Debug, Clone)]
pub struct Cue {
    /// All images, with test rows.
    pub set: Set,
    /// The column that names the kind of each.
    pub column: String,
    /// In the lopsided source, the kind of the images of `classes`, and that of all others.
    pub kinds: [String; 2],
    /// The classes.
    pub classes: Vec<String>,
    /// What they are called together, and what all others are: the target's two classes.
    pub names: [String; 2],
}

impl Cue {
    /// The source's images: training rows, and all test rows of both kinds.
    pub(super) fn source(&self, lopsided: bool, seed: u64) -> Result<Set, StudyError> {
        let kinds = self.kinds()?;
        let [_, test] = self.set.split();
        let mut rows = self.source_rows(lopsided, seed)?;
        rows.extend(test.into_iter().filter(|row| kinds[*row].is_some()));
        rows.sort_unstable();
        self.set_of(&format!("{} by {}", self.set.name, self.column), taken(&self.set.table, &rows))
    }

    /// The source's training rows: of every class as many in the lopsided source as in its twin, half of whose are of either kind.
    pub(super) fn source_rows(&self, lopsided: bool, seed: u64) -> Result<Vec<usize>, StudyError> {
        let (kinds, table) = (self.kinds()?, &self.set.table);
        let [train, _] = self.set.split();
        let mut rows = Vec::new();
        for (label, class) in table.classes.iter().enumerate() {
            let of_kind = |kind: usize| -> Vec<usize> {
                let is_wanted = |row: &&usize| table.rows[**row].label == Some(label) && kinds[**row] == Some(kind);
                train.iter().filter(is_wanted).copied().collect()
            };
            let all = [of_kind(0), of_kind(1)];
            if all.iter().any(Vec::is_empty) {
                let [one, other] = &self.kinds;
                let reason = format!("class '{class}' lacks training images with {} '{one}' or '{other}'", self.column);
                return Err(StudyError::Data { set: self.set.name.clone(), reason });
            }
            let own = usize::from(!self.classes.contains(class));
            rows.extend(of_class(&all, own, lopsided, seed));
        }
        Ok(rows)
    }

    /// Some of the images, with a digest of what they are told apart by as well.
    fn set_of(&self, name: &str, table: Table) -> Result<Set, StudyError> {
        let kinds = self.kinds_in(&table)?;
        let mut set = Set::new(name, &self.set.about, table)?;
        let told_by = format!("{} {:?} {:?} {kinds:?}", set.digest, self.kinds, self.classes);
        set.digest = blake3::hash(told_by.as_bytes()).to_hex().to_string();
        Ok(set)
    }

    /// A draw of training rows of other kinds, and the test rows of both; two classes.
    pub(super) fn target(&self, seed: u64) -> Result<Set, StudyError> {
        let (kinds, table) = (self.kinds()?, &self.set.table);
        let together = |row: usize| self.is_together(table, row);
        let [train, test] = self.set.split();
        let others: Vec<usize> = train.into_iter().filter(|row| kinds[*row].is_none()).collect();
        let labels: Vec<usize> = others.iter().map(|row| together(*row)).collect();
        let mut rows: Vec<usize> = balanced(&labels, TRAIN, seed).into_iter().map(|at| others[at]).collect();
        rows.extend(test.into_iter().filter(|row| kinds[*row].is_some()));
        rows.sort_unstable();
        let mut two = taken(table, &rows);
        let [name, other] = &self.names;
        two.classes = vec![other.clone(), name.clone()];
        two.rows.iter_mut().zip(&rows).for_each(|(row, at)| row.label = Some(together(*at)));
        self.set_of(&self.target_name(), two)
    }

    /// The target's name.
    pub(super) fn target_name(&self) -> String {
        let [name, other] = &self.names;
        format!("{name} or {other}")
    }

    /// 1 for a row of the classes that stand together, else 0.
    fn is_together(&self, table: &Table, row: usize) -> usize {
        let class = table.rows[row].label.and_then(|label| table.classes.get(label));
        usize::from(class.is_some_and(|class| self.classes.contains(class)))
    }

    /// Which of the two kinds each row of a table with the same columns is of.
    pub(super) fn kinds_in(&self, table: &Table) -> Result<Vec<Option<usize>>, StudyError> {
        let column = table.attributes.iter().position(|name| *name == self.column);
        let missing = || StudyError::Data {
            set: self.set.name.clone(),
            reason: format!("there is no column '{}' among {}", self.column, table.attributes.join(", ")),
        };
        let column = column.ok_or_else(missing)?;
        let kind = |value: Option<&String>| self.kinds.iter().position(|kind| Some(kind) == value);
        Ok(table.rows.iter().map(|row| kind(row.attributes.get(column))).collect())
    }

    fn kinds(&self) -> Result<Vec<Option<usize>>, StudyError> {
        self.classes.iter().try_for_each(|class| self.set.class(class).map(|_| ()))?;
        self.kinds_in(&self.set.table)
    }
}

/// Rows of one class from those of either kind: of the kind `own` alone, or as many of both. The first kind is short by one where the
/// number is odd.
fn of_class(all: &[Vec<usize>; 2], own: usize, lopsided: bool, seed: u64) -> Vec<usize> {
    let least = all[0].len().min(all[1].len());
    let count = all[own].len().min(2 * least);
    let counts = match (lopsided, own) {
        (true, 0) => [count, 0],
        (true, _) => [0, count],
        (false, _) => [count / 2, count - count / 2],
    };
    let drawn = |(rows, count): (&Vec<usize>, usize)| -> Vec<usize> {
        balanced(&vec![0; rows.len()], count, seed).into_iter().map(|at| rows[at]).collect()
    };
    all.iter().zip(counts).flat_map(drawn).collect()
}

impl Study<'_> {
    pub(super) fn cue(&self) -> Result<&Cue, StudyError> {
        let missing = || StudyError::Data { set: "cue".to_owned(), reason: "none was given".to_owned() };
        self.data.cue.as_ref().ok_or_else(missing)
    }

    /// A source on its own test images of both kinds: of the classes that do not stand together, those answered with one that does, where
    /// they are of the kind of their own source images, and where they are of the other.
    pub(super) fn measured_cue(
        &self,
        network: &Backbone,
        set: &Set,
        origin: Origin,
        seed: usize,
    ) -> Result<OwnRecord, StudyError> {
        let cue = self.cue()?;
        let (images, labels) = self.own_images(network, &set.table)?;
        let answers = self.own_answers(network, &images, &|_, _| {})?;
        let kinds = cue.kinds_in(&set.table)?;
        let together: Vec<usize> = cue.classes.iter().map(|class| set.class(class)).collect::<Result<_, _>>()?;
        let drawn = |kind: usize| {
            let is_of_kind = |at: &usize| kinds[images.table_rows()[*at]] == Some(kind);
            let others: Vec<usize> =
                (0..labels.len()).filter(|at| is_of_kind(at) && !together.contains(&labels[*at])).collect();
            Share::of(others.iter().filter(|at| together.contains(&answers[**at])).count(), others.len())
        };
        let right = labels.iter().zip(&answers).filter(|(label, answer)| label == answer).count();
        Ok(OwnRecord { origin, seed, accuracy: Share::of(right, labels.len()), drawn: [drawn(1), drawn(0)] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lopsided source and its twin have as many images of a class; of the twin's, half are of either kind.
    #[test]
    fn the_twin_has_as_many_images_of_both_kinds() {
        let all = [(0..50).collect::<Vec<usize>>(), (100..121).collect()];
        for (own, count) in [(0, 42), (1, 21)] {
            let (lopsided, twin) = (of_class(&all, own, true, 3), of_class(&all, own, false, 3));
            assert_eq!((lopsided.len(), twin.len()), (count, count));
            assert!(lopsided.iter().all(|row| all[own].contains(row)));
            let first = twin.iter().filter(|row| **row < 100).count();
            assert_eq!(first, count / 2);
            assert_ne!(of_class(&all, 0, true, 4), of_class(&all, 0, true, 3), "seeds draw other rows");
            let rows: std::collections::BTreeSet<usize> = twin.iter().copied().collect();
            assert_eq!(rows.len(), count, "no row twice");
        }
    }
}
