//! Claims about modules: what putting them back costs, and how critical they are.

use super::{Claimed, Claims, Judge, Rule};
use crate::study::transferred::record::{Topic, TransferredClaim};
use crate::study::transferred::rewound::{Module, Rewound};
use crate::study::transferred::{Run, Start};

/// Points of accuracy that a drop is one from on, and for the stem of RI-T.
const DROP: f64 = 2.0;
const STEM: f64 = 5.0;
/// Points by which drops of some modules have to exceed those of others.
const MORE: f64 = 1.0;
/// Powers of ten by which criticality has to differ.
const DECADES: f64 = 0.5;
/// Points beyond half of all pairs of modules.
const PAIRS: f64 = 10.0;
/// Criticality below this counts as this: 0 has no logarithm.
const LEAST: f64 = 1e-3;

/// The group that modules are resampled as, apart from those of replicas.
const MODULES: usize = 1 << 16;

/// Names of the first convolution and of the output layer.
const STEM_NAME: &str = "conv1";
const HEAD: &str = "head";

/// Which modules a claim is about.
type Wanted<'a> = &'a (dyn Fn(&Module) -> bool + Sync);

fn is_block(module: &Module) -> bool {
    module.name.starts_with("layer")
}

fn is_first_block(module: &Module) -> bool {
    is_block(module) && module.name.ends_with(".0")
}

