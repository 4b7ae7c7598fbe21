//! Which modules of a trained network matter: each put back to where training began, or drawn anew, with all others as they are (Zhang, Bengio,
//! Singer, JMLR 2022, arXiv 1902.01996; `spec/what-is-transferred.md` section 9), and how critical each is.
//!
//! ```text
//! trained model, module m <- start   --> judged images -> accuracy -> drop
//! trained model, module m <- random  --> the same
//! trained model, module m <- (1 - a) start + a trained + noise --> training images -> error -> criticality
//! ```
//!
//! Batch-norm statistics are measured anew on training images after every change: those of the trained network fit no other weights.

use std::collections::BTreeSet;

use heirloom_engine::{Isa, Op};
use heirloom_transfer::artifact::{Artifact, Part};
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::Share;
use heirloom_zoo::{Initialization, initialize, parameter_groups};
use serde::{Deserialize, Serialize};

use super::path::{Answered, Statistics, answer, share_right, statistics};
use super::way::{ValleyPoint, measure};
use super::{Criticality, DiffError};
use crate::{AuditWatch, Difference, Level, PreparedImages, paired_difference};

/// What modules are put back in, and what that is judged on.
#[derive(Clone, Copy)]
pub struct RewindInput<'a> {
    /// Where training began.
    pub start: &'a Artifact,
    /// Where it ended.
    pub trained: &'a Artifact,
    /// What it was in between, from the first checkpoint to the last: criticality follows them; the straight line where there are none.
    pub along: &'a [Artifact],
    /// Images to judge on, with the class of each.
    pub judged: (&'a PreparedImages, &'a [usize]),
    /// Training images, with the class of each: statistics and criticality are measured on them.
    pub train: (&'a PreparedImages, &'a [usize]),
}

/// How.
#[derive(Debug, Clone)]
pub struct RewindOptions {
    /// Whether to measure criticality, and how.
    pub criticality: Option<CriticalityOptions>,
    /// Only this one of the modules, by its place among [`parts`]; all where `None`. Its figures are those it has among all.
    pub only: Option<usize>,
    /// Fixes random values and noise.
    pub seed: u64,
    /// How networks are run.
    pub extract: ExtractOptions,
}

/// How criticality is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CriticalityOptions {
    /// Steps from the start to the end.
    pub steps: usize,
    /// Draws of the noise at every point.
    pub draws: usize,
    /// Whether to measure the valley that each module lies in, too.
    pub valley: bool,
}

/// A module put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewoundModule {
    /// Its name; the head is `head`.
    pub module: String,
    /// Its parameters, single numbers.
    pub parameters: usize,
    /// How far training moved it.
    pub distance: f64,
    /// Accuracy with it put back; none where the network then computes no numbers.
    pub rewound: Option<Share>,
    /// Which images are then answered right, each 1 or 0.
    #[serde(skip)]
    pub right: Option<Vec<f64>>,
    /// What that costs.
    pub drop: Option<Difference>,
    /// Accuracy with it drawn anew; none for the head.
    pub random: Option<Share>,
    /// What that costs.
    pub random_drop: Option<Difference>,
    /// How critical it is, where that was asked for.
    pub criticality: Option<Criticality>,
    /// Accuracy over the way and the noise, where that was asked for.
    pub valley: Vec<ValleyPoint>,
}

/// All modules put back, one at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rewind {
    /// Images judged.
    pub images: usize,
    /// Which of them the trained model answers right; none where it computes no numbers.
    #[serde(skip)]
    pub right: Option<Vec<f64>>,
    /// Training images that batch-norm statistics were measured on; none where the network has no batch norms.
    pub statistics_images: Option<usize>,
    /// Accuracy of the trained model, statistics measured anew where there are any.
    pub trained: Option<Share>,
    /// Accuracy with everything put back.
    pub start: Option<Share>,
    /// By module, from the input to the output.
    pub modules: Vec<RewoundModule>,
    /// Most error that criticality allows, on training images; none where it was not asked for.
    pub limit: Option<f64>,
    /// Criticality of the network: the sum over its modules; none where one has none.
    pub criticality: Option<f64>,
}

impl Rewind {
    /// Nats that all modules add to the complexity of the network ([`Criticality::complexity`]), those without a measure left out.
    #[must_use]
    pub fn complexity(&self) -> f64 {
        let of = |module: &RewoundModule| module.criticality.as_ref()?.complexity(module.parameters);
        self.modules.iter().filter_map(of).sum()
    }

    /// This with the modules of another part of the same measurement behind its own.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        let known = |sum: &Self| sum.limit.is_none() || sum.criticality.is_some();
        self.criticality = if known(&self) && known(&other) {
            self.criticality.zip(other.criticality).map(|(own, other)| own + other)
        } else {
            None
        };
        self.modules.extend(other.modules);
        self
    }
}

/// What judges changed models.
pub(super) struct Judge<'a> {
    judged: (&'a PreparedImages, &'a [usize]),
    statistics: Option<Statistics<'a>>,
    extract: &'a ExtractOptions,
    watch: AuditWatch<'a>,
}

impl Judge<'_> {
    /// 1 for every image that is answered right, else 0.
    pub fn right(&mut self, mut model: Artifact) -> Result<Option<Vec<f64>>, DiffError> {
        self.watch.check()?;
        if let Some(statistics) = &mut self.statistics
            && let Some(weights) = model.network.as_mut().and_then(|network| network.weights.as_mut())
        {
            statistics.measure(weights)?;
        }
        let answered = answer(model, self.judged, self.extract, self.watch)?;
        Ok(answered.map(|Answered { right, .. }| right))
    }
}

