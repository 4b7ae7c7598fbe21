//! Claims about accuracy and speed, with images as they are, with blocks in other orders, and from earlier checkpoints of the source.

use super::{Claimed, Claims, Judge, Rule};
use crate::study::transferred::checkpoints::Checkpoints;
use crate::study::transferred::draws::Draw;
use crate::study::transferred::measures::relative_difference;
use crate::study::transferred::record::{Topic, TransferredClaim};
use crate::study::transferred::{Family, Start, Training};

/// Points of accuracy that make a source worth something, and per cent of relative difference that a study of this size can see.
const WORTH: f64 = 5.0;
const RELATIVE: f64 = 6.0;
/// Points of training accuracy that are a difference in speed, and most that a speed that barely falls may fall.
const SPEED: f64 = 5.0;
const BARELY: f64 = 10.0;
/// Points that an early checkpoint may cost.
const EARLY: f64 = 2.0;
/// Rank correlation that makes a guess of use.
const RANKS: f64 = 0.5;

impl Judge<'_> {
    pub(super) fn accuracy(&self) -> Claims {
        let all = |training| training == Training::All;
        let gap = |draw: Draw<'_>, target: usize| {
            let score = |start| self.view.score(draw, &self.view.runs(self.family, start, target, all));
            Some(100.0 * (score(Start::SOURCE)? - score(Start::RANDOM)?))
        };
        let claim = |claim: &str| Claimed::new(Topic::Accuracy, claim, "points", Rule::AtLeast(WORTH));
        vec![
            self.over(claim("the source is worth something: P-T beats RI-T on the target most like it"), &[0], gap),
            self.over_targets(claim("P-T beats RI-T on all targets taken together"), gap),
        ]
    }

    pub(super) fn blocks(&self) -> Claims {
        let sides = self.view.study.options.sides.clone();
        let (largest, smallest) = (sides.iter().max().copied(), sides.iter().min().copied());
        let mut claims: Claims = sides.iter().map(|side| self.shuffled(*side)).collect();
        claims.push(self.fall(&sides));
        claims.extend([largest.and_then(|side| self.barely(side)), smallest.and_then(|side| self.less(side))]);
        claims
    }

    fn shuffled(&self, side: usize) -> Option<TransferredClaim> {
        let claim = format!("P-T beats RI-T with blocks of {side} pixels in another order, relative to P-T");
        let claimed = Claimed::new(Topic::Blocks, claim, "%", Rule::AtLeast(RELATIVE));
        self.over_targets(claimed, |draw, target| self.relative(draw, target, Some(side)))
    }

    fn less(&self, side: usize) -> Option<TransferredClaim> {
        let claim = format!("less of the advantage is left with blocks of {side} than with images as they are");
        let claimed = Claimed::new(Topic::Blocks, claim, "%", Rule::AtLeast(RELATIVE));
        self.over_targets(claimed, |draw, target| {
            Some(self.relative(draw, target, None)? - self.relative(draw, target, Some(side))?)
        })
    }

    fn relative(&self, draw: Draw<'_>, target: usize, side: Option<usize>) -> Option<f64> {
        let score = |start| self.view.score(draw, &self.view.plain(self.family, start, target, side));
        relative_difference(score(Start::SOURCE)?, score(Start::RANDOM)?)
    }

    /// Shuffling slows RI-T down more than P-T.
    fn fall(&self, sides: &[usize]) -> Option<TransferredClaim> {
        let claim = "shuffled blocks slow RI-T down more than P-T, mean over sizes of blocks";
        let claimed = Claimed::new(Topic::Blocks, claim, "points", Rule::AtLeast(SPEED));
        self.over_targets(claimed, |draw, target| {
            let more = |side: &usize| {
                Some(
                    self.slowed(draw, target, Start::RANDOM, *side)?
                        - self.slowed(draw, target, Start::SOURCE, *side)?,
                )
            };
            let each = sides.iter().map(more).collect::<Option<Vec<f64>>>()?;
            Some(each.iter().sum::<f64>() / each.len().max(1) as f64)
        })
    }

    fn barely(&self, side: usize) -> Option<TransferredClaim> {
        let claim = format!("blocks of {side} in another order barely slow P-T down");
        let claimed = Claimed::new(Topic::Blocks, claim, "points", Rule::NotAbove(BARELY));
        self.over_targets(claimed, |draw, target| self.slowed(draw, target, Start::SOURCE, side))
    }

    /// By how much mean training accuracy falls when blocks are shuffled, in points.
    fn slowed(&self, draw: Draw<'_>, target: usize, start: Start, side: usize) -> Option<f64> {
        let speed = |side| self.view.speed(draw, &self.view.plain(self.family, start, target, side));
        Some(100.0 * (speed(None)? - speed(Some(side))?))
    }

    pub(super) fn checkpoints(&self) -> Claims {
        if self.family != Family::Fixup {
            return Vec::new();
        }
        let all = Checkpoints::of(self.view);
        let (Some(chosen), Some(last)) = (all.chosen(), all.last()) else { return Vec::new() };
        let saved = last.saturating_sub(chosen);
        let claim = format!(
            "an early checkpoint of the source suffices: epoch {chosen}, the earliest within a standard error of the best on held-out \
             images, is no worse than epoch {last} ({saved} epochs saved)"
        );
        let early = Claimed::new(Topic::Checkpoints, claim, "points", Rule::NotBelow(EARLY));
        let early = self
            .judged(early, "on test images", |draw| Some(100.0 * (all.test(draw, chosen)? - all.test(draw, last)?)));
        let claim = "frozen features of the checkpoints, judged on held-out images, rank them as fine-tuning does";
        let ranks = Claimed::new(Topic::Checkpoints, claim, "rank correlation", Rule::AtLeast(RANKS));
        vec![early, self.judged(ranks, "over the checkpoints", |draw| all.agreement(draw))]
    }
}
