//! Claims about two networks beside each other: mistakes, similarity, distance, the line between them.

use super::{Claimed, Claims, Judge, Rule};
use crate::study::transferred::draws::Draw;
use crate::study::transferred::measures::{accuracy, clarity};
use crate::study::transferred::record::{Topic, TransferredClaim};
use crate::study::transferred::view::Kind;
use crate::study::transferred::{Start, Training};

/// Smallest differences of interest: points of uncommon mistakes, consistency, uncertainty, alignment, per cent of a distance.
const UNCOMMON: f64 = 2.0;
const CONSISTENCY: f64 = 0.05;
const UNCERTAINTY: f64 = 0.02;
const ALIGNMENT: f64 = 0.05;
const DISTANCE: f64 = 25.0;
/// Points of a barrier that is one, and of a dent that is none unless replicas differ by more.
const BARRIER: f64 = 5.0;
const DENT: f64 = 1.0;
/// Spreads of replicas that a dent may have.
const SPREADS: f64 = 3.0;

impl Judge<'_> {
    pub(super) fn mistakes(&self) -> Claims {
        let uncommon = |draw: Draw<'_>, target: usize, kind| {
            let of = |run: &_, partner: &_, _: &_| Some(self.view.apart(draw, run, partner)?.uncommon);
            self.view.over_pairs(draw, (self.family, target, kind), of)
        };
        let consistency = |draw: Draw<'_>, target: usize, kind| {
            let of = |run: &_, partner: &_, _: &_| self.view.apart(draw, run, partner)?.consistency;
            self.view.over_pairs(draw, (self.family, target, kind), of)
        };
        let claim = "two P-T make fewer uncommon mistakes than two RI-T";
        let fewer = Claimed::new(Topic::Mistakes, claim, "points", Rule::AtLeast(UNCOMMON));
        let claim = "two P-T agree more on what is hard than two RI-T, beyond what their accuracies make of it";
        let alike = Claimed::new(Topic::Mistakes, claim, "kappa", Rule::AtLeast(CONSISTENCY));
        vec![
            self.over_targets(fewer, |draw, target| {
                let [random, source] =
                    [Kind::RandomRandom, Kind::SourceSource].map(|kind| uncommon(draw, target, kind));
                Some(100.0 * (random? - source?))
            }),
            self.over_targets(alike, |draw, target| {
                let of = |kind| consistency(draw, target, kind);
                Some(of(Kind::SourceSource)? - of(Kind::RandomRandom)?)
            }),
            self.ambiguous(),
        ]
    }

    /// What P-T alone has wrong is less clear than what RI-T alone has wrong.
    fn ambiguous(&self) -> Option<TransferredClaim> {
        let claim = "images that P-T alone has wrong are less clear, to a model that saw neither, than those RI-T alone has wrong";
        let claimed = Claimed::new(Topic::Mistakes, claim, "of the largest entropy", Rule::AtLeast(UNCERTAINTY));
        self.over_targets(claimed, |draw, target| {
            let uncertainty = self.view.found.clear.get(&target)?;
            self.view.over_pairs(draw, (self.family, target, Kind::SourceRandom), |run, partner, _| {
                let (first, second) = (self.view.wrong(run), self.view.wrong(&partner.run()?));
                let [first, second] = clarity(uncertainty, first, second, draw.images(target));
                Some(first? - second?)
            })
        })
    }

    pub(super) fn similarity(&self) -> Claims {
        let layer = |draw: Draw<'_>, target: usize, kind, layer: &str| {
            let of = |_: &_, _: &_, pair: &crate::study::transferred::pair::Pair| {
                pair.similarity.iter().find(|tap| tap.first == layer)?.unbiased
            };
            self.view.over_pairs(draw, (self.family, target, kind), of)
        };
        let claimed = |claim: &str| Claimed::new(Topic::Similarity, claim, "of alignment", Rule::AtLeast(ALIGNMENT));
        let beyond = |claim: &str, other: Kind| {
            self.over_targets(claimed(claim), |draw, target| {
                let last = |kind| layer(draw, target, kind, "layer3");
                Some(last(Kind::SourceSource)? - last(other)?)
            })
        };
        vec![
            beyond("the last blocks of two P-T see images more alike than those of two RI-T", Kind::RandomRandom),
            beyond("the last blocks of two P-T see images more alike than those of P-T and RI-T", Kind::SourceRandom),
            self.over_targets(
                claimed("two P-T are more alike in their first blocks than in their last"),
                |draw, target| {
                    let of = |name: &str| layer(draw, target, Kind::SourceSource, name);
                    Some(of("layer1")? - of("layer3")?)
                },
            ),
        ]
    }

    pub(super) fn distance(&self) -> Claims {
        let apart = |draw: Draw<'_>, target: usize, kind| {
            let of = |_: &_, _: &_, pair: &crate::study::transferred::pair::Pair| Some(pair.distance.all.change);
            self.view.over_pairs(draw, (self.family, target, kind), of)
        };
        let farther = |claim: &str, far: Kind, near: Kind| {
            let claimed = Claimed::new(Topic::Distance, claim, "%", Rule::AtLeast(DISTANCE));
            self.over_targets(claimed, |draw, target| {
                let (far, near) = (apart(draw, target, far)?, apart(draw, target, near)?);
                (near > 0.0).then(|| 100.0 * (far - near) / near)
            })
        };
        vec![
            farther("two RI-T lie farther apart than two P-T", Kind::RandomRandom, Kind::SourceSource),
            farther("RI-T lie farther from the source than P-T", Kind::RandomOrigin, Kind::SourceOrigin),
            self.upwards(),
        ]
    }

    /// Weights of two P-T lie farther apart in higher blocks.
    fn upwards(&self) -> Option<TransferredClaim> {
        let claim = "two P-T lie farther apart in their last blocks than in their first";
        let claimed = Claimed::new(Topic::Distance, claim, "%", Rule::AtLeast(DISTANCE));
        self.over_targets(claimed, |draw, target| {
            let of = |prefix: &'static str| {
                self.view.over_pairs(draw, (self.family, target, Kind::SourceSource), move |_, _, pair| {
                    let modules = pair.distance.modules.iter().filter(|module| module.module.starts_with(prefix));
                    Some(modules.map(|module| module.change.powi(2)).sum::<f64>().sqrt())
                })
            };
            let (first, last) = (of("layer1")?, of("layer3")?);
            (first > 0.0).then(|| 100.0 * (last - first) / first)
        })
    }

    pub(super) fn line(&self) -> Claims {
        let barrier = |draw: Draw<'_>, target: usize, kind| {
            let of = |_: &_, _: &_, pair: &crate::study::transferred::pair::Pair| {
                pair.line.as_ref()?.barrier(draw.images(target))
            };
            Some(100.0 * self.view.over_pairs(draw, (self.family, target, kind), of)?)
        };
        let between = |claim: &str, rule: Rule, kind: Kind| {
            let claimed = Claimed::new(Topic::Line, claim, "points", rule);
            self.over_targets(claimed, |draw, target| barrier(draw, target, kind))
        };
        let average = Claimed::new(
            Topic::Line,
            "the average of two P-T is no worse than they are",
            "points",
            Rule::NotBelow(DENT),
        );
        vec![
            between("there is no barrier between two P-T", Rule::NotAbove(self.dent()), Kind::SourceSource),
            between("there is a barrier between two RI-T", Rule::AtLeast(BARRIER), Kind::RandomRandom),
            between("also between two RI-T from the same start", Rule::AtLeast(BARRIER), Kind::SameRandom),
            self.over_targets(average, |draw, target| {
                let of = |_: &_, _: &_, pair: &crate::study::transferred::pair::Pair| {
                    pair.line.as_ref()?.average(draw.images(target))
                };
                Some(100.0 * self.view.over_pairs(draw, (self.family, target, Kind::SourceSource), of)?)
            }),
        ]
    }

    /// A dent that is no barrier: three times the spread of replicas, or a point (`spec/what-is-transferred.md` section 8).
    fn dent(&self) -> f64 {
        let main = self.view.study.options.main.min(self.view.study.data.targets.len());
        let spread = |target: usize| {
            let runs = self.view.runs(self.family, Start::SOURCE, target, |training| training == Training::All);
            let values: Vec<f64> = runs.iter().filter_map(|(run, _)| accuracy(self.view.wrong(run), None)).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (values.len() > 1).then(|| 100.0 * (squares / (values.len() - 1) as f64).sqrt())
        };
        let spreads: Vec<f64> = (0..main).filter_map(spread).collect();
        let mean = spreads.iter().sum::<f64>() / spreads.len().max(1) as f64;
        (SPREADS * mean).max(DENT)
    }
}
