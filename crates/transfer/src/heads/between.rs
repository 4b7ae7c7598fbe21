//! Heads on the straight line between two that are linear maps of the same columns.

use heirloom_engine::line;

use super::affine::Affine;
use super::head::{Head, Rule};
use super::normalization::Normalizer;

impl Head {
    /// The head whose weights are `(1 - share) self + share other`; 0 gives `self` and 1 gives `other`.
    ///
    /// # Errors
    /// What differs, or is no linear map.
    pub(crate) fn between(&self, other: &Self, share: f64) -> Result<Self, &'static str> {
        if self.inputs != other.inputs {
            return Err("the columns that their heads read");
        }
        let (left, right) = (self.raw()?, other.raw()?);
        if left.normalizer != right.normalizer || self.classes != other.classes {
            return Err("how their heads scale what they read");
        }
        if share == 0.0 || share == 1.0 {
            return Ok(if share == 0.0 { self.clone() } else { other.clone() });
        }
        let (Rule::Affine(from), Rule::Affine(to)) = (&left.rule, &right.rule) else { return Err(NO_MAP) };
        let rule = Rule::Affine(Affine {
            classes: self.classes,
            weights: line(&from.weights, &to.weights, share),
            bias: line(&from.bias, &to.bias, share),
        });
        let temperature = (1.0 - share) * self.temperature + share * other.temperature;
        Ok(Self { rule, temperature, ..left })
    }

    /// The same linear map with weights and bias as `change` leaves them.
    pub(crate) fn with_values(&self, change: &mut dyn FnMut(&mut [f32])) -> Result<Self, &'static str> {
        let mut head = self.raw()?;
        if let Rule::Affine(affine) = &mut head.rule {
            change(&mut affine.weights);
            change(&mut affine.bias);
        }
        Ok(head)
    }

    /// The same head on columns as they come, as far as its scaling is linear.
    fn raw(&self) -> Result<Self, &'static str> {
        if !matches!(self.rule, Rule::Affine(_)) {
            return Err(NO_MAP);
        }
        let (Normalizer::PerFeature { .. }, Some((weights, bias))) = (&self.normalizer, self.on_raw_features()) else {
            return Ok(self.clone());
        };
        Ok(Self { rule: Rule::affine(self.classes, weights, bias), normalizer: Normalizer::None, ..self.clone() })
    }
}

/// Why a head that votes has no line to another.
const NO_MAP: &str = "heads that vote are no linear maps: their training rows";

#[cfg(test)]
mod tests {
    use super::super::{Input, Method};
    use super::*;
    use crate::Pooling;

    fn head(weights: &[f32], normalizer: Normalizer) -> Head {
        let input = Input { tap: "pre_logits".into(), pooling: Pooling::MEAN, width: 1, columns: None };
        Head::new(Method::Linear, 2, vec![input], normalizer, Rule::affine(2, weights.to_vec(), vec![0.5, -0.5]))
    }

    fn affine(head: &Head) -> (Vec<f32>, Vec<f32>) {
        let Rule::Affine(affine) = &head.rule else { panic!("no linear map") };
        (affine.weights.clone(), affine.bias.clone())
    }

    #[test]
    fn weights_lie_on_the_line() {
        let (left, right) = (head(&[1.0, 2.0], Normalizer::None), head(&[3.0, -2.0], Normalizer::None));
        assert_eq!(affine(&left.between(&right, 0.25).unwrap()).0, [1.5, 1.0]);
        assert_eq!(left.between(&right, 0.0).unwrap(), left);
        assert_eq!(left.between(&right, 1.0).unwrap(), right);
    }

    #[test]
    fn scaled_columns_are_brought_to_one_scale_first() {
        let scaled = Normalizer::PerFeature { mean: vec![2.0], factor: vec![0.5] };
        let (left, right) = (head(&[2.0, 4.0], scaled), head(&[1.0, 2.0], Normalizer::None));
        // 2 * 0.5 (x - 2) + 0.5 = x - 1.5, 4 * 0.5 (x - 2) - 0.5 = 2 x - 4.5.
        assert_eq!(affine(&left.between(&right, 0.5).unwrap()), (vec![1.0, 2.0], vec![-0.5, -2.5]));
        assert!(left.between(&head(&[1.0, 2.0], Normalizer::UnitVector), 0.5).is_err());
    }

    #[test]
    fn heads_of_other_columns_have_no_line() {
        let mut other = head(&[1.0, 2.0], Normalizer::None);
        other.inputs[0].tap = "layer1".into();
        assert!(head(&[1.0, 2.0], Normalizer::None).between(&other, 0.5).unwrap_err().contains("columns"));
    }
}