/// The modules of a trained model and the parameters of each, from the input to the head: blocks, and layers outside of blocks. Running
/// statistics are no parameters, and a classifier that the head does not read belongs to no module. The head is one where that of the start
/// is a linear map of the same columns.
///
/// # Errors
/// A slim artifact.
pub fn parts(start: &Artifact, trained: &Artifact) -> Result<Vec<(String, Part)>, DiffError> {
    let backbone = trained.backbone()?;
    let graph = &backbone.graph;
    let running = graph.nodes.iter().flat_map(|node| match &node.op {
        Op::BatchNorm { running_mean, running_variance, .. } => vec![running_mean.clone(), running_variance.clone()],
        _ => Vec::new(),
    });
    let unread: BTreeSet<String> = running.chain(backbone.classifier_parameters()).collect();
    let modules = parameter_groups(graph).into_iter().map(|group| {
        let keys = group.parameters.into_iter().filter(|key| !unread.contains(key)).collect();
        (group.name, Part { keys, head: false })
    });
    let head = ("head".to_owned(), Part { keys: Vec::new(), head: true });
    let fits = trained.moved(start, &head.1, 1.0).is_ok();
    Ok(modules.filter(|(_, part)| !part.keys.is_empty()).chain(fits.then_some(head)).collect())
}

/// Puts every module back, one at a time.
///
/// # Errors
/// Models of other parameters, a network that cannot be run, or the flag to stop.
pub fn rewind(input: &RewindInput<'_>, options: &RewindOptions, watch: AuditWatch<'_>) -> Result<Rewind, DiffError> {
    let (extract, isa) = (&options.extract, options.extract.isa);
    let mut judge = judge_on(input, input.judged, extract, watch, isa)?;
    let statistics_images = judge.statistics.as_ref().map(Statistics::images);
    let parts = parts(input.start, input.trained)?;
    let random = random(input.trained, options.seed)?;
    let trained = judge.right(input.trained.clone())?;
    let mut modules = Vec::new();
    let wanted = |place: &usize| options.only.is_none_or(|only| only == *place);
    let chosen: Vec<usize> = (0..parts.len()).filter(wanted).collect();
    for (module, part) in chosen.iter().filter_map(|place| parts.get(*place)) {
        let rewound = judge.right(input.trained.moved(input.start, part, 1.0)?)?;
        let anew = match &random {
            Some(random) if !part.head => judge.right(input.trained.moved(random, part, 1.0)?)?,
            _ => None,
        };
        let values = [input.start.values_of(part)?, input.trained.values_of(part)?];
        modules.push(RewoundModule {
            module: module.clone(),
            parameters: values[0].len(),
            distance: distance(&values),
            drop: drop_of(&trained, &rewound, options.seed),
            rewound: rewound.as_deref().map(share_right),
            right: rewound,
            random_drop: drop_of(&trained, &anew, options.seed),
            random: anew.as_deref().map(share_right),
            criticality: None,
            valley: Vec::new(),
        });
    }
    let start = judge.right(input.trained.moved(input.start, &whole(&parts), 1.0)?)?;
    let mut found = Rewind {
        images: input.judged.1.len(),
        statistics_images,
        trained: trained.as_deref().map(share_right),
        right: trained,
        start: start.as_deref().map(share_right),
        modules,
        limit: None,
        criticality: None,
    };
    if let Some(settings) = options.criticality {
        let mut on_training = judge_on(input, input.train, extract, watch, isa)?;
        measure(input, &parts, &chosen, &mut found, settings, options.seed, &mut on_training)?;
    }
    Ok(found)
}

fn judge_on<'a>(
    input: &RewindInput<'a>,
    judged: (&'a PreparedImages, &'a [usize]),
    extract: &'a ExtractOptions,
    watch: AuditWatch<'a>,
    isa: Isa,
) -> Result<Judge<'a>, DiffError> {
    Ok(Judge { judged, statistics: statistics(input.trained, input.train.0, isa)?, extract, watch })
}

/// The same model with every parameter of the network drawn anew; none for a network that is no published architecture.
fn random(model: &Artifact, seed: u64) -> Result<Option<Artifact>, DiffError> {
    let backbone = model.backbone()?;
    let Ok(weights) = initialize(&backbone.architecture, &backbone.graph, &Initialization::usual(seed)) else {
        return Ok(None);
    };
    let mut random = model.clone();
    if let Some(network) = &mut random.network {
        network.weights = Some(weights);
    }
    Ok(Some(random))
}

/// All parts together.
pub(super) fn whole(parts: &[(String, Part)]) -> Part {
    let keys = parts.iter().flat_map(|(_, part)| part.keys.iter().cloned()).collect();
    Part { keys, head: parts.iter().any(|(_, part)| part.head) }
}

/// Euclidean distance of two lists of weights.
pub(super) fn distance([start, trained]: &[Vec<f32>; 2]) -> f64 {
    let square = |(from, to): (&f32, &f32)| (f64::from(*to) - f64::from(*from)).powi(2);
    start.iter().zip(trained).map(square).sum::<f64>().sqrt()
}

fn drop_of(before: &Option<Vec<f64>>, after: &Option<Vec<f64>>, seed: u64) -> Option<Difference> {
    let (before, after) = (before.as_ref()?, after.as_ref()?);
    let lost: Vec<f64> = before.iter().zip(after).map(|(before, after)| before - after).collect();
    paired_difference(&lost, Level::of(1), seed)
}

#[cfg(test)]
mod tests;
