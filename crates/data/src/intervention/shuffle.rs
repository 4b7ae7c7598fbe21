//! Blocks of an image in another order: what is left of what a network knows when shapes are gone (Neyshabur, Sedghi, Zhang 2020, section 3.1;
//! `spec/what-is-transferred.md` section 4). With `n = (height / block) (width / block)` blocks, row by row, and a permutation `pi`,
//!
//! ```text
//! block j of the result = block pi[j]          pixels within a block keep their order, and the channels of a pixel stay together
//! ```
//!
//! `unit=value` permutes single values over all places and channels, first the first channel's. Eight-bit values are moved, before they are
//! normalised: a value that lands in another channel is normalised as that channel's, where the paper's program moves it after normalising.

use serde::{Deserialize, Serialize};

use super::InterventionError;
use super::mersenne::RandomState;
use super::text::Settings;

/// What the program of the paper adds to its seeds.
const SEED: u32 = 1234;
/// Share of blocks that may stay in their places, beyond one block.
const FIXED: f64 = 0.1;

/// Blocks in another order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shuffle {
    /// Side of a block in pixels; divides height and width.
    pub block: usize,
    /// What is moved.
    pub unit: Unit,
    /// Fixes the permutation.
    pub seed: u32,
    /// Another permutation for every image, drawn by its pixels too, in place of one for all.
    pub each: bool,
    /// Take a permutation that leaves many blocks in their places, too.
    pub fixed: bool,
}

/// What is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Blocks of pixels.
    Block,
    /// Single values, over places and channels.
    Value,
}

impl Default for Shuffle {
    /// Blocks of 8 pixels, seed 0, one permutation for all images.
    fn default() -> Self {
        Self { block: 8, unit: Unit::Block, seed: 0, each: false, fixed: false }
    }
}

impl Shuffle {
    pub(super) const NAME: &str = "shuffle";
    pub(super) const SETTINGS: &str = "block=PIXELS, unit=block|value, seed=NUMBER, each=yes|no, fixed=refuse|allow";

    /// What it does to images of `[height, width]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Result<Moves, InterventionError> {
        let moves = Moves { size, shuffle: self.clone(), order: Vec::new() };
        let count = moves.count()?;
        let order = RandomState::new(SEED.wrapping_add(self.seed)).permutation(count);
        let stays = order.iter().enumerate().filter(|(at, from)| *at == **from as usize).count();
        if !self.fixed && !self.each && stays > 1 && stays as f64 > FIXED * f64::from(count) {
            let expected = format!(
                "a seed that moves the blocks: this one leaves {stays} of {count} in their places (fixed=allow takes it)"
            );
            return Err(InterventionError::value("seed", self.seed, expected));
        }
        Ok(Moves { order, ..moves })
    }

    pub(super) fn parse(settings: Settings<'_>) -> Result<Self, InterventionError> {
        let mut shuffle = Self::default();
        for (setting, value) in settings.pairs()? {
            let choice = |setting, [on, off]: [&str; 2]| match value {
                _ if value == on => Ok(true),
                _ if value == off => Ok(false),
                _ => Err(InterventionError::value(setting, value, format!("{on} or {off}"))),
            };
            match setting {
                "block" => {
                    let whole = value.parse().ok().filter(|block| *block > 0);
                    let refused = || InterventionError::value("block", value, "a number of pixels from 1");
                    shuffle.block = whole.ok_or_else(refused)?;
                }
                "unit" => shuffle.unit = if choice("unit", ["value", "block"])? { Unit::Value } else { Unit::Block },
                "seed" => {
                    let refused = |_| InterventionError::value("seed", value, "a whole number below 4294967296");
                    shuffle.seed = value.parse().map_err(refused)?;
                }
                "each" => shuffle.each = choice("each", ["yes", "no"])?,
                "fixed" => shuffle.fixed = choice("fixed", ["allow", "refuse"])?,
                other => return Err(settings.unknown(other)),
            }
        }
        Ok(shuffle)
    }
}

