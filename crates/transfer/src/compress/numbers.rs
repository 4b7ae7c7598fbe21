//! Numbers in fewer bits: which values they can take, and how they are written.
//!
//! ```text
//! bf16   the nearest number of eight significant bits, ties to even                                       2 bytes
//! int8   s q with q in -127..=127 and one s for each group of values                                      1 byte
//!        s = the smallest number of eight significant bits with 127 s >= max |w|,   q = w / s rounded     (round-to-nearest, symmetric)
//! ```
//!
//! `s` has eight significant bits and `q` seven, so that their product is exact in single precision: what is read is what was computed with.

use half::bf16;
use serde::{Deserialize, Serialize};

/// Largest magnitude of an eight-bit number.
const MOST: f32 = 127.0;

/// In which numbers the large tensors of a model are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Eight significant bits and the range of single precision.
    Bf16,
    /// Eight-bit integers times one factor for each output channel (Krishnamoorthi 2018, section 3).
    Int8,
}

impl Numbers {
    /// Its name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

/// Which values of a tensor share a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    /// Those of one place in the first dimension.
    First(usize),
    /// Those of one place in the last.
    Last(usize),
}

impl Channels {
    pub const fn count(self) -> usize {
        match self {
            Self::First(count) | Self::Last(count) => count,
        }
    }

    /// The channel of each of `values` values, in order.
    fn of(self, values: usize) -> impl Iterator<Item = usize> {
        let each = (values / self.count().max(1)).max(1);
        (0..values).map(move |at| match self {
            Self::First(_) => at / each,
            Self::Last(count) => at % count.max(1),
        })
    }
}

/// Rounds `values` in place to numbers that can be written, and gives the factor of each channel (none in bf16).
pub(super) fn round(numbers: Numbers, values: &mut [f32], channels: Channels) -> Vec<f32> {
    match numbers {
        Numbers::Bf16 => {
            values.iter_mut().for_each(|value| *value = bf16::from_f32(*value).to_f32());
            Vec::new()
        }
        Numbers::Int8 => {
            let mut largest = vec![0.0_f32; channels.count()];
            for (value, channel) in values.iter().zip(channels.of(values.len())) {
                largest[channel] = largest[channel].max(value.abs());
            }
            let factors: Vec<f32> = largest.into_iter().map(factor).collect();
            let count = values.len();
            for (value, channel) in values.iter_mut().zip(channels.of(count)) {
                // Integers know one zero: adding it makes that of a small negative value positive.
                *value = factors[channel] * (*value / factors[channel]).round_ties_even().clamp(-MOST, MOST) + 0.0;
            }
            factors
        }
    }
}

/// The smallest number of eight significant bits of which 127 times reach `largest`; 1 for a channel of zeros.
fn factor(largest: f32) -> f32 {
    let wanted = largest / MOST;
    if wanted < f32::MIN_POSITIVE {
        return 1.0;
    }
    let below = f32::from_bits(wanted.to_bits() & 0xffff_0000);
    if below < wanted { f32::from_bits(below.to_bits() + 0x1_0000) } else { below }
}

/// The bytes of rounded values; `None` where one of them is not a number of this kind with these factors.
pub(super) fn encode(numbers: Numbers, values: &[f32], factors: &[f32], channels: Channels) -> Option<Vec<u8>> {
    match numbers {
        Numbers::Bf16 => {
            let exact = |value: &f32| Some(bf16::from_f32(*value)).filter(|half| half.to_f32() == *value);
            Some(
                values
                    .iter()
                    .map(exact)
                    .collect::<Option<Vec<_>>>()?
                    .iter()
                    .flat_map(|half| half.to_le_bytes())
                    .collect(),
            )
        }
        Numbers::Int8 => {
            let exact = |(value, channel): (&f32, usize)| {
                let whole = value / factors.get(channel)?;
                let integer = whole as i8;
                let fits = whole.abs() <= MOST && (f32::from(integer) * factors[channel]).to_bits() == value.to_bits();
                fits.then_some(integer as u8)
            };
            values.iter().zip(channels.of(values.len())).map(exact).collect()
        }
    }
}

/// The values of such bytes.
pub(super) fn decode(numbers: Numbers, bytes: &[u8], factors: &[f32], channels: Channels) -> Vec<f32> {
    match numbers {
        Numbers::Bf16 => bytes.as_chunks::<2>().0.iter().map(|pair| bf16::from_le_bytes(*pair).to_f32()).collect(),
        Numbers::Int8 => {
            let value = |(byte, channel): (&u8, usize)| f32::from(*byte as i8) * factors[channel];
            bytes.iter().zip(channels.of(bytes.len())).map(value).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is rounded is written and read without a difference, and lies within half a step of what it was.
        #[test]
        fn rounded_values_come_back_to_the_bit(values in prop::collection::vec(prop_oneof![-3.0e4..3.0e4_f32, -1.0..1.0_f32], 24), last in any::<bool>(), tiny in any::<bool>()) {
            let scaled: Vec<f32> = values.iter().map(|value| value * if tiny { 1e-20 } else { 1.0 }).collect();
            let channels = if last { Channels::Last(4) } else { Channels::First(4) };
            for numbers in [Numbers::Bf16, Numbers::Int8] {
                let mut rounded = scaled.clone();
                let factors = round(numbers, &mut rounded, channels);
                let bytes = encode(numbers, &rounded, &factors, channels).unwrap();
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&decode(numbers, &bytes, &factors, channels)), bits(&rounded));
                for (at, channel) in channels.of(24).enumerate() {
                    let step = factors.get(channel).map_or(scaled[at].abs() / 128.0, |factor| *factor);
                    prop_assert!((rounded[at] - scaled[at]).abs() <= 0.500_001 * step, "{} {}", rounded[at], scaled[at]);
                }
                // The last of a value's 24 bits: no number of either kind has it.
                let mut other = rounded.clone();
                other[3] = f32::from_bits(other[3].to_bits() ^ 1);
                prop_assert_eq!(encode(numbers, &other, &factors, channels), None);
            }
        }
    }

    #[test]
    fn a_channel_of_zeros_stays_zero_and_the_largest_value_fits() {
        let mut values = vec![0.0, -0.0, 1.0, -1.0];
        let factors = round(Numbers::Int8, &mut values, Channels::First(2));
        assert_eq!((factors[0], &values[..2]), (1.0, &[0.0, 0.0][..]));
        assert!(encode(Numbers::Int8, &values, &factors, Channels::First(2)).is_some());
        assert!(127.0 * factors[1] >= 1.0 && (values[2] - 1.0).abs() < 0.004, "{factors:?} {values:?}");
    }
}
