//! From a description and an open weight file to a backbone: the graph is built or taken, the tensors are checked and read.

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Tensor, Weights};

use crate::architectures;
use crate::backbone::{Backbone, weights_digest};
use crate::check::compare;
use crate::error::{Problem, Problems, ZooError};
use crate::fitting::fit;
use crate::position;
use crate::readers::TensorFile;
use crate::recipe::Recipe;
use crate::stored_network::StoredNetwork;

/// The penultimate vector of every published architecture.
const FEATURES: &str = "pre_logits";

impl Backbone {
    /// Builds the graph that `recipe` describes and fills it from `file`. Position embeddings of another square grid than the input
    /// size asks for are resampled, and noted.
    ///
    /// # Errors
    /// An unknown architecture, options it cannot take, tensors that do not fit, values that are not finite.
    pub fn load(mut recipe: Recipe, file: &mut TensorFile) -> Result<Self, ZooError> {
        check_preprocess(&recipe.preprocess).map_err(|reason| description(file, reason))?;
        match recipe.network.take() {
            Some(network) => load_stored(recipe, network, file),
            None => load_published(recipe, file),
        }
    }

    /// A backbone of these parts; the architecture's name is the recipe's.
    pub(crate) fn assemble(recipe: Recipe, network: StoredNetwork, weights: Weights) -> Self {
        Self {
            name: recipe.name,
            architecture: recipe.architecture,
            weights_digest: weights_digest(&weights),
            logits: network.graph.find("logits").map(|_| "logits".to_owned()),
            graph: network.graph,
            weights,
            preprocess: recipe.preprocess,
            licence: recipe.licence,
            source: recipe.source,
            classes: recipe.class_names,
            features: network.features,
            taps: network.taps,
            notes: recipe.notes,
        }
    }
}

/// The parts of a published architecture's network.
pub(crate) fn published(network: architectures::Network) -> StoredNetwork {
    StoredNetwork { graph: network.graph, taps: network.taps, features: FEATURES.to_owned() }
}

fn description(file: &TensorFile, reason: String) -> ZooError {
    ZooError::Description { path: file.path().to_owned(), reason }
}

fn load_published(mut recipe: Recipe, file: &mut TensorFile) -> Result<Backbone, ZooError> {
    let architecture = architectures::find(&recipe.architecture)?;
    recipe.architecture = architecture.name.to_owned();
    let found = fit(architecture, &recipe, file.entries()).map_err(|reason| description(file, reason))?;
    let network = published(found.network);
    let moved = Moved::find(&network.graph, &recipe.preprocess, &found.problems);
    if found.problems.0.len() > usize::from(moved.is_some()) {
        return Err(mismatch(&recipe, found.problems, file));
    }
    let mut weights = read(&network.graph, file)?;
    if let Some(moved) = moved {
        recipe.notes.push(moved.apply(&mut weights).map_err(|reason| description(file, reason))?);
    }
    Ok(Backbone::assemble(recipe, network, weights))
}

fn load_stored(recipe: Recipe, network: StoredNetwork, file: &mut TensorFile) -> Result<Backbone, ZooError> {
    network
        .check(&recipe.preprocess, recipe.classes)
        .map_err(|reason| description(file, format!("network: {reason}")))?;
    let problems = compare(&network.graph.parameters, file.entries());
    if !problems.0.is_empty() {
        return Err(mismatch(&recipe, problems, file));
    }
    let weights = read(&network.graph, file)?;
    Ok(Backbone::assemble(recipe, network, weights))
}

fn mismatch(recipe: &Recipe, problems: Problems, file: &TensorFile) -> ZooError {
    ZooError::Mismatch { path: file.path().to_owned(), architecture: recipe.architecture.clone(), problems }
}

fn read(graph: &Graph, file: &mut TensorFile) -> Result<Weights, ZooError> {
    let mut weights = Weights::default();
    for key in graph.parameters.keys() {
        weights.tensors.insert(key.clone(), file.read(key)?);
    }
    Ok(weights)
}

/// Position embeddings that a file holds for another input size; grids are `[rows, columns]` of patches.
struct Moved {
    key: String,
    from: [usize; 2],
    to: [usize; 2],
}

impl Moved {
    /// `None` where the position embeddings fit, or differ in more than the number of patches, or are not of a square.
    fn find(graph: &Graph, preprocess: &Preprocess, problems: &Problems) -> Option<Self> {
        let (key, to) = position::grid(graph, preprocess.input_size).ok()??;
        problems.0.iter().find_map(|problem| match problem {
            Problem::Shape { key: wrong, expected, found } if *wrong == key => match (&expected[..], &found[..]) {
                ([1, _, channels], [1, tokens, same]) if channels == same => {
                    Some(Self { key: key.clone(), from: position::square_grid(*tokens)?, to })
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// Resamples them and says so.
    fn apply(&self, weights: &mut Weights) -> Result<String, String> {
        let Self { key, from, to } = self;
        let held: &mut Tensor = weights.tensors.get_mut(key).ok_or_else(|| format!("it has no '{key}'"))?;
        *held = position::resample(held, *from, *to)?;
        let ([rows, columns], [new_rows, new_columns]) = (from, to);
        Ok(format!(
            "'{key}' was resampled from {rows}x{columns} to {new_rows}x{new_columns} patches for the input size"
        ))
    }
}

/// Whether images can be prepared so. `Err` says what is wrong.
pub(crate) fn check_preprocess(preprocess: &Preprocess) -> Result<(), String> {
    let [height, width] = preprocess.input_size;
    if !(1..=4096).contains(&height) || !(1..=4096).contains(&width) {
        return Err(format!("input_size is {height}x{width} pixels, must be 1 to 4096 on each side"));
    }
    if let heirloom_data::Resize::ShorterSide(side) = preprocess.resize
        && !(height.max(width)..=16384).contains(&side)
    {
        return Err(format!("the shorter side is resized to {side} pixels, must be {} to 16384", height.max(width)));
    }
    if preprocess.mean.iter().any(|mean| !mean.is_finite()) {
        return Err(format!("mean is {:?}, must be finite", preprocess.mean));
    }
    if preprocess.std.iter().any(|std| !(std.is_finite() && *std > 0.0)) {
        return Err(format!("std is {:?}, must be positive", preprocess.std));
    }
    Ok(())
}