impl std::fmt::Display for Shuffle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = if self.unit == Unit::Value { "value" } else { "block" };
        let (each, fixed) = (if self.each { "yes" } else { "no" }, if self.fixed { "allow" } else { "refuse" });
        write!(f, "{}:block={},unit={unit},seed={},each={each},fixed={fixed}", Self::NAME, self.block, self.seed)
    }
}

/// Where everything goes in images of one size.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moves {
    size: [usize; 2],
    shuffle: Shuffle,
    /// For each block or value of the result, which one it was.
    order: Vec<u32>,
}

impl Moves {
    /// Blocks or values of an image.
    fn count(&self) -> Result<u32, InterventionError> {
        let ([height, width], block) = (self.size, self.shuffle.block);
        let too_many = || InterventionError::Size { height, width };
        if self.shuffle.unit == Unit::Value {
            return u32::try_from(3 * height * width).map_err(|_| too_many());
        }
        if height % block != 0 || width % block != 0 {
            let expected = format!("a side that divides {height} and {width} pixels");
            return Err(InterventionError::value("block", block, expected));
        }
        u32::try_from((height / block) * (width / block)).map_err(|_| too_many())
    }

    /// Moves everything in one image of its length.
    pub fn apply(&self, image: &mut [u8]) {
        let before = image.to_vec();
        let own =
            self.shuffle.each.then(|| RandomState::new(self.seed_of(&before)).permutation(self.order.len() as u32));
        let order = own.as_deref().unwrap_or(&self.order);
        for (to, &from) in order.iter().enumerate() {
            match self.shuffle.unit {
                Unit::Value => image[self.value(to)] = before[self.value(from as usize)],
                Unit::Block => self.copy(&before, from as usize, image, to),
            }
        }
    }

    /// Place of a value counted channel by channel in an image that is stored pixel by pixel.
    fn value(&self, number: usize) -> usize {
        let pixels = self.size[0] * self.size[1];
        number % pixels * 3 + number / pixels
    }

    fn copy(&self, before: &[u8], from: usize, image: &mut [u8], to: usize) {
        let (block, width) = (self.shuffle.block, self.size[1]);
        let across = width / block;
        let start = |number: usize, row: usize| ((number / across * block + row) * width + number % across * block) * 3;
        for row in 0..block {
            let (from, to) = (start(from, row), start(to, row));
            image[to..to + 3 * block].copy_from_slice(&before[from..from + 3 * block]);
        }
    }

