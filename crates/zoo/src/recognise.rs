//! Tells the architecture of weights that come without a description by their keys and shapes, where only one fits.

use std::path::Path;

use crate::architectures::{ARCHITECTURES, Architecture};
use crate::error::ZooError;
use crate::fitting::fit;
use crate::readers::TensorFile;
use crate::recipe::Recipe;
use crate::sidecar::Sidecar;

/// Weights with at most this share of wrong tensors are taken for a damaged copy of the nearest architecture.
const NEARLY: f64 = 0.1;

/// The recipe of a file without a description, its preprocessing the architecture's usual one (said in the notes).
///
/// # Errors
/// Tensors that fit no architecture or more than one; tensors that nearly fit one are named.
pub(crate) fn recognise(name: &str, file: &TensorFile) -> Result<Recipe, ZooError> {
    let mut fits = Vec::new();
    let mut nearest: Option<(&Architecture, f64, crate::Problems)> = None;
    for architecture in ARCHITECTURES {
        let recipe = Recipe::usual(name, architecture.name)?;
        let Ok(found) = fit(architecture, &recipe, file.entries()) else { continue };
        let share = found.problems.0.len() as f64 / found.network.graph.parameters.len() as f64;
        if found.problems.0.is_empty() {
            fits.push((architecture, recipe));
        } else if nearest.as_ref().is_none_or(|(_, least, _)| share < *least) {
            nearest = Some((architecture, share, found.problems));
        }
    }
    match (fits.len(), nearest) {
        (1, _) => Ok(noted(fits.remove(0).1, file.path())),
        (0, Some((architecture, share, problems))) if share <= NEARLY => Err(ZooError::Mismatch {
            path: file.path().to_owned(),
            architecture: architecture.name.to_owned(),
            problems,
        }),
        (_, nearest) => {
            let example = fits.first().map(|(fit, _)| *fit).or(nearest.map(|(architecture, ..)| architecture));
            Err(unrecognised(name, file.path(), fits.iter().map(|(fit, _)| fit.name.to_owned()).collect(), example))
        }
    }
}

fn noted(mut recipe: Recipe, path: &Path) -> Recipe {
    let p = &recipe.preprocess;
    recipe.notes.push(format!(
        "{} has no description: recognised as {} by its keys, and its usual preprocessing is assumed ({:?}, {:?}, mean {:?}, \
         standard deviation {:?}); write {} to say otherwise",
        path.display(),
        recipe.architecture,
        p.resize,
        p.interpolation,
        p.mean,
        p.std,
        path.with_extension("json").display()
    ));
    recipe
}

fn unrecognised(name: &str, path: &Path, fits: Vec<String>, example: Option<&Architecture>) -> ZooError {
    let example = example.and_then(|architecture| {
        let mut sidecar = Sidecar::from_recipe(&Recipe::usual(name, architecture.name).ok()?);
        sidecar.name = None;
        serde_json::to_string_pretty(&sidecar).ok()
    });
    ZooError::Unrecognised {
        path: path.to_owned(),
        fits,
        sidecar: path.with_extension("json"),
        example: example.unwrap_or_default(),
    }
}
