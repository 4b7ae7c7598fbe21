//! The modules of a run put back to where it began, and how critical each is.

use heirloom_transfer::compare::name_of;
use serde::{Deserialize, Serialize};

use super::line::letters;
use super::{Run, Study, StudyError};
use crate::diff::{
    BORDER, Criticality, CriticalityOptions, RewindInput, RewindOptions, ValleyPoint, most_looks, most_of_valley,
    parts, rewind,
};

/// Steps in which criticality goes from the start to the end.
const STEPS: usize = 10;
/// Training images that batch-norm statistics are measured on where criticality is not asked for.
const STATISTICS: usize = 512;

/// Added to the seed of values that are drawn anew, and of noise.
const ANEW: u64 = 1 << 32;

/// The modules of a run put back, one at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewound {
    /// A letter for each test image: `+` where the run answers it right, `-` else.
    pub right: String,
    /// From the input to the output layer.
    pub modules: Vec<Module>,
    /// Most error that criticality allows, on training images.
    pub limit: Option<f64>,
    /// Criticality of the network; none where it was not measured, or a module has none.
    pub criticality: Option<f64>,
}

/// A module put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    /// Its name; the output layer is `head`.
    pub name: String,
    /// How far training moved it.
    pub distance: f64,
    /// As [`Rewound::right`], with the module where it began; `None` where the network then computes no numbers.
    pub rewound: Option<String>,
    /// Drop of accuracy with the module drawn anew.
    pub random_drop: Option<f64>,
    /// How critical it is.
    pub criticality: Option<Criticality>,
    /// Accuracy on training images over the way and the noise, where criticality was measured.
    pub valley: Vec<ValleyPoint>,
}

impl Study<'_> {
    /// A run's modules put back, from the cache or measured; with criticality where that is asked for.
    pub fn rewound(&self, run: &Run, critical: bool) -> Result<Rewound, StudyError> {
        self.kept(&self.rewound_name(run, critical)?, || self.put_back(run, critical))
    }

    pub fn rewound_name(&self, run: &Run, critical: bool) -> Result<String, StudyError> {
        let [draws, images] = self.options.criticality;
        let settings = critical.then_some((STEPS, draws, BORDER, images));
        let version = env!("CARGO_PKG_VERSION");
        let key = ("what-transfers rewound 2", version, self.run_name(run)?, settings, STATISTICS, self.options.seed);
        Ok(name_of(&key)?)
    }

    fn put_back(&self, run: &Run, critical: bool) -> Result<Rewound, StudyError> {
        let target = self.target(run.target)?;
        let measure = if critical { ", measuring how critical each is" } else { "" };
        self.say(&format!("putting back modules of {}{measure}", run.in_words(&target.name)));
        let trained = self.network(run)?;
        let [draws, images] = self.options.criticality;
        let [_, test] = target.split();
        let (judged, labels) = self.images(&target.table, &test, &trained)?;
        let count = if critical { images } else { STATISTICS };
        let (train, train_labels) = self.some_training_images(run, &trained, count)?;
        let (start, trained) = (self.model(&self.start(run)?)?, self.model(&trained)?);
        let input = RewindInput {
            start: &start,
            trained: &trained,
            along: &[],
            judged: (&judged, &labels),
            train: (&train, &train_labels),
        };
        let criticality = critical.then_some(CriticalityOptions { steps: STEPS, draws, valley: true });
        // Values drawn anew are no replica's first ones.
        let seed = self.options.seed.wrapping_add(ANEW);
        let options = RewindOptions { criticality, only: None, seed, extract: self.options.extract.clone() };
        let modules = parts(&start, &trained)?.len();
        let looks = if critical { modules * (most_looks(STEPS) * draws + most_of_valley()) } else { 0 };
        let total = (2 * modules + 2) * labels.len() + looks * train_labels.len();
        let found = self.told(total, |watch| rewind(&input, &options, watch))?;
        let modules = found.modules.into_iter().map(|module| Module {
            name: module.module,
            distance: module.distance,
            rewound: module.right.as_deref().map(letters),
            random_drop: module.random_drop.map(|drop| drop.value),
            criticality: module.criticality,
            valley: module.valley,
        });
        Ok(Rewound {
            right: letters(&found.right.unwrap_or_default()),
            modules: modules.collect(),
            limit: found.limit,
            criticality: found.criticality,
        })
    }
}
