//! What holds a method's weights or features back.

use heirloom_engine::Shape;
use heirloom_training::regularizer::{BssSettings, L2Sp, L2SpSettings};
use heirloom_training::trainer::{Delta, Regularizer, TrainerSettings, TrainingError};
use heirloom_zoo::Backbone;

use super::super::FitError;
use super::TrainedMethod;

/// Strengths of the penalties, as their papers' code has them (`spec/regularisers-and-adaptation.md` A1 to A3).
const L2_SP: L2SpSettings = L2SpSettings { backbone: 0.1, head: 0.01 };
const DELTA: f64 = 0.01;
const BSS: BssSettings = BssSettings { singular_values: 1, strength: 1e-3 };

/// The penalty of a method (`attention` by tap is DELTA's), held to `network` as it is before training.
pub(super) fn regularizer(
    method: TrainedMethod,
    network: &Backbone,
    settings: &TrainerSettings,
    attention: Option<Vec<Vec<f64>>>,
) -> Result<Option<Regularizer>, FitError> {
    let head = network.classifier_parameters();
    Ok(match method {
        TrainedMethod::L2Sp => {
            let backbone: Vec<String> = settings.trainable.iter().filter(|key| !head.contains(key)).cloned().collect();
            let anchored = L2Sp::new(L2_SP, &network.weights, &backbone, &head).map_err(TrainingError::from)?;
            Some(Regularizer::L2Sp(anchored))
        }
        TrainedMethod::Delta => {
            let (graph, weights) = (&network.graph, &network.weights);
            let input_size = network.preprocess.input_size;
            let source = Delta::new(graph, weights, input_size, stage_outputs(network)?, DELTA, attention)?;
            Some(Regularizer::Delta(Box::new(source)))
        }
        TrainedMethod::Bss => Some(Regularizer::Bss { features: network.features.clone(), settings: BSS }),
        _ => None,
    })
}

/// The last tap of each size of map: what a stage hands to the next.
pub(super) fn stage_outputs(network: &Backbone) -> Result<Vec<String>, FitError> {
    let shapes = network.graph.tap_shapes(network.preprocess.input_size, &network.taps)?;
    let mut stages: Vec<(usize, String)> = Vec::new();
    for (tap, shape) in network.taps.iter().zip(shapes) {
        let (Shape::Map { .. } | Shape::Tokens { .. }) = shape else { continue };
        match stages.last_mut() {
            Some(last) if last.0 == shape.positions() => last.1.clone_from(tap),
            _ => stages.push((shape.positions(), tap.clone())),
        }
    }
    // The four coarsest, as the four stages of a residual network.
    let skip = stages.len().saturating_sub(4);
    Ok(stages.into_iter().skip(skip).map(|stage| stage.1).collect())
}