    /// The seed of one image: by its pixels and the seed of all.
    fn seed_of(&self, image: &[u8]) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.shuffle.seed.to_le_bytes()).update(image);
        let digest = hasher.finalize();
        let [first, second, third, fourth, ..] = *digest.as_bytes();
        u32::from_le_bytes([first, second, third, fourth])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::{Intervention, Stamp};
    use super::*;

    fn stamp(text: &str, size: [usize; 2]) -> Stamp {
        text.parse::<Intervention>().unwrap().prepare(size).unwrap()
    }

    /// T1: the image 0..15 in blocks of 2, moved by [2, 0, 3, 1].
    #[test]
    fn vector_t1() {
        let moves =
            Moves { size: [4, 4], shuffle: Shuffle { block: 2, ..Shuffle::default() }, order: vec![2, 0, 3, 1] };
        let mut image: Vec<u8> = (0..16).flat_map(|value| [value; 3]).collect();
        moves.apply(&mut image);
        let red: Vec<u8> = image.iter().step_by(3).copied().collect();
        assert_eq!(red, [8, 9, 0, 1, 12, 13, 4, 5, 10, 11, 2, 3, 14, 15, 6, 7]);
    }

    /// T3: single values of an image of 2 x 2 pixels, channel by channel.
    #[test]
    fn vector_t3() {
        let mut image: Vec<u8> = (0..4).flat_map(|pixel| [pixel, 4 + pixel, 8 + pixel]).collect();
        stamp("shuffle:unit=value", [2, 2]).apply(&mut image);
        let channel = |channel: usize| image.iter().skip(channel).step_by(3).copied().collect::<Vec<u8>>();
        assert_eq!([channel(0), channel(1), channel(2)], [[7, 8, 11, 2], [9, 10, 1, 0], [4, 5, 6, 3]]);
    }

    /// P2, and section 12 of the specification: the first of the paper's three permutations of four blocks moves nothing.
    #[test]
    fn blocks_that_do_not_fit_and_permutations_that_move_little_are_refused() {
        let refused = |text: &str| text.parse::<Intervention>().unwrap().prepare([224, 224]).unwrap_err().to_string();
        assert!(refused("shuffle:block=5").contains("divides 224"), "{}", refused("shuffle:block=5"));
        assert!(refused("shuffle:block=112").contains("leaves 4 of 4"), "{}", refused("shuffle:block=112"));
        assert!(refused("shuffle:block=112,seed=1").contains("leaves 2 of 4"));
        let order = |seed: u32, fixed: bool| {
            Shuffle { block: 112, seed, fixed, ..Shuffle::default() }.at([224, 224]).unwrap().order
        };
        assert_eq!((order(2, false), order(0, true)), (vec![2, 0, 1, 3], vec![0, 1, 2, 3]));
        for text in ["shuffle:block=0", "shuffle:each=maybe", "shuffle:seed=-1", "shuffle:size=3"] {
            assert!(text.parse::<Intervention>().is_err(), "{text}");
        }
        let typed: Intervention = "shuffle:block=4,each=yes,fixed=allow,unit=value,seed=9".parse().unwrap();
        assert_eq!(typed.to_string().parse::<Intervention>().unwrap(), typed);
    }

    #[test]
    fn an_order_of_its_own_depends_on_the_image_alone() {
        let stamp = stamp("shuffle:block=1,each=yes", [4, 4]);
        let (first, second): (Vec<u8>, Vec<u8>) = ((0..48).collect(), (1..49).collect());
        let moved = |images: &[&[u8]]| {
            let mut images = images.concat();
            stamp.apply(&mut images);
            images
        };
        assert_eq!(moved(&[&first, &second]), [moved(&[&first]), moved(&[&second])].concat());
        let back: Vec<u8> = moved(&[&second]).iter().map(|value| value - 1).collect();
        assert_ne!(moved(&[&first]), back);
    }

    fn counted<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
        items.fold(BTreeMap::new(), |mut counts, item| {
            *counts.entry(item).or_default() += 1;
            counts
        })
    }

    proptest! {
        /// P1: one block is the identity, the inverse restores the image, pixels (or values) are those of the image.
        #[test]
        fn nothing_is_lost(image in prop::collection::vec(any::<u8>(), 8 * 8 * 3), seed in 0..50_u32, value: bool, each: bool) {
            let whole = stamp("shuffle:block=8", [8, 8]);
            let mut same = image.clone();
            whole.apply(&mut same);
            prop_assert_eq!(&same, &image);

            let unit = if value { Unit::Value } else { Unit::Block };
            let shuffle = Shuffle { block: 2, unit, seed, each, fixed: true };
            let moves = shuffle.at([8, 8]).unwrap();
            let mut moved = image.clone();
            moves.apply(&mut moved);
            if value {
                prop_assert_eq!(counted(moved.iter()), counted(image.iter()));
            } else {
                prop_assert_eq!(counted(moved.chunks(3)), counted(image.chunks(3)));
            }
            if !each {
                let mut order = vec![0; moves.order.len()];
                moves.order.iter().enumerate().for_each(|(to, from)| order[*from as usize] = to as u32);
                Moves { order, ..moves }.apply(&mut moved);
                prop_assert_eq!(moved, image);
            }
        }
    }
}
