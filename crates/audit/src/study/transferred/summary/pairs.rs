//! Pairs of networks, averaged over the pairs of each kind.

use crate::study::Estimate;
use crate::study::transferred::Family;
use crate::study::transferred::draws::Draw;
use crate::study::transferred::measures::{Apart, clarity};
use crate::study::transferred::pair::{Pair, Partner};
use crate::study::transferred::record::PairRecord;
use crate::study::transferred::run::Run;
use crate::study::transferred::view::{Kind, View};

/// Every kind on every target.
pub(super) fn pairs(view: &View<'_>) -> Vec<PairRecord> {
    let of = |(family, target): (Family, usize)| {
        Kind::ALL.into_iter().filter_map(move |kind| Pairs { view, family, target, kind }.record())
    };
    view.places().into_iter().flat_map(of).collect()
}

/// The pairs of a kind on a target.
struct Pairs<'a> {
    view: &'a View<'a>,
    family: Family,
    target: usize,
    kind: Kind,
}

impl Pairs<'_> {
    fn record(&self) -> Option<PairRecord> {
        let all = self.view.pairs(self.family, self.target, self.kind);
        let (_, first) = all.first()?;
        let layers = first.similarity.iter().map(|tap| tap.first.clone());
        let images = |draw: Draw<'_>| draw.images(self.target).map(<[u16]>::to_vec);
        let of_line = |measure: fn(&super::super::line::Line, Option<&[u16]>) -> Option<f64>| {
            self.estimate(move |draw, _, _, pair| measure(pair.line.as_ref()?, images(draw).as_deref()))
        };
        let floors: Vec<f64> = first.similarity.iter().filter_map(|tap| tap.floor).collect();
        let of_line = &of_line;
        Some(PairRecord {
            family: self.family,
            target: self.view.name(self.target),
            kind: self.kind,
            pairs: all.len(),
            common: self.mistakes(|apart| Some(apart.common)),
            uncommon: self.mistakes(|apart| Some(apart.uncommon)),
            consistency: self.mistakes(|apart| apart.consistency),
            clarity: self.clarity(),
            similarity: layers.filter_map(|layer| Some((layer.clone(), self.alike(&layer)?))).collect(),
            floor: (!floors.is_empty()).then(|| floors.iter().sum::<f64>() / floors.len() as f64),
            distance: self.estimate(|_, _, _, pair| Some(pair.distance.all.change))?,
            modules: self.modules(first),
            barrier: of_line(super::super::line::Line::barrier),
            barrier_as_is: first
                .line
                .as_ref()
                .filter(|line| !line.anew.is_empty())
                .and_then(|_| of_line(super::super::line::Line::barrier_as_is)),
            average: of_line(super::super::line::Line::average),
            line: self.line(first),
        })
    }

    fn mean(&self, draw: Draw<'_>, measure: impl Fn(Draw<'_>, &Run, &Partner, &Pair) -> Option<f64>) -> Option<f64> {
        let of = (self.family, self.target, self.kind);
        self.view.over_pairs(draw, of, |run, partner, pair| measure(draw, run, partner, pair))
    }

    fn estimate(&self, measure: impl Fn(Draw<'_>, &Run, &Partner, &Pair) -> Option<f64> + Sync) -> Option<Estimate> {
        self.view.estimate(|draw| self.mean(draw, &measure))
    }

    fn mistakes(&self, figure: impl Fn(Apart) -> Option<f64> + Sync) -> Option<Estimate> {
        self.estimate(|draw, run, partner, _| figure(self.view.apart(draw, run, partner)?))
    }

    fn clarity(&self) -> Option<[Estimate; 2]> {
        let uncertainty = self.view.found.clear.get(&self.target)?;
        let side = |side: usize| {
            self.estimate(move |draw, run, partner, _| {
                let wrong = (self.view.wrong(run), self.view.wrong(&partner.run()?));
                clarity(uncertainty, wrong.0, wrong.1, draw.images(self.target))[side]
            })
        };
        Some([side(0)?, side(1)?])
    }

    fn alike(&self, layer: &str) -> Option<Estimate> {
        self.estimate(|_, _, _, pair| pair.similarity.iter().find(|tap| tap.first == layer)?.unbiased)
    }

    fn modules(&self, first: &Pair) -> Vec<(String, f64)> {
        let whole = self.view.resampling.whole();
        let of = |name: &String| {
            self.mean(whole, |_, _, _, pair| {
                pair.distance.modules.iter().find(|module| module.module == *name).map(|module| module.change)
            })
        };
        let names = first.distance.modules.iter().map(|module| module.module.clone());
        names.filter_map(|name| Some((name.clone(), of(&name)?))).collect()
    }

    fn line(&self, first: &Pair) -> Vec<(f64, f64)> {
        let whole = self.view.resampling.whole();
        let Some(line) = &first.line else { return Vec::new() };
        let at = |place: usize| {
            // A network that computes no numbers is right on nothing.
            self.mean(whole, |_, _, _, pair| Some(pair.line.as_ref()?.accuracies(None).get(place)?.1.unwrap_or(0.0)))
        };
        line.shares.iter().enumerate().filter_map(|(place, share)| Some((*share, at(place)?))).collect()
    }
}
