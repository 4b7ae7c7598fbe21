//! Weights on the straight line between two models of one shape.

use crate::{Tensor, Weights};

impl Weights {
    /// `(1 - share) self + share other`, entry by entry; 0 gives `self` and 1 gives `other` to the bit, and shares outside of 0 to 1 lie
    /// beyond the ends. `None` where keys or shapes differ.
    ///
    /// ```
    /// use heirloom_engine::{Tensor, Weights};
    /// let one = |value: f32| Weights { tensors: [("w".into(), Tensor { shape: vec![1], values: vec![value] })].into() };
    /// assert_eq!(one(1.0).between(&one(3.0), 0.25), Some(one(1.5)));
    /// assert_eq!(one(1.0).between(&one(3.0), 1.5), Some(one(4.0)));
    /// assert_eq!(one(1.0).between(&Weights::default(), 0.5), None);
    /// ```
    #[must_use]
    pub fn between(&self, other: &Self, share: f64) -> Option<Self> {
        if self.tensors.len() != other.tensors.len() {
            return None;
        }
        let pairs = self.tensors.iter().zip(&other.tensors);
        let tensor = |((key, left), (other_key, right)): ((&String, &Tensor), (&String, &Tensor))| {
            let alike = key == other_key && left.shape == right.shape;
            alike.then(|| {
                (key.clone(), Tensor { shape: left.shape.clone(), values: line(&left.values, &right.values, share) })
            })
        };
        Some(Self { tensors: pairs.map(tensor).collect::<Option<_>>()? })
    }
}

/// Values on the straight line from `left` to `right`, which are of one length.
#[must_use]
pub fn line(left: &[f32], right: &[f32], share: f64) -> Vec<f32> {
    let at = |(left, right): (&f32, &f32)| ((1.0 - share) * f64::from(*left) + share * f64::from(*right)) as f32;
    // A product with zero would lose the sign of a zero, and an infinite entry of the other end would count.
    if share == 0.0 {
        left.to_vec()
    } else if share == 1.0 {
        right.to_vec()
    } else {
        left.iter().zip(right).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(values: &[f32]) -> Weights {
        Weights { tensors: [("w".into(), Tensor { shape: vec![values.len()], values: values.to_vec() })].into() }
    }

    /// P8.
    #[test]
    fn the_ends_are_the_models_to_the_bit() {
        let (left, right) = (weights(&[-0.0, f32::MIN_POSITIVE, 3.0]), weights(&[0.1, f32::INFINITY, -0.0]));
        let bits =
            |weights: &Weights| weights.tensors["w"].values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for (share, end) in [(0.0, &left), (1.0, &right)] {
            assert_eq!(bits(&left.between(&right, share).unwrap()), bits(end));
        }
    }

    #[test]
    fn the_line_is_the_same_from_either_end() {
        let (left, right) = (weights(&[1.0, -2.0]), weights(&[0.3, 5.0]));
        for share in [-0.5, 0.25, 0.5, 1.25] {
            assert_eq!(left.between(&right, share), right.between(&left, 1.0 - share));
        }
    }

    #[test]
    fn other_keys_or_shapes_have_no_line() {
        assert_eq!(weights(&[1.0]).between(&weights(&[1.0, 2.0]), 0.5), None);
        let renamed = Weights { tensors: [("v".into(), Tensor { shape: vec![1], values: vec![1.0] })].into() };
        assert_eq!(weights(&[1.0]).between(&renamed, 0.5), None);
    }
}
