//! One prediction as it is written, whatever the format.

use serde::Serialize;

/// What the model says about one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Where the image is.
    pub image: String,
    /// The most probable class.
    pub class: String,
    /// Its calibrated probability.
    pub probability: f32,
    /// Whether the image is further from the model's own images than 95 % of those are from each other; `None` where the model
    /// was fitted on too few to tell.
    pub unfamiliar: Option<bool>,
    /// The most probable classes, best first, `class` included.
    pub top: Vec<Ranked>,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The class.
    pub class: String,
    /// Its calibrated probability.
    pub probability: f32,
}

/// Names of the flat columns for `top` classes: the first is `class` and `probability`, the others carry their rank.
pub fn columns(top: usize) -> Vec<String> {
    let mut names: Vec<String> = ["image", "class", "probability", "unfamiliar"].map(String::from).to_vec();
    names.extend((2..=top).flat_map(|rank| [format!("class_{rank}"), format!("probability_{rank}")]));
    names
}
