//! Where activations are forgotten and computed again (Chen, Xu, Zhang and Guestrin 2016, "Training deep nets with sublinear
//! memory cost"): the units are cut where a single value crosses, into about the square root of the number of such places.

use std::collections::BTreeSet;
use std::ops::Range;

use super::scope::Scope;
use super::unit::Unit;
use crate::{NodeId, Shape};

/// Ranges of units, in order. One range for all where nothing is to be computed again.
pub(super) fn segments(
    units: &[Unit],
    scope: &Scope,
    shapes: &[Shape],
    outputs: &[NodeId],
    recompute: bool,
) -> Vec<Range<usize>> {
    let whole = std::iter::once(0..units.len()).collect();
    let places = if recompute { cuts(units, shapes.len(), outputs) } else { Vec::new() };
    if places.is_empty() {
        return whole;
    }
    let kept = |unit: &Unit| if scope.gradient[unit.node] { shapes[unit.node].len() } else { 0 };
    let total: usize = units.iter().map(kept).sum();
    let share = total / ((places.len() as f64).sqrt().ceil() as usize).max(1);
    let mut ranges = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, unit) in units.iter().enumerate() {
        held += kept(unit);
        if held >= share && places.contains(&(at + 1)) {
            ranges.push(start..at + 1);
            (start, held) = (at + 1, 0);
        }
    }
    ranges.push(start..units.len());
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The places before a unit that one value crosses, outputs aside.
fn cuts(units: &[Unit], nodes: usize, outputs: &[NodeId]) -> Vec<usize> {
    let last = last_uses(units, nodes);
    let crosses = |unit: &&Unit, at: usize| last[unit.node] >= at && !outputs.contains(&unit.node);
    (1..units.len()).filter(|&at| units[..at].iter().filter(|unit| crosses(unit, at)).count() == 1).collect()
}

/// For each node the index of the last unit that reads it (0 when none does).
pub(super) fn last_uses(units: &[Unit], nodes: usize) -> Vec<usize> {
    let mut last = vec![0; nodes];
    for (at, unit) in units.iter().enumerate() {
        unit.inputs.iter().for_each(|&input| last[input] = at);
    }
    last
}

/// The nodes whose values are not dropped after their last use in the forward pass: outputs, what a backward pass reads, and
/// what a later segment starts from.
pub(super) fn kept(
    units: &[Unit],
    segments: &[Range<usize>],
    last_uses: &[usize],
    outputs: &[NodeId],
) -> BTreeSet<NodeId> {
    let mut kept: BTreeSet<NodeId> = outputs.iter().copied().collect();
    kept.extend(units.iter().flat_map(|unit| unit.keeps.iter().copied()));
    for segment in segments {
        let crossing = units[segment.clone()].iter().filter(|unit| last_uses[unit.node] >= segment.end);
        kept.extend(crossing.map(|unit| unit.node));
    }
    if segments.len() > 1 {
        // The backward pass has no pixels to start from.
        kept.extend(units.iter().filter(|unit| unit.is_pixels()).map(|unit| unit.node));
    }
    kept
}