impl Judge<'_> {
    pub(super) fn modules(&self) -> Claims {
        let of = |module: &str| {
            let module = module.to_owned();
            move |one: &Module| one.name == module
        };
        let stage = |stage: &'static str| move |one: &Module| one.name.starts_with(stage);
        vec![
            self.dropped(
                "putting a module back to where training began costs RI-T more than P-T, mean over modules",
                DROP,
                [(Start::RANDOM, &|_: &Module| true), (Start::SOURCE, &|_: &Module| true)],
            ),
            self.dropped(
                "for P-T it costs more in the last blocks than in the first",
                MORE,
                [(Start::SOURCE, &stage("layer3")), (Start::SOURCE, &stage("layer1"))],
            ),
            self.dropped_alone("the output layer of P-T is critical", DROP, Start::SOURCE, &of(HEAD)),
            self.dropped_alone("the first convolution of RI-T is critical", STEM, Start::RANDOM, &of(STEM_NAME)),
            self.dropped(
                "for RI-T it costs more in the first block of each stage than in the others",
                MORE,
                [
                    (Start::RANDOM, &is_first_block),
                    (Start::RANDOM, &|one: &Module| is_block(one) && !is_first_block(one)),
                ],
            ),
        ]
    }

    /// A claim about the drops of some modules less those of others.
    fn dropped(&self, claim: &str, smallest: f64, [more, less]: [(Start, Wanted<'_>); 2]) -> Option<TransferredClaim> {
        let claimed = Claimed::new(Topic::Modules, claim, "points", Rule::AtLeast(smallest));
        self.over_targets(claimed, |draw, target| {
            let drop =
                |(start, wanted): (Start, Wanted<'_>)| self.view.drop(draw, (self.family, target, start), wanted);
            Some(100.0 * (drop(more)? - drop(less)?))
        })
    }

    fn dropped_alone(&self, claim: &str, smallest: f64, start: Start, wanted: Wanted<'_>) -> Option<TransferredClaim> {
        let claimed = Claimed::new(Topic::Modules, claim, "points", Rule::AtLeast(smallest));
        self.over_targets(claimed, |draw, target| {
            Some(100.0 * self.view.drop(draw, (self.family, target, start), wanted)?)
        })
    }

    /// One network of each start was measured.
    pub(super) fn criticality(&self) -> Claims {
        let of = |start| self.view.found.critical.get(&Run::new(self.family, start, 0, 0));
        let (Some(source), Some(random)) = (of(Start::SOURCE), of(Start::RANDOM)) else { return Vec::new() };
        vec![self.decades(source, random), self.rising(source), self.first(random), self.shaken(source, random)]
    }

    /// Criticality of modules: the modules are what is resampled.
    fn decades(&self, source: &Rewound, random: &Rewound) -> Option<TransferredClaim> {
        // A module without a measure is more critical than any that has one.
        let decades = |module: &Module| {
            module.criticality.map(|found| found.value.map_or(f64::INFINITY, |value| value.max(LEAST).log10()))
        };
        let pairs: Vec<f64> = source
            .modules
            .iter()
            .zip(&random.modules)
            .filter_map(|(source, random)| Some(decades(random)? - decades(source)?))
            .filter(|difference| !difference.is_nan())
            .collect();
        if pairs.is_empty() || pairs.iter().any(|difference| difference.is_infinite()) {
            return None;
        }
        let claim = "modules of RI-T are more critical than those of P-T, in powers of ten; one network of each, modules resampled";
        let claimed = Claimed::new(Topic::Criticality, claim, "powers of ten", Rule::AtLeast(DECADES));
        self.judged(claimed, "on the first target", |draw| {
            let weights = draw.replicas(MODULES, pairs.len());
            let all: f64 = weights.iter().sum();
            Some(pairs.iter().zip(&weights).map(|(pair, weight)| pair * weight).sum::<f64>() / all)
        })
    }

    /// Whether criticality rises from the input to the output.
    fn rising(&self, source: &Rewound) -> Option<TransferredClaim> {
        let claim = "criticality of P-T rises towards the top: share of pairs of modules of which the higher one is more critical, beyond half; one network, modules resampled";
        let claimed = Claimed::new(Topic::Criticality, claim, "points", Rule::AtLeast(PAIRS));
        let modules: Vec<(f64, f64)> =
            source.modules.iter().enumerate().filter_map(|(depth, one)| Some((depth as f64, critical(one)?))).collect();
        self.more_often(claimed, &modules)
    }

    /// Whether the first convolution and first blocks are more critical than other blocks.
    fn first(&self, random: &Rewound) -> Option<TransferredClaim> {
        let claim = "the first convolution and the first block of each stage of RI-T are more critical than other blocks: share of pairs, beyond half; one network, modules resampled";
        let claimed = Claimed::new(Topic::Criticality, claim, "points", Rule::AtLeast(PAIRS));
        let first = |one: &Module| is_first_block(one) || one.name == STEM_NAME;
        let wanted = random.modules.iter().filter(|one| first(one) || is_block(one));
        let modules: Vec<(f64, f64)> =
            wanted.filter_map(|one| Some((f64::from(u8::from(first(one))), critical(one)?))).collect();
        self.more_often(claimed, &modules)
    }

    /// Share of the pairs of modules of unlike rank of which the higher one is more critical, beyond half, in points; equals count half.
    fn more_often(&self, claimed: Claimed, modules: &[(f64, f64)]) -> Option<TransferredClaim> {
        self.judged(claimed, "on the first target", |draw| {
            let weights = draw.replicas(MODULES, modules.len());
            let (mut more, mut all) = (0.0, 0.0);
            for ((rank, critical), weight) in modules.iter().zip(&weights) {
                for ((_, least), counts) in modules.iter().zip(&weights).filter(|((other, _), _)| other < rank) {
                    let share = if critical > least {
                        1.0
                    } else if critical == least {
                        0.5
                    } else {
                        0.0
                    };
                    more += weight * counts * share;
                    all += weight * counts;
                }
            }
            // Modules drawn that are all of one rank tell nothing.
            Some(if all > 0.0 { 100.0 * (more / all - 0.5) } else { 0.0 })
        })
    }

    /// What noise on a module can add, chosen on half of the images and taken on the others.
    fn shaken(&self, source: &Rewound, random: &Rewound) -> Option<TransferredClaim> {
        let claim = "noise on a module can improve RI-T more than P-T; module and noise chosen on half of the training images, judged on the others";
        let claimed = Claimed::new(Topic::Criticality, claim, "points", Rule::AtLeast(MORE));
        self.judged(claimed, "on the first target", |_| Some(100.0 * (gain(random)? - gain(source)?)))
    }
}

/// Criticality, where it was measured; a module without a measure is more critical than any that has one.
fn critical(module: &Module) -> Option<f64> {
    module.criticality.map(|found| found.value.unwrap_or(f64::INFINITY))
}

/// Accuracy that noise on one of the trained modules adds.
fn gain(network: &Rewound) -> Option<f64> {
    let trained = network.modules.iter().flat_map(|module| &module.valley).filter(|point| point.share == 1.0);
    let still = trained.clone().find(|point| point.sigma == 0.0)?;
    let best =
        trained.filter(|point| point.sigma > 0.0).max_by(|left, right| left.halves[0].total_cmp(&right.halves[0]))?;
    Some(best.halves[1] - still.halves[1])
}
