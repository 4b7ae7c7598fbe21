//! From a recipe and a network to the trainer's settings: what is trained, which statistics move, the loss.

use std::collections::BTreeSet;

use heirloom_engine::Op;
use heirloom_training::ema::AverageSettings;
use heirloom_training::loss::{CrossEntropy, balanced_class_weights, class_counts, log_prior};
use heirloom_training::optimizer::{ParameterGroup, ParameterGroups, groups};
use heirloom_training::trainer::{TrainerSettings, TrainingError};
use heirloom_zoo::{Backbone, parameter_groups, parameters_from, parameters_matching};

use super::super::FitError;
use super::{Balance, NormStatistics, Recipe, TrainedMethod};

/// Keys of the parameters that the method trains, less what was frozen by name.
pub(crate) fn trainable(
    recipe: &Recipe,
    network: &Backbone,
    freeze: &[String],
    train_from: Option<&str>,
    train_only: &[String],
) -> Result<BTreeSet<String>, FitError> {
    let head = network.classifier_parameters();
    let mut trainable = recipe.method.trains(&network.graph, &head);
    if let Some(layer) = train_from {
        let from = parameters_from(&network.graph, layer)?;
        trainable.retain(|key| from.contains(key));
    }
    if !train_only.is_empty() {
        let only = parameters_matching(&network.graph, train_only)?;
        trainable.retain(|key| only.contains(key) || head.contains(key));
    }
    let frozen = parameters_matching(&network.graph, freeze)?;
    trainable.retain(|key| !frozen.contains(key));
    if recipe.method == TrainedMethod::BnTune && trainable.iter().all(|key| head.contains(key)) {
        return Err(FitError::Recipe {
            setting: "--method",
            value: recipe.method.to_string(),
            reason: format!("{} has no norms to tune", network.name),
        });
    }
    Ok(trainable)
}

/// Batch norms whose statistics follow the batches.
fn moving_norms(recipe: &Recipe, network: &Backbone, trainable: &BTreeSet<String>) -> BTreeSet<String> {
    let moves = |op: &Op| match (op, recipe.norm_statistics) {
        (Op::BatchNorm { .. }, NormStatistics::Adapt) => true,
        (Op::BatchNorm { weight, bias, .. }, NormStatistics::Trained) => {
            trainable.contains(weight) || trainable.contains(bias)
        }
        _ => false,
    };
    let nodes = network.graph.nodes.iter().filter(|node| moves(&node.op));
    nodes.map(|node| node.name.clone()).collect()
}

/// The trainer's settings for `rows` training rows.
pub(crate) fn trainer_settings(
    recipe: &Recipe,
    network: &Backbone,
    trainable: BTreeSet<String>,
    rows: usize,
    loss: CrossEntropy,
    seed: u64,
) -> TrainerSettings {
    // A last batch of one image has no statistics.
    let lonely = rows % recipe.batch_size == 1 && rows > 1;
    TrainerSettings {
        input_size: network.preprocess.input_size,
        batch_statistics: moving_norms(recipe, network, &trainable),
        trainable,
        statistics_momentum: 0.1,
        epochs: recipe.epochs,
        batch_size: recipe.batch_size.min(rows),
        drop_last: lonely,
        learning_rate: recipe.learning_rate,
        schedule: recipe.schedule.clone(),
        optimizer: recipe.optimizer,
        loss,
        clip_norm: recipe.clip_norm,
        average: recipe.average.map(|decay| AverageSettings { decay, warm_up: true }),
        stopping: None,
        recompute: false,
        precision: recipe.precision,
        adversary: recipe.adversary,
        seed,
    }
}

/// The loss for training rows with these labels.
pub(crate) fn loss(recipe: &Recipe, labels: &[usize], classes: usize) -> Result<CrossEntropy, FitError> {
    let counts = class_counts(labels, classes).map_err(TrainingError::from)?;
    let mut loss = CrossEntropy { label_smoothing: recipe.label_smoothing, ..CrossEntropy::default() };
    match recipe.balance {
        Balance::None => {}
        Balance::Weights => loss.class_weights = Some(balanced_class_weights(&counts)),
        Balance::Softmax => loss.log_prior = Some(log_prior(&counts).map_err(TrainingError::from)?),
    }
    Ok(loss)
}

/// Rate of single factors and summands, as a share of the others' (Zhang, Dauphin and Ma 2019, section 4).
const SCALAR_RATE: f64 = 0.1;

/// No decay for biases and norms, and a tenth of the rate for single factors and summands; smaller rates towards the input where
/// layer-wise decay is asked for.
pub(crate) fn groups(recipe: &Recipe, network: &Backbone) -> Result<ParameterGroups, FitError> {
    let scalars = scalars(network);
    let slower = ParameterGroups::from_fn(&network.weights, |name, _| ParameterGroup {
        learning_rate_factor: if scalars.contains(name) { SCALAR_RATE } else { 1.0 },
        ..ParameterGroup::default()
    });
    let decayed = groups::no_decay(&network.weights).and(&slower);
    let Some(decay) = recipe.layer_decay else { return Ok(decayed) };
    let layers: Vec<Vec<String>> = parameter_groups(&network.graph).into_iter().map(|group| group.parameters).collect();
    let slower = groups::layer_wise_decay(&network.weights, &layers, decay).map_err(TrainingError::from)?;
    Ok(decayed.and(&slower))
}

/// Factors and summands of one value for all channels, of which networks without normalisation have many (Fixup).
fn scalars(network: &Backbone) -> BTreeSet<&str> {
    let name = |op: &'_ Op| match op {
        Op::Scale { weight: name } | Op::Shift { bias: name } => network.graph.parameters.get_key_value(name),
        _ => None,
    };
    let named = network.graph.nodes.iter().filter_map(|node| name(&node.op));
    named.filter(|(_, shape)| shape.iter().product::<usize>() == 1).map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_data::augment::Preset;
    use heirloom_zoo::{Initialization, Recipe as Network};

    use super::super::RecipeOptions;
    use super::*;

    #[test]
    fn single_values_of_a_network_without_norms_learn_at_a_tenth_of_the_rate() {
        let of = |architecture: &str| {
            let recipe = Network::usual("mine", architecture).unwrap();
            let network = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
            let typed = RecipeOptions { augment: Some(Preset::None), ..RecipeOptions::default() };
            let recipe = Recipe::choose(TrainedMethod::Full, &typed, &network, 100, 32).unwrap();
            let groups = groups(&recipe, &network).unwrap();
            let slow = |key: &&String| groups.of(key).learning_rate_factor == SCALAR_RATE;
            network.weights.tensors.keys().filter(slow).cloned().collect::<Vec<String>>()
        };
        let slow = of("cifar_fixup_resnet20");
        // Four biases and a factor for each of 9 blocks, one bias behind the stem and one before the classifier.
        assert_eq!(slow.len(), 9 * 5 + 2, "{slow:?}");
        assert!(slow.contains(&"layer1.0.scale".to_owned()) && !slow.iter().any(|key| key.starts_with("fc")));
        assert_eq!(of("cifar_resnet20"), Vec::<String>::new());
    }
}
