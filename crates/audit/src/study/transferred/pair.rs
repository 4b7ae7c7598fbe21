//! Two networks beside each other: how far their weights lie apart, how alike their layers see the test images, and the line between them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heirloom_data::Split;
use heirloom_engine::Isa;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::{Network, Progress};
use heirloom_transfer::fit::trained::Movement;
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::line::Line;
use super::{Family, Run, Start, Study, StudyError};
use crate::diff::{
    PathInput, PathOptions, Side, SimilarityOptions, TapPair, compared, distance, similarity, walk, walked,
};
use crate::{AuditWatch, PreparedImages, balanced};

/// Layers that are compared, from the stem to the last features.
const LAYERS: [&str; 5] = ["act1", "layer1", "layer2", "layer3", "pre_logits"];
/// Images of a batch of the comparison: the unbiased measure needs no more.
const BATCH: usize = 64;
/// Bytes that values and Gram matrices may take.
const MEMORY: u64 = 1 << 30;
/// Points from one end of the line to the other, and how far it goes on beyond both.
const POINTS: usize = 11;
const BEYOND: f64 = 0.5;
/// Training images that batch-norm statistics are measured on.
const STATISTICS: usize = 512;

/// One of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partner {
    /// Another run.
    Run(Run),
    /// What the first run would have begun with, had it begun with the source.
    Source,
}

impl Partner {
    /// The run, where it is one.
    #[must_use]
    pub const fn run(&self) -> Option<Run> {
        match self {
            Self::Run(run) => Some(*run),
            Self::Source => None,
        }
    }
}

/// Everything that is measured of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    /// Of the second's weights from the first's.
    pub distance: Movement,
    /// Each layer of the first with the same layer of the second.
    pub similarity: Vec<TapPair>,
    /// Between two runs.
    pub line: Option<Line>,
}

impl Study<'_> {
    /// A pair, from the cache or measured.
    pub fn pair(&self, first: &Run, second: &Partner) -> Result<Pair, StudyError> {
        self.kept(&self.pair_name(first, second)?, || self.compare(first, second))
    }

    pub fn pair_name(&self, first: &Run, second: &Partner) -> Result<String, StudyError> {
        let other = match second {
            Partner::Run(run) => self.run_name(run)?,
            Partner::Source => self.start_name(&Run { start: Start::SOURCE, ..*first })?,
        };
        let settings = (LAYERS, BATCH, POINTS, BEYOND.to_string(), STATISTICS, self.options.seed);
        let version = env!("CARGO_PKG_VERSION");
        Ok(name_of(&("what-transfers pair", version, self.run_name(first)?, other, settings))?)
    }

    fn compare(&self, first: &Run, second: &Partner) -> Result<Pair, StudyError> {
        let target = self.target(first.target)?;
        let of = match second {
            Partner::Run(run) => run.in_words(&target.name),
            Partner::Source => "the source".to_owned(),
        };
        self.say(&format!("comparing {} with {of}", first.in_words(&target.name)));
        let left = self.network(first)?;
        let right = match second {
            Partner::Run(run) => self.network(run)?,
            Partner::Source => self.source(first.family, None)?,
        };
        let [_, test] = target.split();
        let (images, labels) = self.images(&target.table, &test, &left)?;
        let classifier = left.classifier_parameters();
        let apart = distance(&left.graph, &left.weights, &right.weights, &classifier);
        let distance = apart.map_err(|apart| self.unlike(first, apart.to_string()))?;
        let similarity = self.similar(&left, &right, &images)?;
        let line = match second {
            Partner::Run(_) => Some(self.line(first, [&left, &right], &images, &labels)?),
            Partner::Source => None,
        };
        Ok(Pair { distance, similarity, line })
    }

    fn unlike(&self, run: &Run, reason: String) -> StudyError {
        StudyError::Data { set: run.in_words(""), reason }
    }

    fn similar(&self, left: &Backbone, right: &Backbone, images: &PreparedImages) -> Result<Vec<TapPair>, StudyError> {
        let taps = LAYERS.map(str::to_owned);
        let side = |network| Side { network: Network::from(network), taps: &taps, images };
        let batch = BATCH.min(images.table_rows().len());
        let options = SimilarityOptions { batch, seed: self.options.seed, memory: MEMORY, isa: self.isa() };
        let total = compared(images.table_rows().len(), batch);
        let found = self.told(total, |watch| similarity(&side(left), &side(right), &options, watch))?;
        Ok(found.pairs.into_iter().filter(|pair| pair.first == pair.second).collect())
    }

    fn line(
        &self,
        run: &Run,
        ends: [&Backbone; 2],
        judged: &PreparedImages,
        labels: &[usize],
    ) -> Result<Line, StudyError> {
        let (train, _) = self.some_training_images(run, ends[0], STATISTICS)?;
        let [first, second] = ends.map(|end| self.model(end));
        let (first, second) = (first?, second?);
        let input = PathInput { first: &first, second: &second, judged, labels, train: &train };
        let extract = self.options.extract.clone();
        let options = PathOptions { points: POINTS, beyond: BEYOND, seed: self.options.seed, extract };
        let total = walked(labels.len(), &options, run.family == Family::BatchNorm);
        Ok(Line::of(&self.told(total, |watch| walk(&input, &options, watch))?))
    }

    /// Some training images of a run's target with the class of each, as many of each class as can be.
    pub fn some_training_images(
        &self,
        run: &Run,
        network: &Backbone,
        count: usize,
    ) -> Result<(PreparedImages, Vec<usize>), StudyError> {
        let table = &self.target(run.target)?.table;
        let train: Vec<usize> =
            (0..table.rows.len()).filter(|row| table.rows[*row].split != Some(Split::Test)).collect();
        let labels: Vec<usize> = train.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        let rows: Vec<usize> = balanced(&labels, count, self.options.seed).into_iter().map(|at| train[at]).collect();
        self.images(table, &rows, network)
    }

    pub fn isa(&self) -> Isa {
        self.options.extract.isa
    }

    /// Runs something that shows models `total` images at most, and tells how many of them it has shown.
    pub fn told<T>(&self, total: usize, run: impl FnOnce(AuditWatch<'_>) -> T) -> T {
        let (done, started) = (AtomicUsize::new(0), Instant::now());
        let shown = |more: usize| {
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            let images_per_second = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
            let state = Progress { done: done.min(total), total, from_store: 0, skipped: 0, images_per_second };
            self.watch.progress.iter().for_each(|progress| progress(&state));
        };
        run(AuditWatch { shown: Some(&shown), cancel: self.watch.cancel })
    }
}
