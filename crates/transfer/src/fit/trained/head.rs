//! Between a classifier in the network and a head beside it: both are `x W + b` on the penultimate vector.

use heirloom_engine::{Tensor, Weights};
use heirloom_zoo::Backbone;

use super::super::FitError;
use crate::heads::{Head, HeadError, Input, Method, Rule};
use crate::{Block, Features};

/// Keys of the classifier's weight and bias.
fn keys(backbone: &Backbone) -> Result<[String; 2], FitError> {
    let keys = backbone.classifier_parameters();
    <[String; 2]>::try_from(keys).map_err(|keys| FitError::Classifier { backbone: backbone.name.clone(), keys })
}

/// The network's classifier as a head on its features.
pub(super) fn of_network(backbone: &Backbone, features: &Features, classes: usize) -> Result<Head, FitError> {
    let [weight, bias] = keys(backbone)?;
    let block = penultimate(backbone, features)?;
    let values = |key: &String| backbone.weights.tensors.get(key).map(|tensor| tensor.values.as_slice());
    let (weight, bias) = (values(&weight).unwrap_or_default(), values(&bias).unwrap_or_default());
    if weight.len() != block.width * classes || bias.len() != classes {
        let keys = backbone.classifier_parameters();
        return Err(FitError::Classifier { backbone: backbone.name.clone(), keys });
    }
    let transposed = (0..block.width).flat_map(|column| (0..classes).map(move |class| (class, column)));
    let weights = transposed.map(|(class, column)| weight[class * block.width + column]).collect();
    let rule = Rule::affine(classes, weights, bias.to_vec());
    Ok(Head::plain(Method::Linear, classes, Input::whole(block), rule))
}

fn penultimate<'f>(backbone: &Backbone, features: &'f Features) -> Result<&'f Block, FitError> {
    let missing = || HeadError::NoRows;
    Ok(features.blocks.iter().find(|block| block.tap == backbone.features).ok_or_else(missing)?)
}

/// Writes a linear head on the penultimate vector into the network's classifier.
pub(super) fn into_network(head: &Head, backbone: &mut Backbone) -> Result<(), FitError> {
    let keys = keys(backbone)?;
    let classes = head.classes();
    let Some((weights, bias)) = head.on_raw_features() else {
        return Err(FitError::Classifier { backbone: backbone.name.clone(), keys: keys.to_vec() });
    };
    let columns = weights.len() / classes.max(1);
    let transposed = (0..classes).flat_map(|class| (0..columns).map(move |column| (class, column)));
    let weights: Vec<f32> = transposed.map(|(class, column)| weights[column * classes + class]).collect();
    for (key, values) in keys.iter().zip([weights, bias]) {
        set(&mut backbone.weights, key, values)
            .ok_or_else(|| FitError::Classifier { backbone: backbone.name.clone(), keys: keys.to_vec() })?;
    }
    backbone.weights_digest = heirloom_zoo::weights_digest(&backbone.weights);
    Ok(())
}

/// Overwrites a tensor with as many values.
fn set(weights: &mut Weights, key: &str, values: Vec<f32>) -> Option<()> {
    let tensor = weights.tensors.get_mut(key)?;
    *tensor = Tensor::new(tensor.shape.clone(), values)?;
    Some(())
}
