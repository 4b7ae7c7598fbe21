//! Finds the spelling under which a file's tensors fit an architecture: whose keys, batch norms folded or not, which prefix.
//! The recipe may fix each of them; the spelling with the fewest differences is taken, and its differences are the report.

use std::collections::BTreeMap;

use crate::architectures::Architecture;
use crate::builder::{Network, Variant};
use crate::check::compare;
use crate::error::Problems;
use crate::keys::{Keys, Layout};
use crate::readers::Entry;
use crate::recipe::{Norm, Recipe};

/// The prefix that PyTorch's data-parallel wrapper puts before every key.
const PARALLEL: &str = "module.";

/// An architecture under one spelling, and what does not fit.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    pub network: Network,
    pub problems: Problems,
}

/// The best spelling of `architecture` for the tensors `held`.
///
/// # Errors
/// Options or an input size that the architecture cannot take.
pub(crate) fn fit(architecture: &Architecture, recipe: &Recipe, held: &BTreeMap<String, Entry>) -> Result<Fit, String> {
    let norms = recipe.norm.map_or(vec![Norm::Separate, Norm::Folded], |norm| vec![norm]);
    let mut best: Option<Fit> = None;
    for &layout in architecture.layouts {
        for &norm in &norms {
            let network = spell(architecture, recipe, held, layout, norm)?;
            let problems = compare(&network.graph.parameters, held);
            if best.as_ref().is_none_or(|best| problems.0.len() < best.problems.0.len()) {
                best = Some(Fit { network, problems });
            }
        }
    }
    best.ok_or_else(|| format!("the architecture {} has no key names", architecture.name))
}

/// The graph under one spelling, with as many classes as the recipe says or the file's classifier has.
fn spell(
    architecture: &Architecture,
    recipe: &Recipe,
    held: &BTreeMap<String, Entry>,
    layout: Layout,
    norm: Norm,
) -> Result<Network, String> {
    let prefix = recipe.prefix.clone().unwrap_or_else(|| common_prefix(held).to_owned());
    let keys = Keys { layout, prefix, rename: recipe.rename.clone() };
    let variant = |classes: usize| Variant {
        norm,
        classes,
        input_size: recipe.preprocess.input_size,
        options: recipe.options.clone(),
    };
    let build = |classes| architecture.build(keys.clone(), variant(classes), &recipe.preprocess);
    if let Some(classes) = recipe.classes {
        return build(classes);
    }
    if layout == Layout::Gluon {
        return build(0);
    }
    let any = build(1)?;
    let classifier = any.classifier.as_ref().and_then(|key| held.get(key));
    build(classifier.and_then(|entry| entry.shape.first().copied()).unwrap_or(1).max(1))
}

fn common_prefix(held: &BTreeMap<String, Entry>) -> &'static str {
    if !held.is_empty() && held.keys().all(|key| key.starts_with(PARALLEL)) { PARALLEL } else { "" }
}
