//! Objects that a stock network knows, laid over images of a target that has no such class (`spec/bias-transfer.md` section 8).

use heirloom_data::Split;
use heirloom_transfer::Pooling;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::fit::Share;
use heirloom_zoo::Backbone;

use super::chosen::taken;
use super::probe::overlay;
use super::record::Known;
use super::{Object, Set, Study, StudyError};
use crate::{ChangedImages, PreparedImages, balanced};

/// Training rows of a seed, and images that networks must know the objects on.
pub(super) const TRAIN: usize = 1000;
const SHOWN: usize = 100;
/// An object counts as known where its class is among this many.
const TOP: usize = 5;
/// Most memory that images may take, in bytes.
const MEMORY: u64 = 1 << 31;

impl Study<'_> {
    /// The target with another draw of training rows for every seed.
    pub fn natural_target(&self, seed: usize) -> Result<Set, StudyError> {
        let missing = || StudyError::Data { set: "natural target".to_owned(), reason: "none was given".to_owned() };
        let set = self.data.natural.as_ref().ok_or_else(missing)?;
        let [train, test] = set.split();
        let labels: Vec<usize> = train.iter().map(|row| set.table.rows[*row].label.unwrap_or(0)).collect();
        let drawn = balanced(&labels, TRAIN, self.seed(seed)).into_iter().map(|at| train[at]);
        let mut rows: Vec<usize> = drawn.chain(test).collect();
        rows.sort_unstable();
        Set::new(&set.name, &set.about, taken(&set.table, &rows))
    }
}

/// Whether networks with a classifier see each object where it is laid over images: the check without which nothing follows.
pub(super) fn known(study: &Study<'_>) -> Result<Vec<Known>, StudyError> {
    let Some(set) = &study.data.natural else { return Ok(Vec::new()) };
    let test = set.table.rows_in(Some(Split::Test));
    let labels: Vec<usize> = test.iter().map(|row| set.table.rows[*row].label.unwrap_or(0)).collect();
    let rows: Vec<usize> = balanced(&labels, SHOWN, study.options.seed).into_iter().map(|at| test[at]).collect();
    let mut known = Vec::new();
    for object in &study.data.objects {
        for judge in &study.networks.judges {
            known.push(judged(study, set, &rows, object, judge)?);
        }
    }
    Ok(known)
}

fn judged(
    study: &Study<'_>,
    set: &Set,
    rows: &[usize],
    object: &Object,
    judge: &Backbone,
) -> Result<Known, StudyError> {
    let intervention = overlay(&object.picture);
    let key =
        ("bias-transfer known", study.numerics(), &judge.weights_digest, &set.digest, rows, intervention.digest()?);
    let name = name_of(&key)?;
    if let Some(known) = study.cells.read::<Known>(&name)? {
        return Ok(known);
    }
    let (images, _) = PreparedImages::read(&set.table, rows, &judge.preprocess, MEMORY, study.watch.cancel)?;
    let stamp = intervention.prepare(judge.preprocess.input_size)?;
    let all: Vec<usize> = (0..images.table_rows().len()).collect();
    let among = |change: &(dyn Fn(usize, &mut [u8]) + Sync)| -> Result<Share, StudyError> {
        let changed = ChangedImages { images: &images, change, shown: &|_| {} };
        let logits = judge.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let requests = [(logits, Pooling::MEAN)];
        let mut extraction = Extraction::new(Network::from(judge), &changed, &all, &requests);
        (extraction.options, extraction.cancel) = (study.options.extract.clone(), study.watch.cancel);
        let extracted = extraction.run()?;
        let rows = extracted.features.blocks.iter().flat_map(|block| block.values.chunks(block.width.max(1)));
        let seen = rows.filter(|row| is_among(row, object.class)).count();
        Ok(Share::of(seen, all.len()))
    };
    let known = Known {
        object: object.name.clone(),
        network: judge.name.clone(),
        without: among(&|_, _| {})?,
        with: among(&|_, pixels| stamp.apply(pixels))?,
    };
    study.cells.write(&name, &known)?;
    Ok(known)
}

/// Whether a class is among the [`TOP`] largest values.
fn is_among(values: &[f32], class: usize) -> bool {
    let Some(own) = values.get(class) else { return false };
    values.iter().filter(|value| *value > own).count() < TOP
}
