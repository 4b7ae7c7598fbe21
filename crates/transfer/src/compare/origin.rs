//! What heads are fitted on: features of images by an entry's network, or those of a table.

use heirloom_data::FeatureTable;
use heirloom_zoo::Backbone;

use super::cost::{pass, prediction};
use super::entry::described;
use super::work::Work;
use super::{Adaptation, CompareError, Entry};
use crate::Features;
use crate::extract::{Extraction, Images, Network, Request};
use crate::fit::FitError;
use crate::heads::{Head, Method, Settings};
use crate::store::Store;

/// Images on which the speed of the network is measured.
const TIMED: usize = 32;

/// An entry and the images that pass through its network.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub entry: &'a Entry<'a>,
    pub images: &'a dyn Images,
    pub store: &'a Store,
}

impl Seen<'_> {
    fn extraction<'b>(&'b self, work: &'b Work<'_>, requests: &'b [Request]) -> Extraction<'b> {
        let mut extraction = Extraction::new(Network::from(self.entry.backbone), self.images, &work.rows, requests);
        extraction.options = work.options.extract.clone();
        (extraction.progress, extraction.cancel) = (work.watch.progress, work.watch.cancel);
        extraction
    }

    fn features(&self, work: &Work<'_>, methods: &[Method]) -> Result<Features, CompareError> {
        let requests = self.entry.requests(methods);
        let mut extraction = self.extraction(work, &requests);
        extraction.store = Some(self.store);
        let extracted = extraction.run().map_err(FitError::from)?;
        match work.rows.iter().find(|row| extracted.rows.binary_search(row).is_err()) {
            None => Ok(extracted.features),
            Some(row) => Err(CompareError::Changed {
                locator: work.table.rows.get(*row).map(|row| row.locator.to_string()).unwrap_or_default(),
                backbone: self.entry.backbone.name.clone(),
            }),
        }
    }

    /// Seconds that one image takes through the network when `requests` are read, images decoded included.
    fn seconds_per_image(&self, work: &Work<'_>, requests: &[Request]) -> Result<f64, CompareError> {
        let count = TIMED.min(work.rows.len());
        let sample: Vec<usize> = (0..count).map(|at| work.rows[at * work.rows.len() / count]).collect();
        let mut extraction = self.extraction(work, requests);
        (extraction.rows, extraction.progress) = (&sample, None);
        let summary = extraction.run().map_err(FitError::from)?.summary;
        Ok(if summary.images_per_second > 0.0 { 1.0 / summary.images_per_second } else { 0.0 })
    }
}

/// Heads on a table of features, with their settings.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub table: &'a FeatureTable,
    pub methods: &'a [Adaptation],
    pub settings: &'a Settings,
}

/// Where features come from, and what is fitted on them.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// Images through a network.
    Images(Seen<'a>),
    /// A table of them.
    Table(Given<'a>),
}

impl<'a> Origin<'a> {
    /// Ways to adapt, each once.
    pub fn methods(&self) -> &'a [Adaptation] {
        match self {
            Self::Images(seen) => &seen.entry.methods,
            Self::Table(given) => given.methods,
        }
    }

    /// How many of `draws` are taken.
    pub fn draws_of(&self, draws: usize) -> usize {
        match self {
            Self::Images(seen) => seen.entry.draws_of(draws),
            Self::Table(_) => draws,
        }
    }

    /// What the features are called along the way.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Images(seen) => &seen.entry.backbone.name,
            Self::Table(_) => "the table's features",
        }
    }

    /// The network.
    pub fn backbone(&self) -> Option<&'a Backbone> {
        match self {
            Self::Images(seen) => Some(seen.entry.backbone),
            Self::Table(_) => None,
        }
    }

    /// The settings of the heads. Pooling targets have no meaning for a table, whose blocks are read as they are.
    pub fn heads(&self) -> Settings {
        match self {
            Self::Images(seen) => seen.entry.heads(),
            Self::Table(given) => {
                let mut settings = given.settings.clone();
                settings.penultimate = given.table.principal().to_owned();
                (settings.head2toe.targets, settings.all.targets) = (vec![1], vec![1]);
                settings
            }
        }
    }

    /// The heads that a method is or chooses from; what chooses among layers needs two blocks of a table.
    pub fn heads_of(&self, method: Adaptation) -> Vec<Method> {
        match (self, method) {
            (Self::Table(given), Adaptation::Auto(_)) if given.table.blocks.len() < 2 => {
                method.heads().into_iter().filter(|head| !head.reads_all_taps()).collect()
            }
            _ => method.heads(),
        }
    }

    /// Settings of a method, as one string.
    pub fn described(&self, method: Adaptation) -> String {
        match (self, method) {
            (Self::Images(seen), _) => seen.entry.described(method),
            (Self::Table(_), _) => described(&self.heads(), &self.heads_of(method)),
        }
    }

    /// Digest of everything besides rows that decides their features.
    pub fn base(&self, work: &Work<'_>) -> String {
        match self {
            Self::Images(seen) => seen.extraction(work, &[]).base().digest(),
            // The digest over no row is that of the names and widths of the blocks.
            Self::Table(given) => format!("table {}", given.table.digest(&[])),
        }
    }

    /// The layers of a network that heads read.
    pub fn requests(&self, methods: &[Method]) -> Vec<Request> {
        match self {
            Self::Images(seen) => seen.entry.requests(methods),
            Self::Table(_) => Vec::new(),
        }
    }

    /// Names of the layers by depth; none without a network.
    pub fn taps(&self) -> &'a [String] {
        self.backbone().map_or(&[], |backbone| &backbone.taps)
    }

    /// Features of all used rows for `methods`.
    pub fn features(&self, work: &Work<'_>, methods: &[Method]) -> Result<Features, CompareError> {
        match self {
            Self::Images(seen) => seen.features(work, methods),
            Self::Table(given) => Ok(Features::of_table(given.table, &work.rows)),
        }
    }

    /// Operations and seconds of the network for one row when `requests` are read; none for a table.
    pub fn network(&self, work: &Work<'_>, requests: &[Request]) -> Result<(f64, f64), CompareError> {
        match self {
            Self::Images(seen) => Ok((pass(seen.entry.backbone, requests)?, seen.seconds_per_image(work, requests)?)),
            Self::Table(_) => Ok((0.0, 0.0)),
        }
    }

    /// Operations of one prediction by `head`.
    pub fn prediction(&self, head: &Head) -> Result<f64, CompareError> {
        match self {
            Self::Images(seen) => prediction(seen.entry.backbone, head),
            Self::Table(_) => Ok(head.operations() as f64),
        }
    }
}
