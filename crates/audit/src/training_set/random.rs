//! The control of figures about features: the same network with random weights.

use heirloom_engine::Isa;
use heirloom_transfer::extract::ExtractError;
use heirloom_zoo::{Backbone, Initialization, initialize};

use crate::diff::Statistics;
use crate::{AuditError, PreparedImages};

/// A network with random weights in the place of its own, batch-norm statistics measured on some images, whose labels are not read; `None`
/// for a network that is no published architecture.
///
/// # Errors
/// A network that cannot be run.
pub fn with_random_weights(
    backbone: &Backbone,
    images: &PreparedImages,
    seed: u64,
    isa: Isa,
) -> Result<Option<Backbone>, AuditError> {
    let how = Initialization::usual(seed);
    let Ok(mut weights) = initialize(&backbone.architecture, &backbone.graph, &how) else { return Ok(None) };
    if let Some(mut statistics) =
        Statistics::new(&backbone.graph, vec![backbone.features.clone()], images, isa).map_err(ExtractError::from)?
    {
        statistics.measure(&mut weights).map_err(ExtractError::from)?;
    }
    // Kept features are found by this digest.
    let weights_digest = heirloom_zoo::weights_digest(&weights);
    Ok(Some(Backbone { weights, weights_digest, ..backbone.clone() }))
}
