//! From a fit to the file that is deployed.

use std::path::Path;

use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::fit::Fit;
use heirloom_zoo::Backbone;

use crate::failure::Failure;

/// Writes the model; with `slim` the backbone is named by its digest and left out.
pub fn save(fit: &Fit, backbone: &Backbone, slim: bool, path: &Path) -> Result<(), Failure> {
    let artifact = of(fit, backbone);
    let artifact = if slim { artifact.slim() } else { artifact };
    Ok(artifact.save(path)?)
}

/// Writes the model of a table of features, whose principal block tells unfamiliar rows.
pub fn save_features(fit: &Fit, principal: &str, path: &Path) -> Result<(), Failure> {
    Ok(fit.artifact_of_features(principal, std::env::args().collect()).save(path)?)
}

/// The model with its network.
pub fn of(fit: &Fit, backbone: &Backbone) -> Artifact {
    fit.artifact(backbone, std::env::args().collect())
}
